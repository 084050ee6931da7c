"""Images are built and tested from a source by the Docker engine."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from decisions.errors import StepFailed
from tasks.docker_engine import engine, follow
from tasks.effect import effect
from tasks.settings import Settings
from tasks.sources import Source

if TYPE_CHECKING:
    from docker import DockerClient

_log = logging.getLogger(__name__)
_HANDED_THROUGH = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")
_LABEL = "delivery.build"


@effect("build image")
def build_image(source: Source, version: str, build_args: Mapping[str, str] | None = None) -> str:
    """An image of this source with the version baked in is on this machine.

    Args:
        source: What to build.
        version: Given to the build as APP_VERSION.
        build_args: Further build arguments.

    Returns:
        Its id, `sha256:…`: the digest of its configuration.

    Raises:
        StepFailed: The build failed; carries its last lines.
        Refused: There is no Docker engine here.
    Safe to repeat: the engine's cache makes the same image of the same source.
    """
    where = f"building {source.service} {version}"
    arguments = {"APP_VERSION": version, **(build_args or {})}
    with engine(where) as docker:
        return _build(docker, source, arguments, None, where)


@effect("run test stage")
def run_test_stage(source: Source, build_args: Mapping[str, str] | None = None) -> str:
    """The stage `test` of the Dockerfile was built, which runs the service's own tests.

    Returns:
        Id of the image of that stage.

    Raises:
        StepFailed: A test failed; carries the last lines of the tests.
        Refused: There is no Docker engine here.
    Safe to repeat: unchanged sources come from the engine's cache.
    """
    where = f"testing {source.service}"
    with engine(where) as docker:
        return _build(docker, source, build_args or {}, "test", where)


def _build(
    docker: DockerClient, source: Source, build_args: Mapping[str, str], target: str | None, where: str
) -> str:
    base = Settings().base_image
    # As `docker build --build-arg NAME` without a value: handed through where this machine has it.
    handed = {name: os.environ[name] for name in _HANDED_THROUGH if os.environ.get(name)}
    arguments = {**handed, **({"BASE_IMAGE": base} if base else {}), **build_args}
    options: dict[str, Any] = {"target": target} if target else {}
    stream = docker.api.build(
        path=str(source.context),
        dockerfile=str(source.dockerfile),
        buildargs=arguments,
        labels={_LABEL: source.service},
        rm=True,
        forcerm=True,
        decode=True,
        **options,
    )
    beside = follow(where, stream, "no image was made")
    ids = [aux["ID"] for aux in beside if "ID" in aux]
    if not ids:
        raise StepFailed(where, f"the engine named no image: {json.dumps(beside)}", "no image was made")
    _log.info("%s: made %s", where, ids[-1])
    return str(ids[-1])


@effect("remove leftovers of builds")
def remove_leftovers(keep_hours: int = 24) -> int:
    """Untagged images of our own builds that are older than this are gone from this machine.

    Returns:
        Bytes freed.

    Raises:
        Refused: There is no Docker engine here.
    Safe to repeat: images of others, and tagged ones, are never touched.
    """
    filters = {"dangling": True, "label": _LABEL, "until": f"{keep_hours}h"}
    with engine("removing leftovers of builds") as docker:
        from docker.errors import APIError  # noqa: PLC0415 - costs time, and only ci needs it

        try:
            pruned = docker.images.prune(filters=filters)
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            return 0  # another run is removing them at this moment
    return int(pruned.get("SpaceReclaimed", 0))
