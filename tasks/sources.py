"""The source of a service: where its Dockerfile is, on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from decisions.environment import Environment
from decisions.errors import BadConfiguration, NotFound
from tasks.settings import REPOSITORY_ROOT


@dataclass(frozen=True)
class Source:
    """What an image is built from."""

    service: str
    context: Path
    dockerfile: Path


def locate_source(environment: Environment, service: str) -> Source:
    """The source is there: a directory with a Dockerfile.

    Raises:
        NotFound: The environment has no such service.
        BadConfiguration: The configured directory or Dockerfile does not exist.
    """
    if service not in environment.services:
        seen = f"no service {service!r}, there are {', '.join(sorted(environment.services))}"
        raise NotFound(environment.name, seen, do="name one of these")
    configured = environment.services[service]
    context = REPOSITORY_ROOT / configured.context
    dockerfile = context / configured.dockerfile
    if not dockerfile.is_file():
        key = f"{environment.name}.toml services.{service}"
        raise BadConfiguration(key, f"{dockerfile} does not exist", do="correct context or dockerfile")
    return Source(service, context, dockerfile)
