"""Metric alarms, evaluated. Rules: "Evaluating an alarm" and "Configuring how alarms treat missing data".

Composite alarms, metric maths and anomaly detection are not evaluated; actions are not performed.
"""

from __future__ import annotations

import json
import logging
import operator
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from localcloud.cloudwatch.backend import Backend, Metric
from localcloud.seams_compute import Alarm, cloudwatch_backends
from localcloud.state import LOCK

log = logging.getLogger(__name__)

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
SETTLE_S = 1.0
"""A period is looked at only this long after its end, when its last requests have been counted."""
_TICK_S = 0.5
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


@dataclass(frozen=True)
class Condition:
    """When an alarm fires: `needed` of the last periods are beyond the threshold."""

    comparison: str
    threshold: float
    needed: int
    missing: str


def evaluate(values: Sequence[float | None], condition: Condition) -> State | None:
    """The state for the last periods (None: no data in that one); None when the state is to stay as it is."""
    compare = _COMPARE[condition.comparison]
    present = [compare(value, condition.threshold) for value in values if value is not None]
    if condition.missing in {"breaching", "notBreaching"}:
        present += [condition.missing == "breaching"] * (len(values) - len(present))
    if not present:
        return None if condition.missing == "ignore" else "INSUFFICIENT_DATA"
    return "ALARM" if sum(present) >= condition.needed else "OK"


class Evaluator:
    """Evaluates every metric alarm twice a second, until stopped."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="cloudwatch-alarms", daemon=True)

    def start(self) -> None:
        """Alarms are evaluated."""
        self._thread.start()

    def stop(self) -> None:
        """Not any more."""
        self._stopping.set()
        self._thread.join(5)

    def _loop(self) -> None:
        while not self._stopping.wait(_TICK_S):
            try:
                with LOCK:
                    for backend in cloudwatch_backends():
                        for alarm in list(backend.alarms.values()):
                            if isinstance(backend, Backend) and alarm.rule is None and alarm.metric_name:
                                update(backend, alarm, time.time())
            except Exception:
                log.exception("alarms were not evaluated, and will be next time")


def update(backend: Backend, alarm: Alarm, now: float) -> None:
    """The alarm is in the state that its periods until `now` ask for."""
    values = _last_periods(backend, alarm, now)
    needed = int(alarm.datapoints_to_alarm or alarm.evaluation_periods)
    missing = alarm.treat_missing_data or "missing"
    state = evaluate(values, Condition(alarm.comparison_operator, float(alarm.threshold), needed, missing))
    if state is None or state == alarm.state_value:
        return
    shown = ["no data" if value is None else f"{value:g}" for value in values]
    rule = f"{alarm.comparison_operator} {alarm.threshold}, {needed} needed"
    reason = f"Threshold Crossed: datapoints {shown}, {rule}"
    alarm.update_state(reason, json.dumps({"recentDatapoints": values, "threshold": alarm.threshold}), state)
    log.info("alarm %s is %s: %s", alarm.name, state, reason)


def _last_periods(backend: Backend, alarm: Alarm, now: float) -> list[float | None]:
    period_s, count = int(alarm.period), int(alarm.evaluation_periods)
    end = (now - SETTLE_S) - (now - SETTLE_S) % period_s
    starts = [int(end) - period_s * back for back in range(count, 0, -1)]
    dimensions = frozenset((str(each.name), str(each.value)) for each in alarm.dimensions)
    metric = Metric(alarm.namespace, alarm.metric_name, dimensions, alarm.unit or "")
    found = dict(backend.periods(metric, period_s, starts[0], end))
    statistic = alarm.statistic or alarm.extended_statistic or "Average"
    return [found[at].statistic(statistic) if at in found else None for at in starts]
