"""`break task`: a container dies without warning, and ECS notices."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytestmark = pytest.mark.docker


def test_the_task_named_dies_by_sigkill_and_is_replaced(world: Any) -> None:
    service = world.service(world.definition(), 1)
    world.completed(service)
    first = world.ecs.list_tasks(cluster=world.cluster, serviceName=service)["taskArns"]
    said = world.cloud.cli("break", "task", service).stdout
    stopped = world.stopped(first[0])
    until = time.monotonic() + 60
    while not (now := world.ecs.list_tasks(cluster=world.cluster, serviceName=service)["taskArns"]):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert f"of service:{service} was killed with SIGKILL" in said
    assert stopped["containers"][0]["exitCode"] == 137
    assert now != first


def test_a_task_that_nobody_has_is_refused_and_nothing_is_killed(world: Any) -> None:
    done = world.cloud.cli("break", "task", "no-such-service", check=False)
    assert done.returncode == 1
    assert "no running container matches 'no-such-service'; nothing was broken" in done.stderr
