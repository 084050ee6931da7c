"""The two ECS services of a service: what runs there, starting, scaling."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from decisions.errors import Conflict, NotFound
from decisions.release import COLOURS, Colour
from tasks import aws
from tasks.effect import effect
from tasks.one_off import Command, OneOff, run_one_off
from tasks.task_definitions import describe_definition, register_task_definition
from tasks.topology import Platform
from tasks.traffic import read_weights

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

__all__ = [
    "Command",
    "OneOff",
    "SideSeen",
    "describe_sides",
    "register_task_definition",
    "run_one_off",
    "scale_side",
    "start_side",
]

_log = logging.getLogger(__name__)
_SERVICES_A_CALL = 10  # DescribeServices, "services: up to 10"
_REASONS = 3


@dataclass(frozen=True)
class SideSeen:
    """What ECS runs on one colour of one service.

    `running` counts tasks of the current task definition, `outgoing` those that an older one still has.
    `reasons` say why tasks stopped, filled while tasks are missing.
    """

    task_definition: str
    digest: str
    version: str
    desired: int
    running: int
    outgoing: int = 0
    reasons: tuple[str, ...] = ()


@effect("describe sides", retries=2)
def describe_sides(platform: Platform) -> dict[tuple[str, Colour], SideSeen]:
    """What runs on both colours of every service.

    Raises:
        NotFound: An ECS service does not exist.
    Safe to repeat: only reads.
    """
    wanted = {
        names.side(colour).service: (name, colour)
        for name, names in platform.services.items()
        for colour in COLOURS
    }
    found = {service["serviceName"]: service for service in _describe(platform, list(wanted))}
    if missing := sorted(set(wanted) - set(found)):
        seen = f"ECS services missing in cluster {platform.cluster}: {', '.join(missing)}"
        raise NotFound(platform.name, seen, do="apply Terraform to this environment")
    return {side: _side(platform, side[0], found[service]) for service, side in wanted.items()}


def _describe(platform: Platform, services: Sequence[str]) -> Iterator[ServiceTypeDef]:
    with aws.translated(f"{platform.name}: describing {len(services)} services"):
        for start in range(0, len(services), _SERVICES_A_CALL):
            batch = services[start : start + _SERVICES_A_CALL]
            answer = aws.client("ecs").describe_services(cluster=platform.cluster, services=batch)
            yield from (service for service in answer["services"] if service.get("status") != "INACTIVE")


def _side(platform: Platform, service: str, found: ServiceTypeDef) -> SideSeen:
    arn = found["taskDefinition"]
    definition = describe_definition(arn, platform.service(service).container)
    deployments = found.get("deployments", [])
    outgoing = sum(each.get("runningCount", 0) for each in deployments if each.get("status") != "PRIMARY")
    failed = sum(each.get("failedTasks", 0) for each in deployments)
    running = max(0, found["runningCount"] - outgoing)
    missing = running < found["desiredCount"]
    return SideSeen(
        task_definition=arn,
        digest=definition.digest,
        version=definition.version,
        desired=found["desiredCount"],
        running=running,
        outgoing=outgoing,
        reasons=_stopped_reasons(platform, found["serviceName"], arn) if missing and failed else (),
    )


def _stopped_reasons(platform: Platform, service: str, definition: str) -> tuple[str, ...]:
    ecs = aws.client("ecs")
    with aws.translated(f"{platform.name}/{service}: asking why tasks stopped"):
        listed = ecs.list_tasks(cluster=platform.cluster, serviceName=service, desiredStatus="STOPPED")
        arns = listed["taskArns"][:100]
        tasks = ecs.describe_tasks(cluster=platform.cluster, tasks=arns)["tasks"] if arns else []
    reasons = []
    for task in tasks:
        if task.get("taskDefinitionArn", definition) != definition:
            continue
        codes = [
            f"exit code {each['exitCode']}" for each in task.get("containers", []) if each.get("exitCode")
        ]
        whys = [each["reason"] for each in task.get("containers", []) if each.get("reason")]
        reasons.append(", ".join([task.get("stoppedReason", "no reason given"), *codes, *whys]))
    return tuple(dict.fromkeys(reasons))[:_REASONS]


@effect("start side", retries=2)
def start_side(platform: Platform, service: str, colour: Colour, task_definition: str, count: int) -> None:
    """ECS has been told to run `count` tasks of this definition on that colour. Healthy they are later.

    Args:
        platform: Where.
        service: Which service.
        colour: The side that serves nobody; the caller has looked.
        task_definition: ARN of what shall run.
        count: Tasks, 0 to what the account allows.

    Raises:
        NotFound: The ECS service or the task definition does not exist.
    Safe to repeat: makes no call if ECS was told so already.
    """
    _tell(platform, service, colour, count, task_definition)


@effect("scale side", retries=2)
def scale_side(platform: Platform, service: str, colour: Colour, count: int) -> None:
    """ECS has been told to run `count` tasks on that colour, of whatever it runs.

    Raises:
        Conflict: Asked to stop all tasks of a side that the load balancer sends requests to.
        NotFound: The ECS service does not exist.
    Safe to repeat: makes no call if ECS was told so already.
    """
    if count == 0 and (weight := read_weights.fn(platform, service)[colour]) > 0:
        seen = f"the {colour} side has {weight} % of the traffic, its tasks are not stopped"
        raise Conflict(f"{platform.name}/{service}", seen, do="move the traffic away first")
    _tell(platform, service, colour, count)


def _tell(platform: Platform, service: str, colour: Colour, count: int, definition: str = "") -> None:
    name = platform.service(service).side(colour).service
    now = next(iter(_describe(platform, [name])), None)
    if now is None:
        seen = f"no ECS service {name} in cluster {platform.cluster}"
        raise NotFound(f"{platform.name}/{service}", seen, do="apply Terraform to this environment")
    definition = definition or now["taskDefinition"]
    if (now["taskDefinition"], now["desiredCount"]) == (definition, count):
        return
    with aws.translated(f"{platform.name}/{service}: asking for {count} tasks on {colour}"):
        aws.client("ecs").update_service(
            cluster=platform.cluster, service=name, taskDefinition=definition, desiredCount=count
        )
    _log.info("%s/%s %s: %d tasks of %s asked for", platform.name, service, colour, count, definition)
