"""A bad version takes itself back; one that never becomes healthy never meets a user."""

import dataclasses
from pathlib import Path

import pytest
from platform_town import Town, begin

from decisions.release import State
from demo.traffic import steady_load

pytestmark = pytest.mark.docker


def test_a_version_that_answers_errors_is_found_and_rolled_back(here: Town, folder: Path) -> None:
    here.push("2.0.0", "errors:0.5,after=5")
    before = here.serving_version()
    with steady_load(here.urls(), folder, "bad", rate=60) as traffic:
        ended = here.flows("release", "production", "2.0.0", "--without-staging")
    assert ended.returncode == 1
    assert "rolled_back" in ended.stderr
    record = here.ledger("list_releases", 1)[0]
    assert (record.version, record.state) == ("2.0.0", State.ROLLED_BACK)
    assert record.marks["reverted"].at - record.marks["failed"].at < 10
    assert 0 < traffic.total().failed <= 0.05 * traffic.total().requests
    assert here.serving_version() == before
    after = [each for each in traffic.records() if each.start > record.marks["reverted"].at + 0.5]
    assert after
    assert not [each for each in after if each.failed or each.version.endswith("/2.0.0")]


def test_a_version_that_never_becomes_healthy_never_gets_traffic(here: Town, folder: Path) -> None:
    here.push("3.0.0", "never_ready")
    with steady_load(here.urls(), folder, "never", rate=40) as traffic:
        ended = here.flows("release", "production", "3.0.0", "--without-staging")
    assert ended.returncode == 1
    assert "tasks healthy after" in ended.stderr
    assert here.ledger("list_releases", 1)[0].state is State.FAILED
    seen = traffic.total()
    assert seen.failed == 0
    assert not any(version.endswith("/3.0.0") for version in seen.by_version)


def test_a_version_that_crashes_at_start_says_so_and_never_gets_traffic(here: Town) -> None:
    here.push("4.0.0", "crash")
    ended = here.flows("release", "production", "4.0.0", "--without-staging")
    assert ended.returncode == 1
    assert here.ledger("list_releases", 1)[0].state is State.FAILED


def test_a_rollback_stops_a_release_that_another_shell_drives(here: Town, folder: Path) -> None:
    before = here.serving_version()
    other = "1.1.0" if before == "1.0.0" else "1.0.0"
    with steady_load(here.urls(), folder, "abort", rate=40) as traffic:
        release = begin(here, "release", "production", other, "--without-staging")
        release.wait_for("Look")
        back = here.flows("rollback", "production", "--by", "ana")
        assert back.returncode == 0, back.stderr
        assert release.process.wait(30) == 1
    assert traffic.total().failed == 0
    record = here.ledger("list_releases", 1)[0]
    assert (record.state, record.reason) == (State.ROLLED_BACK, "stopped, asked for by ana")
    assert here.serving_version() == before


def test_an_emergency_rollback_needs_neither_prefect_nor_a_release_under_way(
    here: Town, folder: Path
) -> None:
    before = here.serving_version()
    other = "1.1.0" if before == "1.0.0" else "1.0.0"
    assert here.flows("release", "production", other, "--without-staging").returncode == 0
    with steady_load(here.urls(), folder, "rollback", rate=40) as traffic:
        back = here.flows("rollback", "production")
    assert back.returncode == 0, back.stderr
    assert here.serving_version() == before
    assert traffic.total().failed == 0
    assert dataclasses.asdict(here.ledger("list_releases", 1)[0])["kind"] == "rollback"
