from __future__ import annotations

import logging

import psycopg
import pytest
from redis import ConnectionError as RedisConnectionError
from starlette.testclient import TestClient

from backend.api import Services
from backend.application import create_app
from backend.edge import Edge
from backend.faults import Faults, parse
from backend.health import Monitor
from backend.sessions import Sessions
from backend.verifications import State, Verification, Verifications


class Away(Verifications):
    """A database that does not answer."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def newest(self, limit: int, before: int | None, state: State | None) -> list[Verification]:
        raise self._error


class NoSessions(Sessions):
    """A Redis that does not answer."""

    def __init__(self) -> None:
        pass

    def name_of(self, cookie: str | None) -> str | None:
        raise RedisConnectionError("refused")


def client(error: Exception | None = None, fault: str = "") -> TestClient:
    monitor = Monitor({})
    monitor.check()
    services = Services("1.0.0", Away(error or psycopg.OperationalError("away")), NoSessions(), monitor)
    app = Edge(create_app(services), Faults(parse(fault)), monitor)
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("path", "which"), [("/api/verifications", "database"), ("/api/session", "session store")]
)
def test_a_dependency_that_is_away_is_a_503_that_says_which(path: str, which: str) -> None:
    answer = client().get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["detail"] == f"the {which} does not answer; try again shortly"


def test_a_defect_is_a_500_that_keeps_its_inside_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answer = client(ZeroDivisionError("secret")).get("/api/verifications")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert [record.__dict__["status"] for record in caplog.records if record.message == "request"] == [500]


def test_unknown_paths_and_methods_share_one_label_in_the_metrics() -> None:
    asking = client()
    asking.get("/api/nowhere/1")
    asking.request("BREW", "/api/nowhere/2")
    text = asking.get("/metrics").text
    assert 'http_requests_total{method="GET",route="other",status="404"}' in text
    assert "nowhere" not in text
    assert "BREW" not in text


def test_the_metrics_name_the_route_not_the_address() -> None:
    asking = client()
    asking.get("/api/verifications/0")
    assert 'route="/api/verifications/{verification_id}",status="422"' in asking.get("/metrics").text


def test_faults_leave_health_and_metrics_alone() -> None:
    asking = client(fault="errors:1,after=0")
    paths = ["/api/version", "/health/live", "/health/ready", "/metrics"]
    assert [asking.get(path).status_code for path in paths] == [500, 200, 200, 200]
