"""Clients for AWS: typed, with time-outs and retries, made once per process and endpoint."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
from botocore.config import Config

from tasks.aws_errors import error_code, translated
from tasks.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

__all__ = ["client", "error_code", "forget_clients", "translated", "world"]

ServiceName = Literal["cloudwatch", "dynamodb", "ecr", "ecs", "elbv2", "logs", "secretsmanager", "ssm"]

_creating = threading.Lock()


@overload
def client(service_name: Literal["cloudwatch"]) -> CloudWatchClient: ...
@overload
def client(service_name: Literal["dynamodb"]) -> DynamoDBClient: ...
@overload
def client(service_name: Literal["ecr"]) -> ECRClient: ...
@overload
def client(service_name: Literal["ecs"]) -> ECSClient: ...
@overload
def client(service_name: Literal["elbv2"]) -> ElasticLoadBalancingv2Client: ...
@overload
def client(service_name: Literal["logs"]) -> CloudWatchLogsClient: ...
@overload
def client(service_name: Literal["secretsmanager"]) -> SecretsManagerClient: ...
@overload
def client(service_name: Literal["ssm"]) -> SSMClient: ...
def client(service_name: ServiceName) -> Any:
    """A client with time-outs and adaptive retries, made once per process, endpoint and identity.

    Raises:
        AccessDenied: No region is configured; the caller stops and the operator sets one.
    """
    # boto3.client is not safe in threads, the clients it returns are (boto3 guide, "Clients").
    with translated(f"AWS client for {service_name}"), _creating:
        return _client(service_name, os.getpid(), world())


def world() -> tuple[str, ...]:
    """What the environment says about which AWS is meant; part of the key of whatever is remembered of it."""
    names = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID")
    return tuple(os.environ.get(name, "") for name in names)


@lru_cache(maxsize=64)
def _client(service_name: ServiceName, _pid: int, _world: tuple[str, ...]) -> Any:
    settings = Settings()
    config = Config(
        connect_timeout=settings.aws_connect_timeout_s,
        read_timeout=settings.aws_read_timeout_s,
        retries={"mode": "adaptive", "total_max_attempts": settings.aws_max_attempts},
        max_pool_connections=32,
    )
    # boto3 itself reads only AWS_DEFAULT_REGION; ECS and the other SDKs set AWS_REGION.
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return boto3.session.Session(region_name=region).client(service_name, config=config)


def forget_clients() -> None:
    """Make the next call create its client anew, for instance after a change of credentials files."""
    _client.cache_clear()
