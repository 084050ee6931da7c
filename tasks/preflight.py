"""Everything that a release will need is looked at before anything is touched."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from decisions.errors import DeliveryError, NotFound, StepFailed
from decisions.release import COLOURS, Release
from tasks import aws
from tasks.effect import effect
from tasks.registry import find_image
from tasks.settings import Settings
from tasks.task_definitions import read_definition
from tasks.topology import Platform
from tasks.traffic import target_groups

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


@effect("preflight", retries=2)
def preflight(platform: Platform, release: Release) -> list[Check]:
    """The release can be made: images, templates, secrets, rules are there and no guard alarm is red.

    Returns:
        list[Check]: all of them, all ok.

    Raises:
        StepFailed: At least one is not; names each of these.
        CloudUnavailable: AWS could not be asked; may be repeated.
    Safe to repeat: only reads.
    """
    names = [image.service for image in release.images]
    looks: dict[str, Callable[[], str]] = {"alarms": lambda: _alarms(platform)}
    for name in names:
        looks |= {
            f"{name}: image": lambda name=name: _image(release, name),  # type: ignore[misc]
            f"{name}: template": lambda name=name: _template(platform, name),  # type: ignore[misc]
            f"{name}: rules": lambda name=name: _rules(platform, name),  # type: ignore[misc]
        }
    with ThreadPoolExecutor(max_workers=Settings().parallel_calls) as pool:
        checks = list(pool.map(_look, looks, looks.values()))
    for check in checks:
        _log.info("[%s] %s: %s", "OK" if check.ok else "NG", check.name, check.detail)
    if bad := [f"{check.name}: {check.detail}" for check in checks if not check.ok]:
        seen = f"{len(bad)} of {len(checks)} checks say no: {' | '.join(bad)}"
        raise StepFailed(f"{platform.name}: preflight", seen, "nothing was changed", "correct these first")
    return checks


def _look(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, detail=look())
    except DeliveryError as error:
        if error.retryable:
            raise
        return Check(name, ok=False, detail=f"{error.where}: {error.seen}")


def _image(release: Release, service: str) -> str:
    image = release.image(service)
    if find_image(image.repository, image.digest) is None:
        raise NotFound(image.repository, f"no image {image.digest} ({image.version}) in the registry")
    return f"{image.repository}@{image.digest}"


def _template(platform: Platform, service: str) -> str:
    names = platform.service(service)
    template = read_definition(names.template_family, names.container)
    for secret in template.secrets:
        _secret(secret)
    return f"{names.template_family}, {len(template.secrets)} secrets"


def _secret(reference: str) -> None:
    """The secret is there; its value is not read: only the task's own role may do that."""
    if ":secretsmanager:" in reference:
        # arn:aws:secretsmanager:region:account:secret:name[:key:stage:version]
        arn = ":".join(reference.split(":")[:7])
        with aws.translated(f"secret {arn}"):
            found = aws.client("secretsmanager").describe_secret(SecretId=arn)
        if deleted := found.get("DeletedDate"):
            raise NotFound(f"secret {arn}", f"is being deleted since {deleted}")
        return
    name = reference.partition(":parameter")[2] or reference
    with aws.translated(f"parameter {name}"):
        answer = aws.client("ssm").get_parameters(Names=[name])
    if answer.get("InvalidParameters"):
        raise NotFound(f"parameter {name}", "does not exist")


def _rules(platform: Platform, service: str) -> str:
    names = platform.service(service)
    wanted = {names.side(colour).target_group_arn for colour in COLOURS}
    for kind, arn in (("production", names.rule_arn), ("test", names.test_rule_arn)):
        where = f"{kind} rule {arn}"
        if missing := wanted - set(target_groups(arn, where)):
            raise NotFound(where, f"does not forward to {', '.join(sorted(missing))}")
    return "both forward to blue and green"


def _alarms(platform: Platform) -> str:
    prefix = f"{platform.environment.project}-{platform.name}-"
    with aws.translated(f"{platform.name}: reading alarms {prefix}*"):
        pages = aws.client("cloudwatch").get_paginator("describe_alarms")
        answer = [
            alarm["AlarmName"]
            for page in pages.paginate(AlarmNamePrefix=prefix, StateValue="ALARM")
            for alarm in [*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])]
            # Emulators do not filter by state.
            if alarm.get("StateValue") == "ALARM"
        ]
    if answer:
        raise StepFailed("alarms", f"red already: {', '.join(sorted(answer))}")
    return f"none of {prefix}* is red"
