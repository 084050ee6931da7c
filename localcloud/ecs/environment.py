"""What a container is started with: environment, secrets, command, limits, ports.

Parameters as in "Amazon ECS task definition parameters for Fargate".
"""

from __future__ import annotations

from typing import Any

from docker.types import Healthcheck, LogConfig, Ulimit

from localcloud import ACCESS_KEY
from localcloud.ecs.tasks import Task, TaskContainer
from localcloud.seams_compute import MOTO_ERRORS, secret_value
from localcloud.state import LABEL, LABEL_CONTAINER, LABEL_GROUP, LABEL_TASK, LOCK, Instance

_NANO = 1_000_000_000
_LOG_LIMITS = {"max-size": "10m", "max-file": "1"}


class LaunchError(Exception):
    """The task cannot start; the text is its stopped reason."""


def override_of(task: Task, name: str) -> dict[str, Any]:
    """What run_task overrides for that container."""
    overrides: list[dict[str, Any]] = (task.overrides or {}).get("containerOverrides", [])
    return next((each for each in overrides if each.get("name") == name), {})


def environment(task: Task, container: TaskContainer, instance: Instance) -> dict[str, str]:
    """Credentials and endpoint of this cloud, then the definition's environment and secrets, then overrides.

    Raises:
        LaunchError: a secret or parameter cannot be had.
    """
    values = {
        "AWS_REGION": task.region_name,
        "AWS_DEFAULT_REGION": task.region_name,
        "AWS_ENDPOINT_URL": instance.aws_url_for_containers,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
    }
    values |= _pairs(container.defined)
    for secret in container.defined.get("secrets") or []:
        values[secret["name"]] = _secret(task, secret["valueFrom"])
    return values | _pairs(override_of(task, container.name))


def _pairs(source: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in source.get("environment") or []}


def _secret(task: Task, reference: str) -> str:
    try:
        with LOCK:
            return secret_value(task.account, task.region_name, reference)
    except (KeyError, ValueError, *MOTO_ERRORS) as error:
        text = f"unable to pull secrets or registry auth: retrieval of {reference} failed: {error}"
        raise LaunchError(f"ResourceInitializationError: {text}") from error


def options(task: Task, container: TaskContainer, instance: Instance) -> dict[str, Any]:
    """Arguments for the Docker SDK's `containers.create`.

    Raises:
        LaunchError: a secret or parameter cannot be had.
    """
    defined = container.defined
    linux = defined.get("linuxParameters") or {}
    memory_mib = defined.get("memory") or task.defined.memory
    return {
        "name": f"{instance.network}-{task.id[:8]}-{container.name}",
        "labels": {
            **(defined.get("dockerLabels") or {}),
            LABEL: instance.name,
            LABEL_TASK: task.task_arn,
            LABEL_GROUP: task.group,
            LABEL_CONTAINER: container.name,
        },
        "command": override_of(task, container.name).get("command") or defined.get("command"),
        "entrypoint": defined.get("entryPoint"),
        "environment": environment(task, container, instance),
        "user": defined.get("user"),
        "working_dir": defined.get("workingDirectory"),
        "read_only": bool(defined.get("readonlyRootFilesystem")),
        "init": bool(linux.get("initProcessEnabled")),
        "mem_limit": f"{int(memory_mib)}m" if memory_mib else None,
        "memswap_limit": f"{int(memory_mib)}m" if memory_mib else None,
        "ulimits": [_ulimit(each) for each in defined.get("ulimits") or []],
        "healthcheck": _healthcheck(defined.get("healthCheck")),
        "log_config": LogConfig(type=LogConfig.types.JSON, config=_LOG_LIMITS),
    }


def ports(task: Task) -> dict[str, tuple[str, int]]:
    """Every container port of the task, published on the task's own address."""
    mappings = [mapping for each in task.containers for mapping in each.defined.get("portMappings") or []]
    return {
        f"{mapping['containerPort']}/{mapping.get('protocol', 'tcp')}": (
            task.address,
            int(mapping["containerPort"]),
        )
        for mapping in mappings
    }


def _ulimit(limit: dict[str, Any]) -> Ulimit:
    return Ulimit(name=limit["name"], soft=limit["softLimit"], hard=limit["hardLimit"])


def _healthcheck(check: dict[str, Any] | None) -> Healthcheck | None:
    if not check:
        return None
    return Healthcheck(
        test=check["command"],
        interval=check.get("interval", 30) * _NANO,
        timeout=check.get("timeout", 5) * _NANO,
        retries=check.get("retries", 3),
        start_period=check.get("startPeriod", 0) * _NANO,
    )
