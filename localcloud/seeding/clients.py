"""boto3 against the instance that is being seeded, and the idiom that makes seeding repeatable."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud import ACCESS_KEY, REGION
from localcloud.errors import LocalCloudError

T = TypeVar("T")

SERVICES = (
    *("ec2", "iam", "logs", "ecr", "ecs", "elbv2"),
    *("rds", "elasticache", "s3", "dynamodb", "secretsmanager", "ssm"),
)
PATIENCE_S = 60


@dataclass(frozen=True)
class Clients:
    """One client per service; boto3 clients may be used from many threads, making them may not."""

    by_service: dict[str, Any]

    @classmethod
    def of(cls, endpoint_url: str) -> Clients:
        """Clients of the instance at that address."""
        # Health checks here are quicker than the 5 s that boto3 would insist on before it sends anything.
        config = Config(
            parameter_validation=False, max_pool_connections=20, retries={"total_max_attempts": 1}
        )
        session = boto3.Session(
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=ACCESS_KEY, region_name=REGION
        )
        make: Any = session.client  # typed by literal names only
        return cls({name: make(name, endpoint_url=endpoint_url, config=config) for name in SERVICES})

    def __getattr__(self, service: str) -> Any:
        """`clients.ecs` is the client of ECS."""
        return self.by_service[service]


def once(create: Callable[[], T], find: Callable[[], T | None]) -> T:
    """What `find` finds, or else what `create` creates. Repeating it changes nothing."""
    found = find()
    return create() if found is None else found


def unless_missing(find: Callable[[], T]) -> T | None:
    """What `find` answers; None when AWS says that there is no such thing."""
    try:
        return find()
    except ClientError as error:
        if "NotFound" in error.response["Error"]["Code"] or "NoSuch" in error.response["Error"]["Code"]:
            return None
        raise


def wait_until(what: str, check: Callable[[], T | None]) -> T:
    """What `check` answers once it is not None.

    Raises:
        LocalCloudError: it was None for PATIENCE_S.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if (found := check()) is not None:
            return found
        time.sleep(0.03)
    raise LocalCloudError(
        "platform",
        f"{what} is not available after {PATIENCE_S} s",
        "the local cloud runs, half seeded",
        "down, up",
    )
