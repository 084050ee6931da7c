"""Where metrics come from that nobody puts: a service's data plane says what it saw, second by second."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from localcloud.cloudwatch.distribution import Distribution

Dimensions = frozenset[tuple[str, str]]
MINUTE_S = 60


@dataclass(frozen=True)
class Query:
    """One metric over [start, end), epoch seconds, wanted in periods of `period_s`."""

    name: str
    dimensions: Dimensions
    start: float
    end: float
    period_s: int

    @property
    def in_minutes(self) -> bool:
        """Whether whole minutes suffice."""
        return self.period_s % MINUTE_S == 0


class Source(Protocol):
    """The metrics of one namespace."""

    def metrics(self) -> Iterable[tuple[str, Dimensions]]:
        """Every metric that has data."""

    def read(self, query: Query) -> Iterable[tuple[float, Distribution]]:
        """Values with the epoch second (or minute) they belong to. No data is no value."""


SOURCES: dict[str, Source] = {}
"""By namespace, such as AWS/ApplicationELB."""
