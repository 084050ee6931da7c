"""Names and ARNs of what Terraform made: frozen data, read from SSM by tasks.environments."""

from __future__ import annotations

from dataclasses import dataclass

from decisions.environment import Environment
from decisions.errors import NotFound
from decisions.release import Colour


@dataclass(frozen=True)
class SideNames:
    """One colour of one service. `target_group` is the CloudWatch dimension `targetgroup/<name>/<id>`."""

    service: str
    target_group_arn: str
    target_group: str


@dataclass(frozen=True)
class ServiceNames:
    """One service: the rule that carries its traffic, where its images are, and its two sides.

    `template_family` is Terraform's task definition, `family` the one that releases register into.
    """

    name: str
    rule_arn: str
    test_rule_arn: str
    repository: str
    template_family: str
    family: str
    container: str
    port: int
    blue: SideNames
    green: SideNames

    def side(self, colour: Colour) -> SideNames:
        """The side of that colour."""
        return self.blue if colour == "blue" else self.green


@dataclass(frozen=True)
class Platform:
    """One environment as configured, and as Terraform made it.

    `load_balancer` is the CloudWatch dimension `app/<name>/<id>`.
    """

    environment: Environment
    cluster: str
    ledger_table: str
    load_balancer: str
    url: str
    test_url: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    services: dict[str, ServiceNames]

    @property
    def name(self) -> str:
        """Name of the environment."""
        return self.environment.name

    def service(self, name: str) -> ServiceNames:
        """The names of one service.

        Raises:
            NotFound: The environment has no such service; lists those it has.
        """
        if name not in self.services:
            seen = f"no service {name!r}, there are {', '.join(sorted(self.services)) or 'none'}"
            raise NotFound(self.name, seen, do="name one of these, or add it to the environment's file")
        return self.services[name]
