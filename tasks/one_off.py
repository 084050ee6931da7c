"""A command in a task of its own: started once, waited for, with exit code and logs."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from decisions.errors import CloudError, NotFound, StepFailed
from tasks import aws
from tasks.effect import effect
from tasks.task_definitions import Definition, describe_definition
from tasks.topology import Platform

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskTypeDef

_log = logging.getLogger(__name__)
_LOG_LINES = 100
_LOGS_SETTLE_S = 3.0


@dataclass(frozen=True)
class OneOff:
    """How a one-off task ended. `logs` are its last lines, oldest first."""

    exit_code: int
    logs: str
    stopped_reason: str
    task_arn: str


@dataclass(frozen=True)
class Command:
    """What to run instead of the image's own command.

    Args:
        words: Program and arguments.
        timeout_s: Seconds to wait for the end; then the task is stopped.
        purpose: What it is for, e.g. the release. A task of the same purpose, definition and words that is
            under way or has ended well is taken instead of a second one; "" runs it each time.
    """

    words: tuple[str, ...]
    timeout_s: float = 600
    purpose: str = ""


@effect("run one-off task")
def run_one_off(platform: Platform, service: str, task_definition: str, command: Command) -> OneOff:
    """The command has run to its end in a task of its own, in the services' subnets and security groups.

    Returns:
        OneOff: whatever the exit code; judging it is the caller's.

    Raises:
        StepFailed: It did not start, has no exit code, or did not end in time.
    Safe to repeat: with a purpose a second call finds the first one's task.
    """
    where = f"{platform.name}/{service}: {' '.join(command.words)}"
    mark = _mark(task_definition, command)
    tasks = _earlier(platform, service, mark, where) if command.purpose else []
    ended = [task for task in tasks if task.get("lastStatus") == "STOPPED"]
    if good := [task for task in ended if _exit_code(platform, service, task) == 0]:
        _log.info("%s: has run already", where)
        return _result(platform, service, good[0], where)
    under_way = [task["taskArn"] for task in tasks if task not in ended]
    # With the same token ECS answers with the task it has started already (RunTask, "clientToken").
    token = f"{mark}-{len(ended)}" if command.purpose else f"{mark}-{time.time_ns()}"
    arn = under_way[0] if under_way else _run(platform, service, task_definition, command, token)
    return _result(platform, service, _wait(platform, arn, command.timeout_s, where), where)


def _mark(task_definition: str, command: Command) -> str:
    text = "\0".join([command.purpose, task_definition, *command.words])
    return f"one-off-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def _earlier(platform: Platform, service: str, mark: str, where: str) -> list[TaskTypeDef]:
    """Tasks with this mark, under way or ended; ECS remembers the latter for about an hour."""
    ecs, cluster = aws.client("ecs"), platform.cluster
    statuses: tuple[Literal["RUNNING"], Literal["STOPPED"]] = ("RUNNING", "STOPPED")
    found: list[TaskTypeDef] = []
    with aws.translated(where):
        for status in statuses:
            # ListTasks: startedBy must be the only filter, so it is applied below.
            pages = ecs.get_paginator("list_tasks").paginate(
                cluster=cluster, family=platform.service(service).family, desiredStatus=status
            )
            for arns in (page["taskArns"] for page in pages):
                found += ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    return [task for task in found if task.get("startedBy") == mark]


def _run(platform: Platform, service: str, task_definition: str, command: Command, token: str) -> str:
    where = f"{platform.name}/{service}: {' '.join(command.words)}"
    container = platform.service(service).container
    with aws.translated(where):
        answer = aws.client("ecs").run_task(
            cluster=platform.cluster,
            taskDefinition=task_definition,
            launchType="FARGATE",
            startedBy=_mark(task_definition, command),
            clientToken=token,
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": list(platform.subnets),
                    "securityGroups": list(platform.security_groups),
                    "assignPublicIp": "DISABLED",
                }
            },
            overrides={"containerOverrides": [{"name": container, "command": list(command.words)}]},
        )
    if not answer["tasks"]:
        reasons = "; ".join(f"{each.get('reason')} {each.get('detail', '')}" for each in answer["failures"])
        raise StepFailed(where, f"ECS started no task: {reasons}", do="correct the cause and run it again")
    return answer["tasks"][0]["taskArn"]


def _wait(platform: Platform, arn: str, timeout_s: float, where: str) -> TaskTypeDef:
    give_up = time.monotonic() + timeout_s
    status = "unknown"
    while True:
        with aws.translated(where, left=f"task {arn} goes on"):
            found = aws.client("ecs").describe_tasks(cluster=platform.cluster, tasks=[arn])["tasks"]
        if found:
            status = found[0].get("lastStatus", status)
        if status == "STOPPED":
            return found[0]
        if time.monotonic() >= give_up:
            _stop(platform, arn, where)
            seen = f"not ended after {timeout_s:.0f} s, last status {status}"
            raise StepFailed(where, seen, f"task {arn} was told to stop", "read its log, then run it again")
        time.sleep(platform.environment.policy.poll_s)


def _stop(platform: Platform, arn: str, where: str) -> None:
    try:
        with aws.translated(where):
            aws.client("ecs").stop_task(
                cluster=platform.cluster, task=arn, reason="one-off task took too long"
            )
    except CloudError as error:
        _log.warning("the task could not be stopped: %s", error)


def _exit_code(platform: Platform, service: str, task: TaskTypeDef) -> int | None:
    name = platform.service(service).container
    codes = [each.get("exitCode") for each in task.get("containers", []) if each.get("name") == name]
    return codes[0] if codes else None


def _result(platform: Platform, service: str, task: TaskTypeDef, where: str) -> OneOff:
    reason = task.get("stoppedReason", "")
    exit_code = _exit_code(platform, service, task)
    if exit_code is None:
        whys = [each["reason"] for each in task.get("containers", []) if each.get("reason")]
        seen = f"the task stopped without an exit code: {', '.join([reason, *whys])}"
        raise StepFailed(where, seen, do="correct the image or the task definition, then run it again")
    container = platform.service(service).container
    definition = describe_definition(task["taskDefinitionArn"], container)
    logs = _logs(definition, f"{container}/{task['taskArn'].rsplit('/', 1)[-1]}", where)
    return OneOff(exit_code, logs, reason, task["taskArn"])


def _logs(definition: Definition, stream: str, where: str) -> str:
    """Last lines of the task; "" without awslogs. They arrive a moment after the task's end."""
    if not definition.log_group:
        return ""
    give_up = time.monotonic() + _LOGS_SETTLE_S
    while True:
        try:
            with aws.translated(where):
                events = aws.client("logs").get_log_events(
                    logGroupName=definition.log_group,
                    logStreamName=f"{definition.log_prefix}/{stream}",
                    limit=_LOG_LINES,
                    startFromHead=False,
                )["events"]
        except NotFound:
            events = []
        if events or time.monotonic() > give_up:
            return "\n".join(event.get("message", "").rstrip() for event in events)
        time.sleep(0.3)
