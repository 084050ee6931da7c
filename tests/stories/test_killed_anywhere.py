"""Whoever kills the pipeline finds production serving, and the next run finishes the job."""

import time
from pathlib import Path

import pytest
from platform_town import Town, begin

from demo.traffic import steady_load

pytestmark = pytest.mark.docker

STEPS = ["Preflight", "Migrate", "Start", "Smoke", "Shift", "Look", "Retire"]


@pytest.mark.parametrize("step", STEPS)
def test_kill_9_at_a_step_loses_no_request_and_the_next_run_finishes(
    here: Town, folder: Path, step: str
) -> None:
    version = "1.1.0" if here.serving_version() == "1.0.0" else "1.0.0"
    before = here.weights()
    with steady_load(here.urls(), folder, "load", rate=40) as traffic:
        time.sleep(0.5)
        release = begin(here, "release", "production", version, "--without-staging")
        release.wait_for(step)
        time.sleep(0.15)
        release.kill()
        time.sleep(1)
        assert all(sum(sides.values()) == 100 for sides in here.weights().values())

        again = here.flows("release", "production", version, "--without-staging")

        assert again.returncode == 0, again.stderr
        time.sleep(0.5)
    seen = traffic.total()
    assert seen.failed == 0, seen.by_status
    assert seen.requests > 100
    assert all(max(sides.values()) == 100 for sides in here.weights().values())
    assert here.weights() != before
    assert not here.ledger("lock_status").held
    assert here.ledger("find_in_progress") is None
    assert here.ledger("list_releases", 1)[0].version == version
