"""Each fault does what app/contract.md says, and no more."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.app.conftest import SERVICES, Launcher, Running, eventually

pytestmark = pytest.mark.docker
PATHS = {"backend": "/api/version", "web": "/"}
BOTH = pytest.mark.parametrize("service", SERVICES)


def statuses(running: Running, count: int) -> list[int]:
    return [running.get(PATHS[running.service]).status_code for _ in range(count)]


@BOTH
def test_errors_start_well_and_then_hit_their_share_but_no_health_check(
    service: str, launcher: Launcher
) -> None:
    bad = launcher.ready(service, {"APP_FAULT": "errors:0.5"})
    assert set(statuses(bad, 30)) == {200}
    eventually(lambda: 500 in statuses(bad, 10), "errors begin")
    time.sleep(0.5)  # web: the workers from before the change are gone
    errors = statuses(bad, 200).count(500)
    assert 60 <= errors <= 140  # by chance alone: less than one run in 10^7
    assert bad.answers("/health/ready")


@BOTH
def test_errors_after_seconds_wait_for_them(service: str, launcher: Launcher) -> None:
    bad = launcher.ready(service, {"APP_FAULT": "errors:1,after=2s"})
    assert set(statuses(bad, 5)) == {200}
    eventually(lambda: statuses(bad, 1) == [500], "errors begin")


@BOTH
def test_a_version_that_is_never_ready_is_live(service: str, launcher: Launcher) -> None:
    bad = launcher.run(service, {"APP_FAULT": "never_ready"})
    bad.wait_for("/health/ready", 503)
    assert bad.answers("/health/live")


@BOTH
def test_a_version_that_crashes_ends_with_one(service: str, launcher: Launcher) -> None:
    bad = launcher.run(service, {"APP_FAULT": "crash"}, ports={})
    assert bad.exit_code() == 1
    assert "APP_FAULT crash" in bad.log()


def test_a_backend_may_crash_later(launcher: Launcher) -> None:
    bad = launcher.ready("backend", {"APP_FAULT": "crash,after=3"})
    assert statuses(bad, 3) == [200, 200, 200]
    assert not bad.answers(PATHS["backend"])
    assert bad.exit_code() == 1


def test_a_slow_backend_is_slow_only_for_users(launcher: Launcher) -> None:
    bad = launcher.ready("backend", {"APP_FAULT": "slow:0.5"})
    assert bad.get("/api/version").elapsed.total_seconds() >= 0.5
    assert bad.get("/health/ready").elapsed.total_seconds() < 0.5


def test_a_leaking_backend_grows_until_its_limit_ends_it(launcher: Launcher) -> None:
    bad = launcher.ready("backend", {"APP_FAULT": "leak:20"}, mem_limit="256m")
    with pytest.raises(httpx.TransportError):
        statuses(bad, 40)
    assert bad.exit_code() == 137
