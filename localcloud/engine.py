"""The Docker engine: one client, the instance's network, and removal by label."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from localcloud.errors import LocalCloudError
from localcloud.state import LABEL

CALL_TIMEOUT_S = 60


@cache
def engine() -> docker.DockerClient:
    """A client of the local engine; safe to use from many threads.

    Raises:
        LocalCloudError: there is no engine, or it does not let us in.
    """
    try:
        client = docker.from_env(timeout=CALL_TIMEOUT_S, max_pool_size=32)
        client.ping()
    except DockerException as error:
        raise LocalCloudError(
            "Docker engine",
            f"does not answer ({error})",
            do="install and start it (apt install docker.io), or join the docker group, or set DOCKER_HOST",
        ) from error
    return client


def create_network(name: str, label: str) -> str:
    """The bridge network exists; its gateway, which is the host as containers see it.

    Raises:
        LocalCloudError: the engine has no subnet left.
    """
    client = engine()
    try:
        network = client.networks.create(name, driver="bridge", labels={LABEL: label}, check_duplicate=True)
    except APIError as error:
        raise LocalCloudError(
            f"Docker network {name}",
            f"cannot be created ({error.explanation or error})",
            do="remove networks that are not used any more: docker network prune",
        ) from error
    network.reload()
    attributes: dict[str, Any] = network.attrs
    return str(attributes["IPAM"]["Config"][0]["Gateway"])


def containers_of(label: str, **labels: str) -> list[Container]:
    """All containers of the instance, running or not, that carry the other labels too."""
    wanted = [f"{LABEL}={label}", *(f"{key}={value}" for key, value in labels.items())]
    return engine().containers.list(all=True, filters={"label": wanted}, ignore_removed=True)


def remove_all(label: str) -> int:
    """No container and no network of the instance is left. How many there were."""
    containers = containers_of(label)
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(_remove, containers))
    networks = engine().networks.list(filters={"label": f"{LABEL}={label}"})
    for network in networks:
        with suppress(NotFound):
            network.remove()
    return len(containers) + len(networks)


def _remove(container: Container) -> None:
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if "already in progress" not in str(error):
            raise
