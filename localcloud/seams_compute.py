"""What ECS, ELBv2 and CloudWatch know of moto's insides; checked when a part is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from localcloud.seams import ActionResult, expect, swap_backend

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

__all__ = [
    "Action",
    "Alarm",
    "CloudWatchBackend",
    "CloudWatchValidationError",
    "ELBClientError",
    "ELBv2Backend",
    "FakeHealthStatus",
    "InvalidParameterValue",
    "InvalidTargetError",
    "Listener",
    "LoadBalancer",
    "MetricAggregatedDatum",
    "MetricDatum",
    "MetricDatumBase",
    "PriorityInUseError",
    "Rule",
    "RuleNotFoundError",
    "TargetGroup",
    "TargetGroupNotFoundError",
    "ValidationError",
    "cloudwatch_backends",
    "find_target_group",
    "forwards",
    "listeners",
    "load_balancers",
    "replace_cloudwatch",
    "replace_elbv2",
    "rules_in_order",
]

Rule = FakeListenerRule | FakeRule


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
