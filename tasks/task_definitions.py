"""Task definitions: Terraform owns the template, a release registers a copy with its image in it."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from decisions.errors import NotFound, Refused
from decisions.release import Image
from tasks import aws
from tasks.effect import effect
from tasks.images import image_uri
from tasks.topology import Platform, ServiceNames

_log = logging.getLogger(__name__)

# What DescribeTaskDefinition answers beyond what RegisterTaskDefinition takes (API reference of both).
_ANSWER_ONLY = frozenset(
    {
        "taskDefinitionArn",
        "revision",
        "status",
        "requiresAttributes",
        "compatibilities",
        "registeredAt",
        "registeredBy",
        "deregisteredAt",
    }
)


@dataclass(frozen=True)
class Definition:
    """What a registered task definition runs. `digest` is "" for an image that is not named by digest."""

    arn: str
    digest: str
    version: str
    log_group: str = ""
    log_prefix: str = ""
    cpu_architecture: str = "X86_64"
    secrets: tuple[str, ...] = ()


@effect("register task definition", retries=2)
def register_task_definition(platform: Platform, service: str, image: Image) -> str:
    """A task definition exists that is Terraform's template with this image, by digest, and its version.

    Returns:
        Its ARN: the newest revision of the family if that has the same content, else a new one.

    Raises:
        NotFound: The template or the image's repository does not exist.
        Refused: The template has no container of the configured name.
    Safe to repeat: the same content is found by its hash and not registered again.
    """
    names = platform.service(service)
    where = f"{platform.name}/{service}: registering {image.version}"
    with aws.translated(where):
        template = aws.client("ecs").describe_task_definition(taskDefinition=names.template_family)
    wanted = _with_image(dict(template["taskDefinition"]), names, image, image_uri(platform, image))
    content = _content(wanted)
    newest = _newest(names.family, where)
    if newest is not None and newest[1] == content:
        return newest[0]
    tags = {"version": image.version, "digest": image.digest, "content": content}
    wanted["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
    with aws.translated(where):
        answer = aws.client("ecs").register_task_definition(**wanted)
    arn = answer["taskDefinition"]["taskDefinitionArn"]
    _log.info("%s/%s: registered %s for %s", platform.name, service, arn, image.version)
    return arn


def _with_image(template: dict[str, Any], names: ServiceNames, image: Image, uri: str) -> dict[str, Any]:
    wanted = {key: value for key, value in template.items() if key not in _ANSWER_ONLY and value is not None}
    wanted["family"] = names.family
    containers = [dict(container) for container in wanted["containerDefinitions"]]
    ours = [container for container in containers if container["name"] == names.container]
    if len(ours) != 1:
        found = ", ".join(container["name"] for container in containers)
        seen = f"{len(ours)} containers are called {names.container!r}, found {found}"
        raise Refused(names.template_family, seen, do="correct the template in terraform/")
    environment = [entry for entry in ours[0].get("environment", []) if entry["name"] != "APP_VERSION"]
    ours[0]["image"] = uri
    ours[0]["environment"] = [*environment, {"name": "APP_VERSION", "value": image.version}]
    wanted["containerDefinitions"] = containers
    return wanted


def _content(wanted: dict[str, Any]) -> str:
    text = json.dumps(wanted, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _newest(family: str, where: str) -> tuple[str, str] | None:
    """ARN and content hash of the newest active revision, None if there is none yet."""
    try:
        with aws.translated(where):
            answer = aws.client("ecs").describe_task_definition(taskDefinition=family, include=["TAGS"])
    except NotFound:
        return None
    tags = {tag["key"]: tag["value"] for tag in answer.get("tags", [])}
    return answer["taskDefinition"]["taskDefinitionArn"], tags.get("content", "")


def describe_definition(arn: str, container: str) -> Definition:
    """What a task definition runs. Remembered by ARN: a registered revision never changes.

    Raises:
        NotFound: It does not exist.
    """
    return _described(arn, container, aws.world())


@lru_cache(maxsize=512)
def _described(arn: str, container: str, _world: tuple[str, ...]) -> Definition:
    return read_definition(arn, container)


def read_definition(name: str, container: str) -> Definition:
    """What a task definition runs, or the newest revision of a family, as AWS has it now.

    Raises:
        NotFound: It does not exist.
    """
    with aws.translated(f"task definition {name}"):
        answer = aws.client("ecs").describe_task_definition(taskDefinition=name)["taskDefinition"]
    found = [each for each in answer["containerDefinitions"] if each.get("name") == container]
    if not found:
        return Definition(answer["taskDefinitionArn"], "", "")
    ours = found[0]
    environment = {entry.get("name"): entry.get("value", "") for entry in ours.get("environment", [])}
    options = ours.get("logConfiguration", {}).get("options", {})
    _, _, digest = ours.get("image", "").partition("@")
    return Definition(
        arn=answer["taskDefinitionArn"],
        digest=digest,
        version=environment.get("APP_VERSION", "") if digest else "",
        log_group=options.get("awslogs-group", ""),
        log_prefix=options.get("awslogs-stream-prefix", ""),
        cpu_architecture=answer.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64"),
        secrets=tuple(secret["valueFrom"] for secret in ours.get("secrets", [])),
    )


def forget_definitions() -> None:
    """Ask AWS again for every task definition (between tests, where the world starts anew)."""
    _described.cache_clear()
