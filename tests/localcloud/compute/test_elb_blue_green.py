"""The main job of the load balancer: shift traffic and lose nothing, or something when done wrong."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from demo.load import LoadClient, Plan
from demo.load_records import read

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("mode", ["keepalive", "new"])
def test_blue_to_green_and_back_under_load_loses_no_request(world: Any, tmp_path: Path, mode: Any) -> None:
    lb = world.balanced()
    blue = world.service(world.definition(VERSION="blue"), 2, lb.groups["blue"])
    green = world.service(world.definition(VERSION="green"), 0, lb.groups["green"])
    lb.wait("blue", 2)
    returned: list[tuple[float, str]] = []
    with LoadClient(Plan((lb.url + "/",), 220, 120, mode), tmp_path / "load.jsonl") as load:
        for service, colour, weights, old in (
            (green, "green", (0, 100), blue),
            (blue, "blue", (100, 0), green),
        ):
            world.ecs.update_service(cluster=world.cluster, service=service, desiredCount=2)
            lb.wait(colour, 2)
            for step in (50, 100):
                share = step if colour == "green" else 100 - step
                lb.shift(100 - share, share)
                returned.append((time.time(), colour if step == 100 else ""))
                time.sleep(1)
            assert weights == ((0, 100) if colour == "green" else (100, 0))
            world.ecs.update_service(cluster=world.cluster, service=old, desiredCount=0)
            world.completed(old)
            if colour == "green":
                assert not [r for r in read(load.out, returned[1][0]) if r.version == "app/blue"]
    summary = load.summary()
    assert summary.failed == 0, summary.by_status
    assert summary.rate > 200
    assert {"app/blue", "app/green"} == set(summary.by_version)
    half = load.summary(returned[0][0], returned[0][0] + 1).by_version
    assert 0.35 < half["app/green"] / sum(half.values()) < 0.65


def test_a_switch_before_the_targets_are_healthy_shows_503(world: Any, tmp_path: Path) -> None:
    lb = world.balanced()
    world.service(world.definition(VERSION="blue"), 1, lb.groups["blue"])
    lb.wait("blue", 1)
    with LoadClient(Plan((lb.url + "/",), 100, 60), tmp_path / "load.jsonl") as load:
        world.service(world.definition(VERSION="green", START_S="2"), 1, lb.groups["green"])
        lb.shift(0, 100)
        lb.wait("green", 1)
        time.sleep(0.5)
    summary = load.summary()
    assert summary.by_status["503"] > 50
    assert summary.failed == summary.by_status["503"]


def test_deregistering_without_drain_loses_the_requests_in_flight(world: Any, tmp_path: Path) -> None:
    lb = world.balanced(drain_s=0)
    blue = world.service(world.definition(VERSION="blue", ABRUPT="1"), 1, lb.groups["blue"])
    world.service(world.definition(VERSION="green"), 1, lb.groups["green"])
    lb.wait("blue", 1)
    lb.wait("green", 1)
    with LoadClient(Plan((lb.url + "/?sleep=3",), 10, 20), tmp_path / "load.jsonl") as load:
        time.sleep(3)
        lb.shift(0, 100)
        world.ecs.update_service(cluster=world.cluster, service=blue, desiredCount=0)
        world.completed(blue)
        time.sleep(1)
    assert load.summary().by_status.get("502", 0) > 5


def test_draining_waits_for_the_requests_in_flight(world: Any, tmp_path: Path) -> None:
    lb = world.balanced(drain_s=30)
    blue = world.service(world.definition(VERSION="blue", ABRUPT="1"), 1, lb.groups["blue"])
    world.service(world.definition(VERSION="green"), 1, lb.groups["green"])
    lb.wait("blue", 1)
    lb.wait("green", 1)
    with LoadClient(Plan((lb.url + "/?sleep=3",), 10, 20), tmp_path / "load.jsonl") as load:
        time.sleep(3)
        lb.shift(0, 100)
        world.ecs.update_service(cluster=world.cluster, service=blue, desiredCount=0)
        time.sleep(1.5)
        assert lb.states("blue") == ["draining"]
        world.completed(blue)
        time.sleep(1)
    summary = load.summary()
    assert summary.failed == 0, summary.by_status
    assert summary.by_version["app/blue"] > 20


def test_killing_a_task_shows_failures_and_it_is_replaced(world: Any, tmp_path: Path) -> None:
    lb = world.balanced()
    service = world.service(world.definition(VERSION="blue"), 2, lb.groups["blue"])
    lb.wait("blue", 2)
    victim = world.ecs.list_tasks(cluster=world.cluster, serviceName=service)["taskArns"][0]
    with LoadClient(Plan((lb.url + "/",), 220, 60), tmp_path / "load.jsonl") as load:
        time.sleep(1)
        world.container(victim).kill("SIGKILL")
        stopped = world.stopped(victim)
        lb.wait("blue", 2)
        time.sleep(1)
    summary = load.summary()
    assert summary.by_status.get("502", 0) > 0
    assert summary.failed == summary.by_status["502"]
    assert summary.requests - summary.failed > summary.requests * 0.5
    assert (stopped["stopCode"], stopped["containers"][0]["exitCode"]) == ("EssentialContainerExited", 137)
