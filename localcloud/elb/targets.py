"""Targets and their states, as "Health checks for Application Load Balancer target groups" describes them.

States: initial, healthy, unhealthy, unused, draining. A new target needs one passed check to be healthy; an
unhealthy one needs the healthy threshold; either becomes unhealthy after the unhealthy threshold of
failures in a row. All of it is read and written under state.LOCK.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

State = Literal["initial", "healthy", "unhealthy", "draining", "unused"]
Key = tuple[str, int]

DESCRIPTIONS = {
    "Elb.RegistrationInProgress": "Target registration is in progress",
    "Elb.InitialHealthChecking": "Initial health checks in progress",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
    "Target.NotInUse": "Target group is not configured to receive traffic from the load balancer",
    "Target.NotRegistered": "Target is not registered to the target group",
    "Target.Timeout": "Request timed out",
    "Target.FailedHealthChecks": "Health checks failed",
}
INITIAL_INTERVAL_S = 1.0
"""A target that has not passed yet is checked at least this often, as by several load balancer nodes."""
LEAST_DRAIN_S = 1.0
"""A target drains this long even with nothing in flight: load balancer nodes hear of it one after another."""


@dataclass(frozen=True)
class Health:
    """A state as DescribeTargetHealth tells it."""

    state: State
    reason: str | None = None
    description: str | None = None


UNREGISTERED = Health("unused", "Target.NotRegistered", DESCRIPTIONS["Target.NotRegistered"])
NOT_IN_USE = Health("unused", "Target.NotInUse", DESCRIPTIONS["Target.NotInUse"])


@dataclass(frozen=True)
class Thresholds:
    """Checks in a row that change a target's state, and the seconds between them."""

    healthy: int
    unhealthy: int
    interval_s: float


@dataclass
class Target:
    """One address in one target group. Times are monotonic seconds."""

    ip: str
    port: int
    health: Health
    next_probe: float = 0.0
    probing: bool = False
    passes: int = 0
    failures: int = 0
    failed_at: float = 0.0
    draining_since: float = 0.0
    drain_until: float = 0.0

    @property
    def key(self) -> Key:
        """What it is known by within its target group."""
        return self.ip, self.port

    @property
    def state(self) -> State:
        """Its state, if its target group is in use."""
        return self.health.state

    def checked(self, failure: Health | None, thresholds: Thresholds, now: float) -> bool:
        """One health check was taken in; `failure` None is a pass. Whether the state changed.

        A new target is checked more often than its interval, but its failures count once an interval.
        """
        before = self.state
        if before == "draining":
            return False
        if failure is None:
            self.passes, self.failures = self.passes + 1, 0
            if before == "initial" or self.passes >= thresholds.healthy:
                self.health = Health("healthy")
            return self.state != before
        self.passes = 0
        if before != "initial" or now >= self.failed_at + thresholds.interval_s:
            self.failures, self.failed_at = self.failures + 1, now
        if self.failures >= thresholds.unhealthy:
            self.health = failure
        elif before == "initial":
            self.health = told("initial", "Elb.InitialHealthChecking")
        return self.state != before


def told(state: State, reason: str) -> Health:
    """The health with AWS's own sentence for that reason."""
    return Health(state, reason, DESCRIPTIONS[reason])


class Targets:
    """The targets of all target groups, by the target group's ARN."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._groups: dict[str, dict[Key, Target]] = {}
        self.used: dict[str, str] = {}
        """ARNs of the target groups that a listener or rule forwards to, with the load balancer's ARN."""
        self.changed: Callable[[], None] = lambda: None
        """Called after every change that the load balancer has to follow."""

    def register(self, arn: str, ip: str, port: int) -> None:
        """The target is registered; one that was draining starts anew."""
        known = self._groups.setdefault(arn, {})
        if (ip, port) not in known or known[ip, port].state == "draining":
            known[ip, port] = Target(ip, port, told("initial", "Elb.RegistrationInProgress"))
            self.changed()

    def deregister(self, arn: str, ip: str, port: int, delay_s: float) -> None:
        """The target gets no new requests and is gone once nothing is in flight, or after `delay_s`."""
        target = self._groups.get(arn, {}).get((ip, port))
        if target is None or target.state == "draining":
            return
        now = self._now()
        target.health = told("draining", "Target.DeregistrationInProgress")
        target.draining_since, target.drain_until = now, now + delay_s
        if arn not in self.used:
            self.forget(arn, target.key)
        self.changed()

    def forget(self, arn: str, key: Key) -> None:
        """The target is not registered any more, drained or not."""
        if self._groups.get(arn, {}).pop(key, None):
            self.changed()

    def forget_group(self, arn: str) -> None:
        """The target group was deleted."""
        self._groups.pop(arn, None)

    def of(self, arn: str) -> list[Target]:
        """Registered and draining targets of a target group."""
        return list(self._groups.get(arn, {}).values())

    def health(self, arn: str, ip: str, port: int) -> Health:
        """What DescribeTargetHealth answers for that address."""
        target = self._groups.get(arn, {}).get((ip, port))
        if target is None:
            return UNREGISTERED
        if arn not in self.used and target.state != "draining":
            return NOT_IN_USE
        return target.health

    def use(self, used: dict[str, str]) -> None:
        """These target groups receive traffic now; those newly in use are checked from the beginning."""
        for arn in set(used) - set(self.used):
            for target in self.of(arn):
                if target.state != "draining":
                    target.health = told("initial", "Elb.RegistrationInProgress")
                    target.passes = target.failures = 0
                    target.next_probe = 0.0
        self.used = used

    def due(self) -> Iterator[tuple[str, Target]]:
        """Targets to be checked now, with their target group."""
        now = self._now()
        for arn in self.used:
            for target in self.of(arn):
                if not target.probing and target.state != "draining" and target.next_probe <= now:
                    yield arn, target

    def draining(self) -> Iterator[tuple[str, Target]]:
        """Targets that are being drained and were so for long enough to ask whether they are done."""
        now = self._now()
        for arn, group in list(self._groups.items()):
            for target in list(group.values()):
                if target.state == "draining" and now >= target.draining_since + LEAST_DRAIN_S:
                    yield arn, target

    def overdue(self, target: Target) -> bool:
        """Whether its deregistration delay has ended."""
        return self._now() >= target.drain_until


TARGETS = Targets()
"""The targets of this process."""
