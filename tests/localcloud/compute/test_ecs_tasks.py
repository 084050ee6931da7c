"""One-off tasks: overrides, exit codes, secrets, logs, and every way to end."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import docker
import httpx
import pytest

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("code", [0, 7])
def test_the_waiter_ends_when_the_task_has_and_the_exit_code_is_the_programs(world: Any, code: int) -> None:
    arn = world.run(world.definition(), environment=[{"name": "EXIT", "value": str(code)}])
    assert world.task(arn)["lastStatus"] in {"PROVISIONING", "PENDING", "ACTIVATING"}
    task = world.stopped(arn)
    assert task["containers"][0]["exitCode"] == code
    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert task["createdAt"] <= task["pullStartedAt"] <= task["startedAt"] <= task["stoppedAt"]


def test_a_command_override_replaces_the_command_and_its_output_is_logged(world: Any) -> None:
    group = world.name("/logs")
    world.logs.create_log_group(logGroupName=group)
    options = {"awslogs-group": group, "awslogs-region": "eu-central-1", "awslogs-stream-prefix": "run"}
    log = {"logConfiguration": {"logDriver": "awslogs", "options": options}}
    arn = world.run(world.definition(container=log), command=["python3", "-c", "print('one\\ntwo')"])
    assert world.stopped(arn)["containers"][0]["exitCode"] == 0
    stream = f"run/app/{arn.rpartition('/')[2]}"
    events = world.logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
    assert [event["message"] for event in events] == ["one", "two"]


def test_a_missing_log_group_stops_the_task_before_it_starts(world: Any) -> None:
    options = {"awslogs-group": "/no/such", "awslogs-region": "eu-central-1", "awslogs-stream-prefix": "x"}
    log = {"logConfiguration": {"logDriver": "awslogs", "options": options}}
    task = world.stopped(world.run(world.definition(container=log)))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("ResourceInitializationError")
    assert "exitCode" not in task["containers"][0]


def test_secrets_come_from_secrets_manager_and_parameter_store_decrypted(world: Any) -> None:
    secret = world.secretsmanager.create_secret(
        Name=world.name("secret"), SecretString=json.dumps({"url": "postgres://x", "port": 5432})
    )["ARN"]
    plain, secure = world.name("/plain"), world.name("/secure")
    world.ssm.put_parameter(Name=plain, Value="seen", Type="String")
    world.ssm.put_parameter(Name=secure, Value="hidden", Type="SecureString")
    names = {
        "WHOLE": secret,
        "URL": f"{secret}:url::",
        "PORTNUMBER": f"{secret}:port::",
        "PLAIN": plain,
        "SECURE": secure,
    }
    secrets = [{"name": name, "valueFrom": value} for name, value in names.items()]
    task = world.running(world.run(world.definition(container={"secrets": secrets})))
    address = task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    transport = httpx.HTTPTransport(retries=20)
    with httpx.Client(transport=transport, timeout=10) as client:
        env = _when_serving(client, f"http://{address}:3000/env")
    assert json.loads(env["WHOLE"])["url"] == env["URL"] == "postgres://x"
    assert (env["PORTNUMBER"], env["PLAIN"], env["SECURE"]) == ("5432", "seen", "hidden")
    assert env["AWS_ENDPOINT_URL"] == f"http://{world.cloud.server['gateway']}:4566"


def _when_serving(client: httpx.Client, url: str) -> dict[str, str]:
    until = time.monotonic() + 20
    while True:
        try:
            answer: dict[str, str] = client.get(url).json()
        except httpx.TransportError:  # the port is open before the program listens
            assert time.monotonic() < until
            time.sleep(0.1)
        else:
            return answer


def test_a_secret_that_does_not_exist_stops_the_task_before_it_starts(world: Any) -> None:
    missing = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:none-abcdef:url::"
    secrets = [{"name": "URL", "valueFrom": missing}]
    task = world.stopped(world.run(world.definition(container={"secrets": secrets})))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("ResourceInitializationError: unable to pull secrets")


def test_an_image_that_does_not_exist_stops_the_task_before_it_starts(world: Any) -> None:
    image = f"127.{world.cloud.block}.0.1:4510/nothing/here:1"
    task = world.stopped(world.run(world.definition(container={"image": image})))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError")


def test_an_image_runs_by_digest_from_the_registry(world: Any) -> None:
    name = world.name("tests/app")
    uri = world.ecr.create_repository(repositoryName=name)["repository"]["repositoryUri"]
    engine = docker.from_env()
    engine.images.get(world.image).tag(uri, "1")
    token = world.ecr.get_authorization_token()["authorizationData"][0]
    auth = dict(zip(("username", "password"), _decoded(token["authorizationToken"]), strict=True))
    engine.images.push(uri, "1", auth_config=auth)
    engine.images.remove(f"{uri}:1")
    digest = world.ecr.describe_images(repositoryName=name)["imageDetails"][0]["imageDigest"]
    definition = world.definition(container={"image": f"{uri}@{digest}"})
    task = world.stopped(world.run(definition, environment=[{"name": "EXIT", "value": "3"}]))
    assert task["containers"][0]["exitCode"] == 3
    assert task["containers"][0]["imageDigest"] == digest


def _decoded(token: str) -> list[str]:
    return base64.b64decode(token).decode().split(":", 1)


@pytest.mark.parametrize(("env", "code"), [({}, 0), ({"DEAF": "1"}, 137)], ids=["drains", "deaf"])
def test_a_stopped_task_gets_sigterm_and_only_a_deaf_one_is_killed_as_in_aws(
    world: Any, env: dict[str, str], code: int
) -> None:
    arn = world.run(world.definition(container={"stopTimeout": 2}, **env))
    container = world.container(world.running(arn)["taskArn"])
    while b"serving" not in container.logs():
        time.sleep(0.1)
    begun = time.monotonic()
    world.ecs.stop_task(cluster=world.cluster, task=arn, reason="enough")
    task = world.stopped(arn)
    assert task["containers"][0]["exitCode"] == code
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")
    assert (time.monotonic() - begun > 2) == bool(env)


def test_a_container_over_its_memory_limit_is_killed_and_says_so(world: Any) -> None:
    arn = world.run(
        world.definition(container={"memory": 64}), environment=[{"name": "EAT_MIB", "value": "200"}]
    )
    container = world.stopped(arn)["containers"][0]
    assert container["exitCode"] == 137
    assert container["reason"].startswith("OutOfMemoryError")


def test_describing_changes_nothing_and_the_lists_filter(world: Any) -> None:
    family = world.name("family")
    arn = world.run(world.definition(family))
    world.running(arn)
    versions = {world.task(arn)["version"] for _ in range(5)}
    assert len(versions) == 1
    listed = world.ecs.list_tasks
    assert listed(cluster=world.cluster, family=family)["taskArns"] == [arn]
    assert listed(cluster=world.cluster, family="another")["taskArns"] == []
    world.ecs.stop_task(cluster=world.cluster, task=arn)
    world.stopped(arn)
    assert listed(cluster=world.cluster, family=family)["taskArns"] == []
    assert listed(cluster=world.cluster, family=family, desiredStatus="STOPPED")["taskArns"] == [arn]
    answer = world.ecs.describe_tasks(cluster=world.cluster, tasks=[arn, "nothing"])
    assert [failure["reason"] for failure in answer["failures"]] == ["MISSING"]
    with pytest.raises(world.ecs.exceptions.InvalidParameterException, match="not found"):
        world.ecs.stop_task(cluster=world.cluster, task="nothing")
