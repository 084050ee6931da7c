"""A task becomes containers: pull, create, start, join the target groups. Waits outside LOCK."""

from __future__ import annotations

import logging
from typing import Any

from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.containers import Container
from docker.models.images import Image

from localcloud.ecr import pull_credentials
from localcloud.ecs import logs
from localcloud.ecs.environment import LaunchError, options, ports
from localcloud.ecs.faults import NO_PULLS
from localcloud.ecs.tasks import Task, TaskContainer, now
from localcloud.elb.targets import TARGETS
from localcloud.engine import engine
from localcloud.state import LOCK, Instance

log = logging.getLogger(__name__)

FOLLOWERS: dict[str, logs.Follower] = {}
"""Of running containers, by Docker id."""
_AWS_REGISTRY = ".amazonaws.com/"


class Stopped(Exception):  # not an error: the task was told to stop while it started
    """The task was told to stop before it ran."""


def launch(task: Task, instance: Instance) -> None:
    """The task runs and is registered with its target groups.

    Raises:
        LaunchError: it cannot start; what was started of it still has to be removed.
        Stopped: it was told to stop meanwhile.
    """
    with LOCK:
        task.settle_at(instance.next_task_address())
        _move(task, "PENDING")
        task.pull_started_at = now()
    images = {container.name: _pull(container, instance) for container in task.containers}
    with LOCK:
        task.pull_stopped_at = now()
        _move(task, "ACTIVATING")
    owner = next((each for each in task.containers if each.essential), task.containers[0])
    owning = _start(task, owner, images[owner.name], {"network": instance.network, "ports": ports(task)})
    for container in task.containers:
        if container is not owner:
            _start(task, container, images[container.name], {"network_mode": f"container:{owning.id}"})
    with LOCK:
        if not task.stopping:
            for arn, port in task.targets:
                TARGETS.register(arn, task.address, port)
            task.started_at = now()
        _move(task, "RUNNING")


def _move(task: Task, status: Any) -> None:
    if task.stopping:
        raise Stopped
    task.move(status)


def _pull(container: TaskContainer, instance: Instance) -> Image:
    """The image, pulled anew when it is from our registry; any other has to be on this machine already."""
    name = local_name(container.image, instance.registry)
    try:
        if NO_PULLS.is_set():
            raise ConnectionError(f"{instance.registry}: connection refused")  # as it would
        if name.startswith(f"{instance.registry}/"):
            image = engine().images.pull(name, auth_config=pull_credentials())
        else:
            image = _here_or_pull(name)
    except (DockerException, OSError) as error:
        seen = error.explanation if isinstance(error, APIError) else error
        text = (
            f"pull image manifest has been retried 1 time(s): failed to resolve ref {container.image}: {seen}"
        )
        raise LaunchError(f"CannotPullContainerError: {text}") from error
    digests: list[str] = image.attrs.get("RepoDigests") or []
    container.image_digest = digests[0].rpartition("@")[2] if digests else image.id
    return image


def _here_or_pull(name: str) -> Image:
    try:
        return engine().images.get(name)
    except ImageNotFound:
        return engine().images.pull(name)


def local_name(image: str, registry: str) -> str:
    """Where an image is here: ECR's own host name stands for our registry, no tag for `latest`."""
    host, slash, rest = image.partition(_AWS_REGISTRY)
    name = f"{registry}/{rest}" if slash and ".dkr.ecr." in host + slash else image
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in name else f"{name}:latest"


def _start(task: Task, container: TaskContainer, image: Image, network: dict[str, Any]) -> Container:
    if task.stopping:
        raise Stopped
    stream = logs.open_stream(task, container)
    arguments = options(task, container, Instance.current()) | network
    try:
        created = engine().containers.create(image, **arguments)
        container.runtime_id = created.id
        created.start()
    except (APIError, DockerException, OSError) as error:
        seen = error.explanation if isinstance(error, APIError) else error
        raise LaunchError(f"CannotStartContainerError: {seen}") from error
    if stream:
        FOLLOWERS[str(created.id)] = follower = logs.Follower(created, stream)
        follower.start()
    container.last_status = "RUNNING"
    return created
