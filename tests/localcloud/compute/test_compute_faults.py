"""What `python -m localcloud break` does to tasks, images and metrics."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from demo.load import LoadClient, Plan, run

pytestmark = pytest.mark.docker


def test_a_task_that_hangs_times_out_and_is_replaced(world: Any, tmp_path: Path) -> None:
    lb = world.balanced()
    service = world.service(world.definition(), 2, lb.groups["blue"])
    lb.wait("blue", 2)
    with LoadClient(Plan((lb.url + "/",), 50, 60, timeout_s=2), tmp_path / "load.jsonl") as load:
        said = world.cloud.cli("break", "hang", service).stdout
        assert "stands still" in said
        until = time.monotonic() + 60
        while not (reasons := _stopped_reasons(world, service)):
            assert time.monotonic() < until
            time.sleep(0.2)
        lb.wait("blue", 2)
    assert reasons == [f"Task failed ELB health checks in (target-group {lb.groups['blue']})"]
    summary = load.summary()
    assert summary.by_status["timeout"] > 10, "a hung target is chosen until it is unhealthy"
    world.cloud.cli("break", "none")


def _stopped_reasons(world: Any, service: str) -> list[str]:
    asked = {"cluster": world.cluster, "serviceName": service, "desiredStatus": "STOPPED"}
    arns = world.ecs.list_tasks(**asked)["taskArns"]
    return [world.task(arn)["stoppedReason"] for arn in arns]


def test_without_a_registry_tasks_fail_to_start_and_start_again_when_it_is_back(world: Any) -> None:
    world.cloud.cli("break", "pull")
    service = world.service(world.definition(), 1)
    until = time.monotonic() + 30
    while world.describe(service)["deployments"][0]["failedTasks"] < 2:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert all(reason.startswith("CannotPullContainerError") for reason in _stopped_reasons(world, service))
    world.cloud.cli("break", "none")
    assert world.completed(service)["runningCount"] == 1


def test_metrics_stand_still_until_mended(world: Any, tmp_path: Path) -> None:
    lb = world.balanced()
    begun = time.time()
    world.cloud.cli("break", "metrics")
    time.sleep(1)
    run(Plan((lb.url + "/",), 50, 1), tmp_path / "load.jsonl")
    time.sleep(1)
    assert world.metric("HTTPCode_ELB_5XX_Count", "Sum", lb.dimensions(), begun) == []
    world.cloud.cli("break", "none")
    assert sum(world.metric("HTTPCode_ELB_5XX_Count", "Sum", lb.dimensions(), begun)) == 50
