from collections.abc import Iterator
from typing import Any

import pytest
from moto_platform import client, push

from decisions.errors import Conflict, NotFound
from tasks import aws
from tasks.ecs import describe_sides, register_task_definition, scale_side, start_side
from tasks.topology import Platform


@pytest.fixture
def updates() -> Iterator[list[str]]:
    """UpdateService calls that were made."""
    made: list[str] = []

    def note(**_arguments: Any) -> None:
        made.append("updated")

    events, name = aws.client("ecs").meta.events, "before-call.ecs.UpdateService"
    events.register(name, note)
    yield made
    events.unregister(name, note)


@pytest.fixture
def arn(platform: Platform) -> str:
    """A registered version 1 of web."""
    return register_task_definition.fn(platform, "web", push("web", "1"))


def ecs_service(name: str, definition: str, **changes: Any) -> dict[str, Any]:
    service = {"serviceName": name, "taskDefinition": definition, "desiredCount": 0, "runningCount": 0}
    return {**service, "status": "ACTIVE", "deployments": [], **changes}


def test_nothing_runs_on_a_new_platform(platform: Platform) -> None:
    sides = describe_sides.fn(platform)
    assert set(sides) == {(name, colour) for name in ("backend", "web") for colour in ("blue", "green")}
    assert all((side.digest, side.desired, side.running) == ("", 0, 0) for side in sides.values())


def test_a_started_side_shows_what_it_was_told(platform: Platform, arn: str) -> None:
    start_side.fn(platform, "web", "green", arn, 2)
    side = describe_sides.fn(platform)["web", "green"]
    assert (side.task_definition, side.version, side.desired) == (arn, "1", 2)
    assert side.digest.startswith("sha256:")


def test_starting_twice_makes_one_call(platform: Platform, arn: str, updates: list[str]) -> None:
    for _ in range(2):
        start_side.fn(platform, "web", "green", arn, 2)
    assert updates == ["updated"]


def test_scaling_keeps_what_runs_and_is_done_once(platform: Platform, arn: str, updates: list[str]) -> None:
    start_side.fn(platform, "web", "green", arn, 2)
    for _ in range(2):
        scale_side.fn(platform, "web", "green", 0)
    side = describe_sides.fn(platform)["web", "green"]
    assert (side.task_definition, side.desired, updates) == (arn, 0, ["updated"] * 2)


def test_a_side_that_has_traffic_is_never_stopped(platform: Platform, arn: str) -> None:
    start_side.fn(platform, "web", "blue", arn, 2)
    with pytest.raises(Conflict, match="blue side has 100 % of the traffic"):
        scale_side.fn(platform, "web", "blue", 0)
    assert describe_sides.fn(platform)["web", "blue"].desired == 2


def test_a_side_that_has_traffic_may_be_scaled_to_another_count(platform: Platform) -> None:
    scale_side.fn(platform, "web", "blue", 1)
    assert describe_sides.fn(platform)["web", "blue"].desired == 1


def test_a_missing_ecs_service_is_named(platform: Platform) -> None:
    client("ecs").delete_service(cluster=platform.cluster, service="web-green", force=True)
    with pytest.raises(NotFound, match="web-green"):
        describe_sides.fn(platform)
    with pytest.raises(NotFound, match="no ECS service web-green"):
        scale_side.fn(platform, "web", "green", 1)


def test_tasks_of_an_older_definition_are_not_counted_as_running(
    platform: Platform, arn: str, stub: Any
) -> None:
    rolling = ecs_service(
        "web-blue",
        arn,
        desiredCount=2,
        runningCount=3,
        deployments=[
            {"status": "PRIMARY", "runningCount": 2},
            {"status": "ACTIVE", "runningCount": 1},
        ],
    )
    others = [ecs_service(name, arn) for name in ("web-green", "backend-blue", "backend-green")]
    definition = client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
    stub(
        "ecs",
        ("describe_services", {"services": [rolling, *others]}),
        ("describe_task_definition", {"taskDefinition": definition}),
        ("describe_task_definition", {"taskDefinition": {**definition, "containerDefinitions": []}}),
    )
    side = describe_sides.fn(platform)["web", "blue"]
    assert (side.running, side.outgoing, side.reasons) == (2, 1, ())


def test_a_crash_loop_tells_why_its_tasks_stopped(platform: Platform, arn: str, stub: Any) -> None:
    failing = [{"status": "PRIMARY", "runningCount": 0, "failedTasks": 4}]
    looping = ecs_service("web-blue", arn, desiredCount=2, deployments=failing)
    others = [ecs_service(name, arn) for name in ("web-green", "backend-blue", "backend-green")]
    definition = client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
    crashed = {
        "taskDefinitionArn": arn,
        "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "web", "exitCode": 3, "reason": "OutOfMemory"}],
    }
    older = {"taskDefinitionArn": "arn:other", "stoppedReason": "Scaling activity"}
    stub(
        "ecs",
        ("describe_services", {"services": [looping, *others]}),
        ("describe_task_definition", {"taskDefinition": {**definition, "containerDefinitions": []}}),
        ("describe_task_definition", {"taskDefinition": definition}),
        ("list_tasks", {"taskArns": ["arn:1", "arn:2", "arn:3"]}),
        ("describe_tasks", {"tasks": [crashed, crashed, older]}),
    )
    reasons = describe_sides.fn(platform)["web", "blue"].reasons
    assert reasons == ("Essential container in task exited, exit code 3, OutOfMemory",)
