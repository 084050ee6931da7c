"""How many tasks of which deployment to start and stop: pure arithmetic.

Rules: "Amazon ECS service deployment: rolling update" (minimum and maximum percent of the desired count,
rounded up and down) and "How the Amazon ECS deployment circuit breaker detects failures".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LEAST_FAILURES, MOST_FAILURES = 3, 200
BACKOFF_S, LONGEST_BACKOFF_S = 0.2, 10.0


@dataclass(frozen=True)
class Limits:
    """Desired tasks, and the percentages between which a deployment moves."""

    desired: int
    minimum_pct: int
    maximum_pct: int

    @property
    def fewest_healthy(self) -> int:
        """So many must stay healthy."""
        return math.ceil(self.desired * self.minimum_pct / 100)

    @property
    def most(self) -> int:
        """No more may be pending or running at once."""
        return max(self.desired, math.floor(self.desired * self.maximum_pct / 100))


@dataclass(frozen=True)
class Seen:
    """A task that has not been told to stop. `current`: it belongs to the newest deployment."""

    task_id: str
    current: bool
    healthy: bool


@dataclass(frozen=True)
class Plan:
    """What to do next."""

    start: int
    stop: tuple[str, ...]


def plan(limits: Limits, tasks: Sequence[Seen]) -> Plan:
    """The next move; repeated, it ends with the desired number of current tasks and no others."""
    current = [task for task in tasks if task.current]
    old = [task for task in tasks if not task.current]
    start = max(0, min(limits.desired - len(current), limits.most - len(tasks)))
    surplus = _sick_first(current)[: max(0, len(current) - limits.desired)]
    stop = [task.task_id for task in surplus]
    healthy = sum(task.healthy for task in tasks) - sum(task.healthy for task in surplus)
    for task in _sick_first(old):
        if task.healthy and healthy <= limits.fewest_healthy:
            break
        healthy -= task.healthy
        stop.append(task.task_id)
    return Plan(start, tuple(stop))


def _sick_first(tasks: Iterable[Seen]) -> list[Seen]:
    return sorted(tasks, key=lambda task: task.healthy)


def breaks_circuit(desired: int, failures: int) -> bool:
    """Whether so many tasks failed to become healthy that the deployment has failed."""
    return failures >= max(LEAST_FAILURES, min(MOST_FAILURES, math.ceil(desired / 2)))


def backoff_s(failures: int) -> float:
    """Seconds to wait before the next attempt after so many failures in a row."""
    return min(LONGEST_BACKOFF_S, BACKOFF_S * 2.0**failures) if failures else 0.0
