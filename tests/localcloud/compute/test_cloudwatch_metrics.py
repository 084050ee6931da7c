"""AWS/ApplicationELB against the load client's own records."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.load import LoadClient, Plan, run
from demo.load_records import quantile, read

pytestmark = pytest.mark.docker


def test_metrics_say_what_the_client_saw(world: Any, tmp_path: Path) -> None:
    lb = world.balanced()
    world.service(world.definition(), 2, lb.groups["blue"])
    lb.wait("blue", 2)
    begun = time.time()
    urls = tuple(lb.url + query for query in ("/?status=200", "/?status=404", "/?status=500", "/?sleep=0.2"))
    summary = run(Plan(urls, 80, 3), tmp_path / "load.jsonl")
    time.sleep(1.5)
    both = lb.dimensions("blue")
    total = {name: sum(world.metric(name, "Sum", both, begun)) for name in _COUNTERS}
    assert total == {
        "RequestCount": 240,
        "HTTPCode_Target_2XX_Count": summary.by_status["200"],
        "HTTPCode_Target_3XX_Count": 0,
        "HTTPCode_Target_4XX_Count": summary.by_status["404"],
        "HTTPCode_Target_5XX_Count": summary.by_status["500"],
    }
    assert sum(world.metric("RequestCount", "Sum", lb.dimensions(), begun)) == 240
    per_second = world.metric("RequestCount", "Sum", both, begun)
    assert all(value <= 130 for value in per_second)
    assert sum(world.metric("TargetResponseTime", "SampleCount", both, begun)) == 240
    assert world.metric("HealthyHostCount", "Minimum", both, begun)[-1] == 2
    assert world.metric("UnHealthyHostCount", "Maximum", both, begun)[-1] == 0


_COUNTERS = ("RequestCount", *(f"HTTPCode_Target_{hundred}XX_Count" for hundred in (2, 3, 4, 5)))


def test_percentiles_are_those_of_the_client(world: Any, tmp_path: Path) -> None:
    lb = world.balanced()
    world.service(world.definition(), 1, lb.groups["blue"])
    lb.wait("blue", 1)
    begun = time.time()
    urls = tuple(
        lb.url + f"/?sleep={sleep}" for sleep in (0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.5)
    )
    run(Plan(urls, 100, 3), tmp_path / "load.jsonl")
    seen = sorted(record.end - record.start for record in read(tmp_path / "load.jsonl"))
    time.sleep(1.5)
    period = 3600
    values = {
        stat: world.metric("TargetResponseTime", stat, lb.dimensions("blue"), begun, period)[-1]
        for stat in _STATS
    }
    for stat, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        assert values[stat] == pytest.approx(quantile(seen, share), rel=0.15, abs=0.02), stat
    assert values["p99"] <= values["p99.9"] <= values["Maximum"] < seen[-1]
    assert values["Average"] == pytest.approx(sum(seen) / len(seen), rel=0.15, abs=0.01)
    answer = world.cloudwatch.get_metric_statistics(
        Namespace="AWS/ApplicationELB",
        MetricName="TargetResponseTime",
        Dimensions=lb.dimensions("blue"),
        StartTime=datetime.fromtimestamp(begun, UTC) - timedelta(minutes=1),
        EndTime=datetime.now(UTC) + timedelta(seconds=1),
        Period=period,
        ExtendedStatistics=["p50", "p95"],
    )
    assert answer["Datapoints"][-1]["ExtendedStatistics"]["p95"] == pytest.approx(values["p95"])
    assert answer["Datapoints"][-1]["Unit"] == "Seconds"


_STATS = ("p50", "p95", "p99", "p99.9", "Maximum", "Average")


def test_requests_without_a_target_are_errors_of_the_load_balancer_as_in_aws(
    world: Any, tmp_path: Path
) -> None:
    lb = world.balanced()
    begun = time.time()
    summary = run(Plan((lb.url + "/",), 50, 1), tmp_path / "load.jsonl")
    assert summary.by_status == {"503": 50}
    time.sleep(1.5)
    assert sum(world.metric("HTTPCode_ELB_5XX_Count", "Sum", lb.dimensions(), begun)) == 50
    assert sum(world.metric("HTTPCode_ELB_503_Count", "Sum", lb.dimensions(), begun)) == 50
    for dimensions in (lb.dimensions("blue"), lb.dimensions()):
        assert world.metric("RequestCount", "Sum", dimensions, begun) == [], "no data is no datapoint"


def test_metrics_are_fresh_within_a_second_or_so_while_traffic_flows(
    world: Any, upstream: Any, tmp_path: Path
) -> None:
    lb, server = world.balanced(), upstream("1")
    target = {"Id": server.address, "Port": server.port}
    world.elb.register_targets(TargetGroupArn=lb.groups["blue"], Targets=[target])
    lb.wait("blue", 1)
    with LoadClient(Plan((lb.url + "/",), 100, 20), tmp_path / "load.jsonl") as load:
        time.sleep(3)
        asked_at = time.time()
        counted = sum(world.metric("RequestCount", "Sum", lb.dimensions("blue"), asked_at - 10))
        answered = load.summary(until=asked_at).requests
        sent_until = load.summary(until=asked_at - 1.5).requests
    assert sent_until <= counted <= answered + 100


def test_put_metrics_have_percentiles_and_exact_dimensions(world: Any) -> None:
    now = datetime.now(UTC)
    for value in range(1, 101):
        datum = {
            "MetricName": "Latency",
            "Value": value,
            "Timestamp": now,
            "Dimensions": [{"Name": "S", "Value": "a"}],
        }
        world.cloudwatch.put_metric_data(Namespace="Mine", MetricData=[datum])

    def ask(stat: str, dimensions: list[dict[str, str]]) -> list[float]:
        metric = {"Namespace": "Mine", "MetricName": "Latency", "Dimensions": dimensions}
        query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": stat}}
        window = {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(seconds=1)}
        answer = world.cloudwatch.get_metric_data(MetricDataQueries=[query], **window)
        return list(answer["MetricDataResults"][0]["Values"])

    named = [{"Name": "S", "Value": "a"}]
    assert ask("p90", named) == [pytest.approx(90, rel=0.011)]
    assert (ask("Sum", named), ask("Maximum", named)) == ([5050], [100])
    assert ask("Sum", []) == []
    with pytest.raises(ClientError, match="invalid"):
        ask("p101", named)
