"""AWS/ApplicationELB: what the load balancers saw, in bounded buckets.

Metrics, when they are reported and their dimensions: "CloudWatch metrics for your Application Load
Balancer". A request is counted for a target group only once a target was chosen; errors that the load
balancer made itself (502, 503, 504) are HTTPCode_ELB_* of the load balancer alone, as in AWS.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from localcloud.cloudwatch.distribution import Distribution
from localcloud.cloudwatch.sources import MINUTE_S, Dimensions, Query

NAMESPACE = "AWS/ApplicationELB"
KEPT_SECONDS = 900
KEPT_MINUTES = 1440
_TIME = "TargetResponseTime"
_CLIENT_GONE = 460


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the access log. `target_group` and `target` are "" when none was chosen."""

    ended: float
    load_balancer: str
    target_group: str
    target: str
    status: int
    flags: str
    by_target: bool
    response_time_s: float | None


@dataclass(slots=True)
class Bucket:
    """One second or minute of one pair of load balancer and target group."""

    counts: dict[str, int] = field(default_factory=dict)
    values: dict[str, Distribution] = field(default_factory=dict)

    def count(self, names: Iterable[str]) -> None:
        """Each of these happened once more."""
        for name in names:
            self.counts[name] = self.counts.get(name, 0) + 1

    def value(self, name: str, value: float) -> None:
        """A measured value."""
        self.values.setdefault(name, Distribution()).add(value)

    def read(self, name: str) -> Distribution | None:
        """All there is of one metric."""
        if name in self.values:
            return self.values[name]
        if name not in self.counts:
            return None
        each = Distribution()
        each.add(1.0, self.counts[name])
        return each


class _Series:
    """Buckets of one pair, by second and by minute; the oldest are dropped."""

    def __init__(self) -> None:
        self.seconds: dict[int, Bucket] = {}
        self.minutes: dict[int, Bucket] = {}

    def at(self, when: float) -> tuple[Bucket, Bucket]:
        second = int(when)
        minute = second - second % MINUTE_S
        return _bucket(self.seconds, second, KEPT_SECONDS), _bucket(self.minutes, minute, KEPT_MINUTES)


def _bucket(buckets: dict[int, Bucket], at: int, kept: int) -> Bucket:
    found = buckets.get(at)
    if found is None:
        found = buckets[at] = Bucket()
        while len(buckets) > kept:
            del buckets[min(buckets)]
    return found


class Traffic:
    """Everything the load balancers of this instance saw lately."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: defaultdict[tuple[str, str], _Series] = defaultdict(_Series)

    def take(self, requests: Iterable[Request]) -> None:
        """These requests were answered."""
        with self._lock:
            for request in requests:
                names = counted(request)
                if request.target:
                    self._add(request, (request.load_balancer, request.target_group), names[0])
                self._add(request, (request.load_balancer, ""), names[0] + names[1])

    def _add(self, request: Request, key: tuple[str, str], names: tuple[str, ...]) -> None:
        for bucket in self._series[key].at(request.ended):
            bucket.count(names)
            if request.response_time_s is not None:
                bucket.value(_TIME, request.response_time_s)

    def hosts(self, when: float, pair: tuple[str, str], healthy: int, unhealthy: int) -> None:
        """So many targets of that load balancer and target group were in these states at that second."""
        with self._lock:
            for bucket in self._series[pair].at(when):
                bucket.value("HealthyHostCount", healthy)
                bucket.value("UnHealthyHostCount", unhealthy)

    def metrics(self) -> Iterator[tuple[str, Dimensions]]:
        """Every metric that has data."""
        with self._lock:
            found = {
                (name, dimensions(*key))
                for key, series in self._series.items()
                for bucket in series.minutes.values()
                for name in (*bucket.counts, *bucket.values)
            }
        yield from sorted(found, key=str)

    def read(self, query: Query) -> Iterator[tuple[float, Distribution]]:
        """One metric, oldest first."""
        named = dict(query.dimensions)
        key = (named.get("LoadBalancer", ""), named.get("TargetGroup", ""))
        if dimensions(*key) != query.dimensions:
            return
        with self._lock:
            series = self._series.get(key)
            buckets = (series.minutes if query.in_minutes else series.seconds) if series else {}
            inside = {at: b.read(query.name) for at, b in buckets.items() if query.start <= at < query.end}
        yield from sorted((float(at), found) for at, found in inside.items() if found)


def dimensions(load_balancer: str, target_group: str) -> Dimensions:
    """The dimensions of a pair."""
    pairs = {("LoadBalancer", load_balancer), ("TargetGroup", target_group)}
    return frozenset(pair for pair in pairs if pair[1])


def counted(request: Request) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Counters a request adds to: those of both dimensions, and those of the load balancer alone."""
    both: list[str] = ["RequestCount"] if request.target else []
    alone: list[str] = []
    if request.by_target:
        both.append(f"HTTPCode_Target_{request.status // 100}XX_Count")
        return tuple(both), ()
    if "UF" in request.flags:
        both.append("TargetConnectionErrorCount")
    status = request.status or _CLIENT_GONE
    alone.append(f"HTTPCode_ELB_{status // 100}XX_Count")
    if status in {500, 502, 503, 504}:
        alone.append(f"HTTPCode_ELB_{status}_Count")
    return tuple(both), tuple(alone)


TRAFFIC = Traffic()
"""What this process saw."""
