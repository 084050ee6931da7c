"""Services: what is described is what runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import docker
import pytest

from demo.load import LoadClient, Plan

pytestmark = pytest.mark.docker


def test_a_service_runs_its_tasks_behind_the_load_balancer(world: Any) -> None:
    lb = world.balanced()
    service = world.service(world.definition(VERSION="1"), 2, lb.groups["blue"], propagateTags="SERVICE")
    world.ecs.get_waiter("services_stable").wait(
        cluster=world.cluster, services=[service], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    seen = world.completed(service)
    assert (seen["runningCount"], seen["pendingCount"], seen["desiredCount"]) == (2, 0, 2)
    assert any("has reached a steady state" in event["message"] for event in seen["events"])
    arns = world.ecs.list_tasks(cluster=world.cluster, serviceName=service)["taskArns"]
    tasks = world.ecs.describe_tasks(cluster=world.cluster, tasks=arns)["tasks"]
    details = [{d["name"]: d["value"] for d in task["attachments"][0]["details"]} for task in tasks]
    health = world.elb.describe_target_health(TargetGroupArn=lb.groups["blue"])["TargetHealthDescriptions"]
    assert {each["Target"]["Id"] for each in health} == {each["privateIPv4Address"] for each in details}
    assert {task["startedBy"] for task in tasks} == {seen["deployments"][0]["id"]}


def test_a_deleted_service_drains_and_leaves_no_container(world: Any) -> None:
    lb = world.balanced()
    service = world.service(world.definition(), 1, lb.groups["blue"])
    lb.wait("blue", 1)
    arn = world.ecs.list_tasks(cluster=world.cluster, serviceName=service)["taskArns"][0]
    container = world.container(arn).id
    with pytest.raises(world.ecs.exceptions.InvalidParameterException, match="scaled above 0"):
        world.ecs.delete_service(cluster=world.cluster, service=service)
    world.ecs.delete_service(cluster=world.cluster, service=service, force=True)
    assert world.describe(service)["status"] == "DRAINING"
    world.ecs.get_waiter("services_inactive").wait(
        cluster=world.cluster, services=[service], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    with pytest.raises(docker.errors.NotFound):
        docker.from_env().containers.get(container)
    assert lb.states("blue") == []


def test_a_rolling_update_under_load_loses_no_request(world: Any, tmp_path: Path) -> None:
    lb = world.balanced()
    service = world.service(world.definition(VERSION="1"), 2, lb.groups["blue"])
    lb.wait("blue", 2)
    world.completed(service)
    old = world.ecs.list_tasks(cluster=world.cluster, serviceName=service)["taskArns"]
    fewest, most = 99, 0
    with LoadClient(Plan((lb.url + "/",), 220, 90), tmp_path / "load.jsonl") as load:
        world.ecs.update_service(
            cluster=world.cluster, service=service, taskDefinition=world.definition(VERSION="2")
        )
        assert [d["status"] for d in world.describe(service)["deployments"]] == ["PRIMARY", "ACTIVE"]
        while len(world.describe(service)["deployments"]) > 1:
            fewest = min(fewest, lb.states("blue").count("healthy"))
            most = max(
                most, len(world.ecs.list_tasks(cluster=world.cluster, serviceName=service)["taskArns"])
            )
            time.sleep(0.1)
        world.completed(service)
        time.sleep(0.5)
    summary = load.summary()
    assert summary.failed == 0, summary.by_status
    assert summary.by_version["app/1"] > 0 < summary.by_version["app/2"]
    assert fewest >= 2
    assert most <= 4
    stopped = world.stopped(old[0])
    assert stopped["stopCode"] == "ServiceSchedulerInitiated"


@pytest.mark.parametrize("fault", [{"EXIT": "1"}, {"SICK": "1"}], ids=["crashes", "never-ready"])
def test_the_circuit_breaker_rolls_a_bad_deployment_back_and_users_notice_nothing(
    world: Any, tmp_path: Path, fault: dict[str, str]
) -> None:
    lb = world.balanced()
    good = world.definition(VERSION="1")
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    service = world.service(good, 1, lb.groups["blue"], deploymentConfiguration=breaker)
    lb.wait("blue", 1)
    world.completed(service)
    bad = world.definition(VERSION="2", **fault)
    with LoadClient(Plan((lb.url + "/",), 100, 120), tmp_path / "load.jsonl") as load:
        world.ecs.update_service(cluster=world.cluster, service=service, taskDefinition=bad)
        seen_failing = 0
        while world.describe(service)["deployments"][0]["taskDefinition"] == bad:
            seen_failing = max(seen_failing, world.describe(service)["deployments"][0]["failedTasks"])
            time.sleep(0.1)
        seen = world.completed(service)
    assert seen_failing >= 2
    assert seen["deployments"][0]["taskDefinition"] == good
    assert any("deployment failed: tasks failed to start" in event["message"] for event in seen["events"])
    summary = load.summary()
    assert summary.failed == 0, summary.by_status
    assert set(summary.by_version) == {"app/1"}


def test_without_rollback_the_failed_deployment_stays_and_the_old_tasks_serve(world: Any) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    lb = world.balanced()
    service = world.service(
        world.definition(VERSION="1"), 1, lb.groups["blue"], deploymentConfiguration=breaker
    )
    lb.wait("blue", 1)
    world.completed(service)
    world.ecs.update_service(
        cluster=world.cluster, service=service, taskDefinition=world.definition(EXIT="1", VERSION="2")
    )
    until = time.monotonic() + 60
    while world.describe(service)["deployments"][0]["rolloutState"] != "FAILED":
        assert time.monotonic() < until
        time.sleep(0.1)
    seen = world.describe(service)
    assert [d["runningCount"] for d in seen["deployments"]] == [0, 1]
    assert [state for state in lb.states("blue") if state != "draining"] == ["healthy"]


def test_a_sick_container_is_replaced(world: Any) -> None:
    check = {"command": ["CMD-SHELL", "test ! -e /tmp/sick"], "interval": 5, "timeout": 2, "retries": 1}
    definition = world.definition(container={"healthCheck": check})
    service = world.service(definition, 1)
    world.completed(service)
    arn = world.ecs.list_tasks(cluster=world.cluster, serviceName=service)["taskArns"][0]
    assert world.task(arn)["healthStatus"] == "HEALTHY"
    world.container(arn).exec_run(["touch", "/tmp/sick"])  # noqa: S108  # inside the container
    stopped = world.stopped(arn)
    assert stopped["stoppedReason"] == "Task failed container health checks"
    assert world.completed(service)["runningCount"] == 1


def test_a_service_joins_only_target_groups_that_a_load_balancer_uses_as_in_aws(world: Any) -> None:
    alone = world.group(world.name("alone"))
    for group, why in ((alone, "does not have an associated load balancer"), (alone + "0", "does not exist")):
        with pytest.raises(world.ecs.exceptions.InvalidParameterException, match=why):
            world.service(world.definition(), 1, group)


def test_what_is_not_emulated_is_refused_and_leaves_nothing_unlike_aws(world: Any) -> None:
    for extra in (
        {"deploymentConfiguration": {"strategy": "BLUE_GREEN"}},
        {"deploymentController": {"type": "CODE_DEPLOY"}},
    ):
        before = world.ecs.list_services(cluster=world.cluster)["serviceArns"]
        with pytest.raises(world.ecs.exceptions.InvalidParameterException, match="emulated"):
            world.service(world.definition(), 1, **extra)
        assert world.ecs.list_services(cluster=world.cluster)["serviceArns"] == before
