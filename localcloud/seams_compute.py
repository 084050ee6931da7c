"""What ECS, ELBv2 and CloudWatch know of moto's insides; checked when a part is installed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from werkzeug.exceptions import HTTPException

from localcloud.seams import ActionResult, ServiceException, expect, swap_backend

# isort: split
from moto.cloudwatch import models as cloudwatch
from moto.cloudwatch import responses as cloudwatch_responses
from moto.cloudwatch.exceptions import InvalidParameterValue
from moto.cloudwatch.exceptions import ValidationError as CloudWatchValidationError
from moto.cloudwatch.models import (
    Alarm,
    CloudWatchBackend,
    MetricAggregatedDatum,
    MetricDatum,
    MetricDatumBase,
)
from moto.ec2.models import ec2_backends
from moto.ecs import models as ecs
from moto.ecs import responses as ecs_responses
from moto.ecs.exceptions import InvalidParameterException, ServiceNotFoundException
from moto.ecs.models import Cluster, EC2ContainerServiceBackend, Service, TaskDefinition
from moto.ecs.models import Task as MotoTask
from moto.elbv2 import models as elbv2
from moto.elbv2.exceptions import (
    ELBClientError,
    InvalidTargetError,
    PriorityInUseError,
    RuleNotFoundError,
    TargetGroupNotFoundError,
    ValidationError,
)
from moto.elbv2.models import (
    ELBv2Backend,
    FakeHealthStatus,
    FakeListenerRule,
    FakeRule,
)
from moto.elbv2.models import FakeAction as Action
from moto.elbv2.models import FakeListener as Listener
from moto.elbv2.models import FakeLoadBalancer as LoadBalancer
from moto.elbv2.models import FakeTargetGroup as TargetGroup
from moto.logs.models import logs_backends
from moto.moto_api import state_manager
from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.models import ssm_backends

__all__ = [
    "MOTO_ERRORS",
    "Action",
    "Alarm",
    "CloudWatchBackend",
    "CloudWatchValidationError",
    "Cluster",
    "EC2ContainerServiceBackend",
    "ELBClientError",
    "ELBv2Backend",
    "FakeHealthStatus",
    "InvalidParameterException",
    "InvalidParameterValue",
    "InvalidTargetError",
    "Listener",
    "LoadBalancer",
    "LogStream",
    "MetricAggregatedDatum",
    "MetricDatum",
    "MetricDatumBase",
    "MotoTask",
    "PriorityInUseError",
    "Rule",
    "RuleNotFoundError",
    "Service",
    "ServiceNotFoundException",
    "TargetGroup",
    "TargetGroupNotFoundError",
    "TaskDefinition",
    "ValidationError",
    "cloudwatch_backends",
    "delete_network_interface",
    "ecs_backends",
    "find_target_group",
    "forwards",
    "listeners",
    "load_balancers",
    "replace_cloudwatch",
    "replace_ecs",
    "replace_elbv2",
    "rules_in_order",
    "secret_value",
]

Rule = FakeListenerRule | FakeRule
MOST_LOG_EVENTS = 20_000
"""A container's log stream keeps at most so many events; the older half goes when there are more."""
MOTO_ERRORS: tuple[type[Exception], type[Exception]] = (ServiceException, HTTPException)
"""What moto's backends raise for errors that AWS would answer: some services have the old kind still."""


def replace_elbv2(backend: type[ELBv2Backend]) -> None:
    """Requests to ELBv2 are served by `backend`."""
    expect(
        elbv2.FakeTargetGroup.__init__,
        ["healthcheck_interval_seconds", "unhealthy_threshold_count", "matcher"],
    )
    swap_backend(elbv2.elbv2_backends, backend)


def _elbv2_backends() -> Iterator[ELBv2Backend]:
    for regions in list(elbv2.elbv2_backends.values()):
        yield from list(regions.values())


def load_balancers() -> Iterator[LoadBalancer]:
    """Every load balancer there is."""
    for backend in _elbv2_backends():
        yield from list(backend.load_balancers.values())


def listeners(load_balancer: LoadBalancer) -> list[Listener]:
    """Its listeners."""
    return list(load_balancer.listeners.values())


def rules_in_order(listener: Listener) -> list[Rule]:
    """Its rules as they are evaluated: by priority, the default rule last."""
    ordered: list[Rule] = sorted(listener._non_default_rules.values(), key=_priority)  # noqa: SLF001
    return [*ordered, *listener._default_rule.values()]  # noqa: SLF001


def _priority(rule: Rule) -> int:
    return int(rule.priority)


def find_target_group(arn: str) -> TargetGroup | None:
    """The target group of that ARN."""
    return next((b.target_groups[arn] for b in _elbv2_backends() if arn in b.target_groups), None)


def forwards(action: Action) -> list[tuple[str, int]]:
    """Target groups of a forward action with their weights; one alone has weight 1."""
    data: dict[str, Any] = action.data
    if "ForwardConfig" in data:
        return [
            (tg["TargetGroupArn"], int(tg.get("Weight", 1)))
            for tg in data["ForwardConfig"].get("TargetGroups", [])
        ]
    return [(data["TargetGroupArn"], 1)] if "TargetGroupArn" in data else []


def replace_cloudwatch(backend: type[CloudWatchBackend]) -> None:
    """Requests to CloudWatch are served by `backend`, GetMetricStatistics by its `datapoints`."""
    expect(cloudwatch_responses.CloudWatchResponse.get_metric_statistics, ["self"])
    swap_backend(cloudwatch.cloudwatch_backends, backend)
    response: Any = cloudwatch_responses.CloudWatchResponse
    response.get_metric_statistics = _get_metric_statistics


def _get_metric_statistics(response: Any) -> ActionResult:
    """Moto reads ExtendedStatistics and forgets them."""
    asked = response._get_params()  # noqa: SLF001
    points = response.cloudwatch_backend.datapoints(asked)
    return ActionResult({"Label": asked["MetricName"], "Datapoints": points})


def cloudwatch_backends() -> Iterator[CloudWatchBackend]:
    """CloudWatch of every region in use."""
    for regions in list(cloudwatch.cloudwatch_backends.values()):
        yield from list(regions.values())


def replace_ecs(
    backend: type[EC2ContainerServiceBackend],
    task: type[MotoTask],
    keep: Callable[[Any, dict[str, Any]], None],
) -> None:
    """Requests to ECS are served by `backend`, whose tasks are `task`s.

    Args:
        backend: Its `missing_tasks(names)` gives the failures of DescribeTasks.
        task: Replaces moto's class; only we move it from state to state.
        keep: Called with every service created and the parameters, for those that moto drops.
    """
    expect(ecs.Task.__init__, ["cluster", "task_definition", "backend", "networking_configuration"])
    swap_backend(ecs.ecs_backends, backend)
    ecs.Task = task  # type: ignore[misc]
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 1 << 60})
    response: Any = ecs_responses.EC2ContainerServiceResponse
    create_service, describe_tasks = response.create_service, response.describe_tasks

    def create_and_keep(self: Any) -> ActionResult:
        result = create_service(self)
        keep(result.result["service"], self._get_params())
        return cast(ActionResult, result)

    def describe_with_failures(self: Any) -> ActionResult:
        result = describe_tasks(self)
        result.result["failures"] = self.ecs_backend.missing_tasks(self._get_param("tasks", []))
        return cast(ActionResult, result)

    response.create_service = create_and_keep
    response.describe_tasks = describe_with_failures


def ecs_backends() -> Iterator[EC2ContainerServiceBackend]:
    """ECS of every region in use."""
    for regions in list(ecs.ecs_backends.values()):
        yield from list(regions.values())


def delete_network_interface(account: str, region: str, interface: str) -> None:
    """The elastic network interface of a task is gone."""
    ec2_backends[account][region].enis.pop(interface, None)


def secret_value(account: str, region: str, reference: str) -> str:
    """The value behind a `valueFrom` ("Pass sensitive data to an Amazon ECS container").

    Args:
        account: Account of the task.
        region: Region of the task.
        reference: ARN of a secret, with `:json-key:version-stage:version-id` behind it if wanted, or name
            or ARN of an SSM parameter.

    Raises:
        KeyError: the JSON key or the parameter does not exist.
        MOTO_ERRORS: the secret or its version does not exist.
        ValueError: a JSON key is asked of a secret that is no JSON.
    """
    if ":secretsmanager:" not in reference:
        parameter = ssm_backends[account][region].get_parameter(reference)
        if parameter is None:
            raise KeyError(reference)
        return str(parameter.response_object(decrypt=True)["Value"])
    parts = [*reference.split(":"), "", "", ""]
    arn, key, stage, version = ":".join(parts[:7]), *parts[7:10]
    backend = secretsmanager_backends[account][region]
    secret = str(backend.get_secret_value(arn, version, stage)["SecretString"])
    if not key:
        return secret
    value = json.loads(secret)[key]
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class LogStream:
    """Where the logs of one container go."""

    account: str
    region: str
    group: str
    name: str

    def open(self, *, create_group: bool) -> None:
        """It exists.

        Raises:
            MOTO_ERRORS: the log group does not exist and is not to be created.
        """
        backend = logs_backends[self.account][self.region]
        if create_group and self.group not in backend.groups:
            backend.create_log_group(self.group, {})
        backend.ensure_log_stream(self.group, self.name)

    def put(self, events: list[dict[str, Any]]) -> None:
        """The events (timestamp in ms, message) are in it; dropped when it was deleted."""
        backend = logs_backends[self.account][self.region]
        if self.group not in backend.groups or self.name not in backend.groups[self.group].streams:
            return
        backend.put_log_events(self.group, self.name, events)
        kept = backend.groups[self.group].streams[self.name].events
        if len(kept) > MOST_LOG_EVENTS:
            del kept[: MOST_LOG_EVENTS // 2]
