"""What is kept of many values of one metric: enough for every statistic, however many values there were.

Percentiles come from a histogram whose buckets grow by 2 %, so they are right to 1 % (the idea of DDSketch,
Masson and others 2019); count, sum, minimum and maximum are exact. Statistics as in "CloudWatch statistics
definitions".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

_GROWTH = 1.02
_SCALE = 1 / math.log(_GROWTH)
_ZERO = -1_000_000
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)$")


class Distribution:
    """A mergeable summary of values; negative values count, but not towards percentiles below the minimum."""

    __slots__ = ("count", "high", "histogram", "low", "total")

    def __init__(self) -> None:
        self.count = 0.0
        self.total = 0.0
        self.low = math.inf
        self.high = -math.inf
        self.histogram: dict[int, float] = {}

    def add(self, value: float, times: float = 1) -> None:
        """The value was seen so many times more."""
        self.count += times
        self.total += value * times
        self.low = min(self.low, value)
        self.high = max(self.high, value)
        at = math.ceil(math.log(value) * _SCALE) if value > 0 else _ZERO
        self.histogram[at] = self.histogram.get(at, 0) + times

    def merge(self, other: Distribution) -> None:
        """The other's values were seen here too."""
        self.count += other.count
        self.total += other.total
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)
        for at, times in other.histogram.items():
            self.histogram[at] = self.histogram.get(at, 0) + times

    def statistic(self, name: str) -> float:
        """The value of a statistic (Sum, Average, Minimum, Maximum, SampleCount, p0 to p100).

        Raises:
            KeyError: no such statistic.
        """
        if found := PERCENTILE.match(name):
            return self._percentile(float(found[1]) / 100)
        return {
            "Sum": self.total,
            "Average": self.total / self.count,
            "Minimum": self.low,
            "Maximum": self.high,
            "SampleCount": self.count,
        }[name]

    def _percentile(self, share: float) -> float:
        rank = max(1.0, math.ceil(share * self.count - 1e-9))
        seen = 0.0
        for at in sorted(self.histogram):
            seen += self.histogram[at]
            if seen >= rank:
                middle = 0.0 if at == _ZERO else 2 * _GROWTH**at / (_GROWTH + 1)
                return min(max(middle, self.low), self.high)
        return self.high


def merged(parts: Iterable[Distribution]) -> Distribution:
    """One distribution of all values."""
    result = Distribution()
    for part in parts:
        result.merge(part)
    return result


def is_statistic(name: str) -> bool:
    """Whether `Distribution.statistic` knows it."""
    return name in {"Sum", "Average", "Minimum", "Maximum", "SampleCount"} or bool(PERCENTILE.match(name))
