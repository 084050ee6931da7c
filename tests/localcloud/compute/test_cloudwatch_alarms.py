"""Alarms are evaluated."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.load import Plan, run

pytestmark = pytest.mark.docker


def alarm(world: Any, lb: Any, **changes: Any) -> str:
    name = world.name("alarm")
    given = {
        "AlarmName": name,
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "HTTPCode_ELB_5XX_Count",
        "Dimensions": lb.dimensions(),
        "Statistic": "Sum",
        "Period": 5,
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    world.cloudwatch.put_metric_alarm(**{**given, **changes})
    return str(name)


def state_of(world: Any, name: str) -> Callable[[], str]:
    def state() -> str:
        found = world.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
        return str(found["StateValue"])

    return state


def wait_for(state: Callable[[], str], wanted: str) -> None:
    until = time.monotonic() + 40
    while state() != wanted:
        assert time.monotonic() < until, state()
        time.sleep(0.2)


def test_an_alarm_goes_off_with_the_errors_and_comes_back_without(world: Any, tmp_path: Path) -> None:
    lb = world.balanced()
    quiet = alarm(world, lb, MetricName="HTTPCode_ELB_4XX_Count")
    ignoring = alarm(world, lb, TreatMissingData="missing", MetricName="HTTPCode_ELB_4XX_Count")
    loud = alarm(world, lb)
    assert state_of(world, loud)() == "INSUFFICIENT_DATA"
    wait_for(state_of(world, loud), "OK")
    run(Plan((lb.url + "/",), 20, 2), tmp_path / "load.jsonl")
    wait_for(state_of(world, loud), "ALARM")
    found = world.cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert loud in [each["AlarmName"] for each in found]
    assert state_of(world, quiet)() == "OK"
    assert state_of(world, ignoring)() == "INSUFFICIENT_DATA"
    wait_for(state_of(world, loud), "OK")
