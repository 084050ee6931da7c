"""Statistics of many values from little memory, and what alarms make of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.cloudwatch.alarms import Condition, evaluate
from localcloud.cloudwatch.distribution import Distribution, is_statistic, merged

VALUES = st.lists(st.floats(1e-4, 1e3), min_size=1, max_size=200)


def of(values: list[float]) -> Distribution:
    result = Distribution()
    for value in values:
        result.add(value)
    return result


@given(VALUES, VALUES, st.sampled_from([0.1, 50, 90, 95, 99, 99.9, 100]))
def test_merged_parts_have_the_statistics_of_all_values(
    left: list[float], right: list[float], share: float
) -> None:
    whole = sorted(left + right)
    both = merged([of(left), of(right)])
    nearest_rank = whole[max(0, math.ceil(share / 100 * len(whole) - 1e-9) - 1)]
    assert both.statistic(f"p{share:g}") == pytest.approx(nearest_rank, rel=0.0101)
    assert both.statistic("Sum") == pytest.approx(sum(whole))
    assert (both.statistic("Minimum"), both.statistic("Maximum")) == (whole[0], whole[-1])
    assert both.statistic("SampleCount") == len(whole)
    assert both.statistic("Average") == pytest.approx(sum(whole) / len(whole))


def test_zero_is_a_value_too() -> None:
    assert of([0.0, 0.0, 1.0]).statistic("p50") == 0.0


def test_only_real_statistics_are_known() -> None:
    assert [is_statistic(name) for name in ("p99.9", "Sum", "p101", "p", "Median")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("values", "missing", "needed", "state"),
    [
        ([6, 7, 1], "missing", 2, "ALARM"),
        ([6, 1, 1], "missing", 2, "OK"),
        ([None, None], "missing", 1, "INSUFFICIENT_DATA"),
        ([None, None], "ignore", 1, None),
        ([None, None], "breaching", 2, "ALARM"),
        ([None, 6], "notBreaching", 2, "OK"),
    ],
)
def test_an_alarm_counts_the_periods_beyond_its_threshold(
    values: list[float | None], missing: str, needed: int, state: str | None
) -> None:
    assert evaluate(values, Condition("GreaterThanThreshold", 5, needed, missing)) == state
