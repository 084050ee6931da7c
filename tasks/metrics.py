"""What the load balancer counted of each side: requests, errors, latency (AWS/ApplicationELB)."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from decisions.analysis import Sample
from decisions.errors import AccessDenied, CloudError, CloudUnavailable
from decisions.release import COLOURS, Colour
from tasks import aws
from tasks.effect import effect
from tasks.topology import Platform

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef, MetricDataResultTypeDef

Metric = Literal["requests", "http_5xx", "not_answered", "latency_s"]
# Names and statistics: "CloudWatch metrics for your Application Load Balancer".
_METRICS: dict[Metric, tuple[str, str]] = {
    "requests": ("RequestCount", "Sum"),
    "http_5xx": ("HTTPCode_Target_5XX_Count", "Sum"),
    "not_answered": ("TargetConnectionErrorCount", "Sum"),
    "latency_s": ("TargetResponseTime", "p95"),
}
_QUERIES_A_CALL = 500  # GetMetricData, "MetricDataQueries"
_RECENT_S = 3.0
Series = dict[datetime, float]


@dataclass(frozen=True)
class _Asked:
    service: str
    colour: Colour
    metric: Metric


@dataclass(frozen=True)
class _Window:
    start_s: float
    end_s: float
    period_s: int


@effect("read samples", retries=3)
def read_samples(
    platform: Platform, services: Sequence[str], since_s: float, until_s: float
) -> dict[str, dict[Colour, Sample]]:
    """What each side of these services answered in the window, of whole metric periods only.

    The window ends `metrics_delay_s` before now at the latest: younger periods are not complete. Requests
    that got no answer from a target count as errors. `latency_s` is the mean of the periods' 95th percentiles
    weighted by their requests; both sides are measured alike, which is what a ratio of them needs.

    Args:
        platform: Where.
        services: Whose sides.
        since_s: Epoch seconds; the window begins with the first whole period from here.
        until_s: Epoch seconds.

    Raises:
        CloudUnavailable: Not all of it could be read now; never taken for success.
    Safe to repeat: only reads.
    """
    policy = platform.environment.policy
    window = _whole(since_s, min(until_s, time.time() - policy.metrics_delay_s), policy.metrics_period_s)
    asked = [_Asked(s, colour, metric) for s in services for colour in COLOURS for metric in _METRICS]
    series = _read(platform, asked, window)
    return {
        service: {
            colour: _sample({metric: series[_Asked(service, colour, metric)] for metric in _METRICS})
            for colour in COLOURS
        }
        for service in services
    }


@effect("read recent requests", retries=2)
def recent_requests(platform: Platform) -> dict[tuple[str, Colour], int]:
    """Requests that each side got in the newest whole period, or periods for at least three seconds.

    Raises:
        CloudUnavailable: Not all of it could be read now.
    Safe to repeat: only reads.
    """
    policy = platform.environment.policy
    end = time.time() - policy.metrics_delay_s
    periods = math.ceil(_RECENT_S / policy.metrics_period_s)
    # One period more than is wanted, because the newest one is not whole and is cut off.
    window = _whole(end - (periods + 1) * policy.metrics_period_s, end, policy.metrics_period_s)
    asked = [_Asked(name, colour, "requests") for name in platform.services for colour in COLOURS]
    series = _read(platform, asked, window)
    return {(each.service, each.colour): round(sum(series[each].values())) for each in asked}


def _whole(since_s: float, until_s: float, period_s: int) -> _Window:
    start = math.ceil(since_s / period_s) * period_s
    return _Window(start, max(start, math.floor(until_s / period_s) * period_s), period_s)


def _read(platform: Platform, asked: Sequence[_Asked], window: _Window) -> dict[_Asked, Series]:
    series: dict[_Asked, Series] = {each: {} for each in asked}
    if window.start_s >= window.end_s:
        return series
    where = f"{platform.name}: reading {len(asked)} metrics of {window.end_s - window.start_s:.0f} s"
    for start in range(0, len(asked), _QUERIES_A_CALL):
        batch = {f"q{number}": each for number, each in enumerate(asked[start : start + _QUERIES_A_CALL])}
        queries = [_query(platform, identity, each, window) for identity, each in batch.items()]
        states: dict[str, str] = {}
        for result in _pages(queries, window, where):
            states[result["Id"]] = result.get("StatusCode", "Complete")
            points = zip(result.get("Timestamps", []), result.get("Values", []), strict=True)
            series[batch[result["Id"]]].update(points)
        _refuse_incomplete({name: states.get(name, "no answer") for name in batch}, where)
    return series


def _query(platform: Platform, identity: str, asked: _Asked, window: _Window) -> MetricDataQueryTypeDef:
    name, statistic = _METRICS[asked.metric]
    target_group = platform.service(asked.service).side(asked.colour).target_group
    return {
        "Id": identity,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/ApplicationELB",
                "MetricName": name,
                "Dimensions": [
                    {"Name": "TargetGroup", "Value": target_group},
                    {"Name": "LoadBalancer", "Value": platform.load_balancer},
                ],
            },
            "Period": window.period_s,
            "Stat": statistic,
        },
    }


def _pages(
    queries: Sequence[MetricDataQueryTypeDef], window: _Window, where: str
) -> Iterable[MetricDataResultTypeDef]:
    with aws.translated(where):
        pages = aws.client("cloudwatch").get_paginator("get_metric_data")
        for page in pages.paginate(
            MetricDataQueries=queries,
            StartTime=datetime.fromtimestamp(window.start_s, UTC),
            EndTime=datetime.fromtimestamp(window.end_s, UTC),
        ):
            yield from page["MetricDataResults"]


def _refuse_incomplete(states: dict[str, str], where: str) -> None:
    """What AWS did not answer in full is an error, not zero errors (GetMetricData, "StatusCode")."""
    by_state: dict[str, int] = defaultdict(int)
    for state in states.values():
        by_state[state] += 1
    if by_state.pop("Complete", 0) == len(states):
        return
    seen = ", ".join(f"{count} of {len(states)} are {state}" for state, count in by_state.items())
    kind: type[CloudError] = AccessDenied if "Forbidden" in by_state else CloudUnavailable
    raise kind(where, seen, do="look again; without metrics nothing is judged")


def _sample(series: dict[Metric, Series]) -> Sample:
    requests = series["requests"]
    errors = sum(series["http_5xx"].values()) + sum(series["not_answered"].values())
    # A connection that no target took may be missing among the requests of the target group.
    total = max(sum(requests.values()), errors)
    weighted = [(value, requests.get(at, 0.0)) for at, value in series["latency_s"].items()]
    weight = sum(each for _, each in weighted)
    latency = sum(value * each for value, each in weighted) / weight if weight else None
    return Sample(requests=round(total), errors=round(errors), latency_s=latency)
