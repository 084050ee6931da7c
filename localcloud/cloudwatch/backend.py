"""CloudWatch's reading side: live and put metrics, percentiles, exact periods.

Rules from the API reference of GetMetricData and GetMetricStatistics: a metric is its namespace, name and
exact set of dimensions; a period is 1, 5, 10, 20, 30 s or a multiple of 60 s; the start is rounded down to
a period; a period without data has no datapoint.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.cloudwatch.distribution import Distribution, is_statistic
from localcloud.cloudwatch.sources import SOURCES, Dimensions, Query
from localcloud.seams_compute import (
    Alarm,
    CloudWatchBackend,
    CloudWatchValidationError,
    InvalidParameterValue,
    MetricAggregatedDatum,
    MetricDatum,
    MetricDatumBase,
)

_SHORT_PERIODS = {1, 5, 10, 20, 30}
_MINUTE_S = 60


class Frozen:
    """Up to when there are metrics: `break metrics` stops them."""

    def __init__(self) -> None:
        self.at = math.inf


FROZEN = Frozen()


@dataclass(frozen=True)
class Metric:
    """One metric; `unit` "" is any."""

    namespace: str
    name: str
    dimensions: Dimensions
    unit: str = ""


class Backend(CloudWatchBackend):
    """Moto's CloudWatch with a reading side of its own."""

    def put_metric_alarm(self, *args: Any, **kwargs: Any) -> Alarm:
        """A new alarm has no data yet; a changed one keeps its state until it is evaluated."""
        before = self.alarms.get(kwargs.get("name", ""))
        alarm = super().put_metric_alarm(*args, **kwargs)
        alarm.state_value = before.state_value if before else "INSUFFICIENT_DATA"
        alarm.state_reason = before.state_reason if before else "Unchecked: Initial alarm creation"
        return alarm

    def get_metric_data(
        self,
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        scan_by: str = "TimestampAscending",
    ) -> list[dict[str, Any]]:
        """Values of every query, newest first unless asked otherwise."""
        if epoch(start_time) >= epoch(end_time):
            raise CloudWatchValidationError("The parameter EndTime must be greater than StartTime.")
        known = {
            q["Id"]: self._answer(q, epoch(start_time), epoch(end_time)) for q in queries if "MetricStat" in q
        }
        for query in queries:
            if "MetricStat" not in query:
                known[query["Id"]] = _alias(query, known)
        results = [
            known[query["Id"]] for query in queries if query.get("ReturnData", True) not in {False, "false"}
        ]
        if scan_by == "TimestampDescending":
            return [{**r, "values": r["values"][::-1], "timestamps": r["timestamps"][::-1]} for r in results]
        return results

    def _answer(self, query: dict[str, Any], start: float, end: float) -> dict[str, Any]:
        asked = query["MetricStat"]
        metric = _metric(asked["Metric"], asked.get("Unit"))
        statistic = asked["Stat"]
        if not is_statistic(statistic):
            raise CloudWatchValidationError(
                f"The value {statistic} for parameter MetricDataQueries.member.Stat is invalid."
            )
        periods = list(self.periods(metric, int(asked["Period"]), start, end))
        return {
            "id": query["Id"],
            "label": query.get("Label") or metric.name,
            "timestamps": [datetime.fromtimestamp(at, UTC) for at, _ in periods],
            "values": [values.statistic(statistic) for _, values in periods],
            "status_code": "Complete",
        }

    def datapoints(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """The answer to GetMetricStatistics, in no promised order, as AWS says."""
        plain, extended = asked.get("Statistics") or [], asked.get("ExtendedStatistics") or []
        if not plain and not extended:
            raise InvalidParameterValue(
                "At least one of the parameters Statistics and ExtendedStatistics must be specified."
            )
        for statistic in (*plain, *extended):
            if not is_statistic(statistic):
                raise InvalidParameterValue(
                    f"The value {statistic} for parameter Statistics is not supported."
                )
        start, end = epoch(asked["StartTime"]), epoch(asked["EndTime"])
        if start >= end:
            raise InvalidParameterValue("The parameter StartTime must be less than the parameter EndTime.")
        metric = _metric(asked, asked.get("Unit"))
        return [
            {
                "Timestamp": datetime.fromtimestamp(at, UTC),
                "Unit": metric.unit or _unit(metric),
                **{name: values.statistic(name) for name in plain},
                **(
                    {"ExtendedStatistics": {name: values.statistic(name) for name in extended}}
                    if extended
                    else {}
                ),
            }
            for at, values in self.periods(metric, int(asked["Period"]), start, end)
        ]

    def periods(
        self, metric: Metric, period_s: int, start: float, end: float
    ) -> Iterator[tuple[int, Distribution]]:
        """The metric by periods that have data, oldest first.

        Raises:
            InvalidParameterValue: the period is not one that CloudWatch knows.
        """
        if period_s not in _SHORT_PERIODS and (period_s < _MINUTE_S or period_s % _MINUTE_S):
            raise InvalidParameterValue("The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60.")
        first = start - start % period_s
        end = min(end, FROZEN.at)
        found: dict[int, Distribution] = {}
        for at, values in self._values(metric, Query(metric.name, metric.dimensions, first, end, period_s)):
            found.setdefault(int(at - at % period_s), Distribution()).merge(values)
        yield from sorted(found.items())

    def _values(self, metric: Metric, query: Query) -> Iterator[tuple[float, Distribution]]:
        if source := SOURCES.get(metric.namespace):
            yield from source.read(query)
        for datum in self.metric_data:
            if datum.namespace != metric.namespace or datum.name != metric.name:
                continue
            at = epoch(datum.timestamp)
            same = _dimensions_of(datum) == metric.dimensions and metric.unit in {"", datum.unit}
            if same and query.start <= at < query.end:
                yield at, _distribution(datum)

    def get_all_metrics(self) -> list[MetricDatumBase]:
        """For ListMetrics: what was put, and what the data planes have."""
        live = [
            MetricDatum(namespace, name, 0.0, [{"Name": n, "Value": v} for n, v in sorted(dimensions)], None)
            for namespace, source in SOURCES.items()
            for name, dimensions in source.metrics()
        ]
        return [*self.metric_data, *live]


def epoch(when: datetime) -> float:
    """Epoch seconds; a time without zone is UTC."""
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def pairs(dimensions: Iterable[dict[str, str]]) -> Dimensions:
    """Dimensions as the API gives them."""
    return frozenset((each["Name"], each["Value"]) for each in dimensions)


def _metric(asked: dict[str, Any], unit: str | None) -> Metric:
    return Metric(asked["Namespace"], asked["MetricName"], pairs(asked.get("Dimensions") or ()), unit or "")


def _unit(metric: Metric) -> str:
    return "Seconds" if metric.name.endswith("Time") else "Count"


def _dimensions_of(datum: MetricDatumBase) -> Dimensions:
    return frozenset((str(each.name), str(each.value)) for each in datum.dimensions)


def _distribution(datum: MetricDatumBase) -> Distribution:
    values = Distribution()
    if isinstance(datum, MetricDatum):
        values.add(datum.value)
    elif isinstance(datum, MetricAggregatedDatum) and datum.sample_count:
        values.add(datum.sum / datum.sample_count, datum.sample_count)
        values.low, values.high = datum.min, datum.max
    return values


def _alias(query: dict[str, Any], known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """An expression that is the id of another query; no other is emulated."""
    expression = str(query.get("Expression", ""))
    if expression not in known:
        text = f"Expression {expression!r} is not emulated here, only the id of a metric of the same call."
        raise CloudWatchValidationError(text)
    return {**known[expression], "id": query["Id"], "label": query.get("Label") or query["Id"]}
