"""What is to be seeded, as read from platform.toml, and the names that follow from it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PLAN_FILE = Path(__file__).with_name("platform.toml")


@dataclass(frozen=True)
class LoadBalancer:
    """Listeners of each environment's load balancer."""

    port: int
    test_port: int
    idle_timeout_s: int
    deregistration_delay_s: int


@dataclass(frozen=True)
class HealthCheck:
    """How targets are checked."""

    path: str
    interval_s: int
    timeout_s: int
    healthy_threshold: int
    unhealthy_threshold: int
    grace_s: int


@dataclass(frozen=True)
class Database:
    """Each environment's PostgreSQL."""

    engine_version: str
    instance_class: str
    storage_gib: int


@dataclass(frozen=True)
class Redis:
    """Each environment's Redis."""

    node_type: str


@dataclass(frozen=True)
class Service:
    """One service of the application."""

    name: str
    port: int
    cpu: str
    memory: str
    stop_timeout_s: int
    priority: int
    paths: tuple[str, ...]
    uses_data: bool


@dataclass(frozen=True)
class Plan:
    """The whole platform."""

    project: str
    environments: tuple[str, ...]
    colours: tuple[str, ...]
    placeholder_image: str
    load_balancer: LoadBalancer
    health_check: HealthCheck
    database: Database
    redis: Redis
    services: tuple[Service, ...]

    @property
    def ledger(self) -> str:
        """Name of the table both environments keep their records in."""
        return f"{self.project}-ledger"

    def repository(self, service: Service) -> str:
        """Name of the service's repository, shared by the environments: what was tested is what runs."""
        return f"{self.project}/{service.name}"

    def stack(self, environment: str) -> str:
        """Name of the environment's cluster, load balancer, database and Redis."""
        return f"{self.project}-{environment}"

    def path(self, environment: str, name: str) -> str:
        """Name of a secret, as `project/environment/name`."""
        return f"{self.project}/{environment}/{name}"

    def family(self, environment: str, service: Service) -> str:
        """Task-definition family that releases register into; its template is `<family>-template`."""
        return f"{self.stack(environment)}-{service.name}"


@cache
def load() -> Plan:
    """The plan of platform.toml. A key that is missing or unknown is a TypeError naming it."""
    raw: dict[str, Any] = tomllib.loads(PLAN_FILE.read_text())
    services = tuple(
        Service(name=name, **{**values, "paths": tuple(values["paths"])})
        for name, values in raw.pop("services").items()
    )
    return Plan(
        environments=tuple(raw.pop("environments")),
        colours=tuple(raw.pop("colours")),
        load_balancer=LoadBalancer(**raw.pop("load_balancer")),
        health_check=HealthCheck(**raw.pop("health_check")),
        database=Database(**raw.pop("database")),
        redis=Redis(**raw.pop("redis")),
        services=services,
        **raw,
    )
