import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import ANY
from moto_platform import client, imagined, with_policy

from decisions.analysis import Sample
from decisions.errors import AccessDenied, CloudUnavailable
from tasks import metrics
from tasks.metrics import read_samples, recent_requests
from tasks.topology import Platform

NOW = 1_000_000.0


@pytest.fixture
def fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "time", SimpleNamespace(time=lambda: NOW))


@pytest.fixture
def minutes(fixed_clock: None) -> Platform:
    """As in AWS: a period of a minute, complete after two."""
    return with_policy(imagined(), metrics_period_s=60, metrics_delay_s=120)


def at(*seconds: float) -> list[datetime]:
    return [datetime.fromtimestamp(second, UTC) for second in seconds]


def series(number: int, values: dict[float, float], state: str = "Complete") -> dict[str, Any]:
    stamps, points = at(*values), list(values.values())
    return {"Id": f"q{number}", "Timestamps": stamps, "Values": points, "StatusCode": state}


def answer(stub: Any, *results: dict[str, Any]) -> Any:
    return stub("cloudwatch", ("get_metric_data", {"MetricDataResults": list(results)}))


def test_requests_errors_and_latency_are_read_per_side(minutes: Platform, stub: Any) -> None:
    blue: list[dict[float, float]] = [{0: 90, 60: 10}, {0: 1}, {60: 2}, {0: 0.1, 60: 0.5}]
    green: list[dict[float, float]] = [{0: 5}, {}, {}, {0: 0.2}]
    answer(stub, *[series(number, values) for number, values in enumerate([*blue, *green])])
    samples = read_samples.fn(minutes, ["web"], NOW - 600, NOW)
    assert samples["web"]["blue"].requests == 100
    assert samples["web"]["blue"].errors == 3
    assert samples["web"]["blue"].latency_s == pytest.approx((0.1 * 90 + 0.5 * 10) / 100)
    assert samples["web"]["green"] == Sample(5, 0, 0.2)


def test_no_data_is_no_requests(minutes: Platform, stub: Any) -> None:
    answer(stub, *[series(number, {}) for number in range(8)])
    assert read_samples.fn(minutes, ["web"], NOW - 600, NOW)["web"]["blue"] == Sample(0, 0, None)


def test_requests_that_no_target_took_are_requests_too(minutes: Platform, stub: Any) -> None:
    nobody: list[dict[float, float]] = [{}, {}, {0: 7}, {}]
    answer(stub, *[series(number, values) for number, values in enumerate([*nobody, {}, {}, {}, {}])])
    assert read_samples.fn(minutes, ["web"], NOW - 600, NOW)["web"]["blue"] == Sample(7, 7, None)


def test_only_whole_periods_that_are_complete_are_asked_for(minutes: Platform, stub: Any) -> None:
    results = {"MetricDataResults": [series(number, {}) for number in range(8)]}
    stubber = stub("cloudwatch")
    stubber.add_response(
        "get_metric_data",
        results,
        # 999,480 is a minute's begin; 1,000,000 - 120 lies within the minute from 999,840.
        {"MetricDataQueries": ANY, "StartTime": at(999_480)[0], "EndTime": at(999_840)[0]},
    )
    samples = read_samples.fn(minutes, ["web"], 999_421.0, NOW)
    assert samples["web"]["blue"] == Sample(0, 0, None)


def test_a_window_without_a_whole_period_is_empty(minutes: Platform) -> None:
    samples = read_samples.fn(minutes, ["web"], NOW - 130, NOW)
    assert samples["web"]["green"] == Sample(0, 0, None)


@pytest.mark.parametrize(
    ("state", "kind"),
    [("InternalError", CloudUnavailable), ("PartialData", CloudUnavailable), ("Forbidden", AccessDenied)],
)
def test_an_incomplete_answer_is_an_error_not_a_success(
    minutes: Platform, stub: Any, state: str, kind: type[Exception]
) -> None:
    answer(stub, *[series(number, {}) for number in range(7)], series(7, {}, state))
    with pytest.raises(kind, match=f"1 of 8 are {state}"):
        read_samples.fn(minutes, ["web"], NOW - 600, NOW)


def test_a_missing_answer_is_an_error_too(minutes: Platform, stub: Any) -> None:
    answer(stub, *[series(number, {}) for number in range(7)])
    with pytest.raises(CloudUnavailable, match="1 of 8 are no answer"):
        read_samples.fn(minutes, ["web"], NOW - 600, NOW)


def test_an_answer_in_several_pages_is_read_to_its_end(minutes: Platform, stub: Any) -> None:
    pages = [
        [series(n, {second: 1} if n == 0 else {}, state) for n in range(8)]
        for second, state in ((0, "PartialData"), (60, "Complete"))
    ]
    first = {"MetricDataResults": pages[0], "NextToken": "more"}
    last = {"MetricDataResults": pages[1]}
    stub("cloudwatch", ("get_metric_data", first), ("get_metric_data", last))
    assert read_samples.fn(minutes, ["web"], NOW - 600, NOW)["web"]["blue"].requests == 2


def test_many_services_are_asked_for_in_calls_of_allowed_size(
    minutes: Platform, stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_QUERIES_A_CALL", 10)
    sizes = (10, 6)
    pages = [
        ("get_metric_data", {"MetricDataResults": [series(n, {0: 1}) for n in range(size)]}) for size in sizes
    ]
    stub("cloudwatch", *pages)
    samples = read_samples.fn(minutes, ["web", "backend"], NOW - 600, NOW)
    assert {side.requests for sides in samples.values() for side in sides.values()} == {2}


def test_recent_requests_are_those_of_the_newest_whole_minute(minutes: Platform, stub: Any) -> None:
    results = {"MetricDataResults": [series(number, {0: number}) for number in range(4)]}
    stubber = stub("cloudwatch")
    stubber.add_response(
        "get_metric_data",
        results,
        {"MetricDataQueries": ANY, "StartTime": at(999_780)[0], "EndTime": at(999_840)[0]},
    )
    recent = recent_requests.fn(minutes)
    assert recent == {
        ("backend", "blue"): 0,
        ("backend", "green"): 1,
        ("web", "blue"): 2,
        ("web", "green"): 3,
    }


def test_recent_requests_of_short_periods_cover_three_seconds(fixed_clock: None, stub: Any) -> None:
    stubber = stub("cloudwatch")
    stubber.add_response(
        "get_metric_data",
        {"MetricDataResults": [series(number, {}) for number in range(4)]},
        {"MetricDataQueries": ANY, "StartTime": at(NOW - 5)[0], "EndTime": at(NOW - 2)[0]},
    )
    recent = recent_requests.fn(with_policy(imagined(), metrics_period_s=1, metrics_delay_s=1.5))
    assert set(recent.values()) == {0}


def test_what_was_put_is_what_is_read(platform: Platform) -> None:
    now = time.time()
    blue = platform.service("web").blue.target_group
    client("cloudwatch").put_metric_data(
        Namespace="AWS/ApplicationELB",
        MetricData=[
            {
                "MetricName": "RequestCount",
                "Dimensions": [
                    {"Name": "TargetGroup", "Value": blue},
                    {"Name": "LoadBalancer", "Value": platform.load_balancer},
                ],
                "Timestamp": datetime.fromtimestamp(now - 120, UTC),
                "Value": 12,
            }
        ],
    )
    recent = recent_requests.fn(with_policy(platform, metrics_period_s=60, metrics_delay_s=60))
    assert recent["web", "blue"] == 12
    assert recent["web", "green"] == 0
