"""What a part of the local cloud is: an emulated service with its data plane; and the list of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Protocol, cast

from localcloud.state import Instance

Fault = Callable[[str], str]
"""Breaks something of the target named ("" for whichever comes first); says in a sentence what is broken now.
Raises LocalCloudError when there is no such target."""


class Part(Protocol):
    """One emulated service. The server calls install, start and stop once each, in this order."""

    @property
    def name(self) -> str:
        """Short name for logs and status."""

    @property
    def services(self) -> frozenset[str]:
        """Names in the credential scope (`elasticloadbalancing`) whose requests run under state.LOCK."""

    @property
    def faults(self) -> Mapping[str, Fault]:
        """What `break` can do to this part, by word; called from a request thread, without LOCK."""

    def install(self) -> None:
        """Moto is patched (localcloud.seams). Runs before the first request; starts nothing."""

    def start(self, instance: Instance) -> None:
        """Loops and processes run. The Docker network and its gateway exist."""

    def stop(self) -> None:
        """Loops have ended and nothing new will be started. What still runs is swept by the reaper."""

    def mend(self) -> None:
        """`break none`: faults that last are undone."""


MODULES = (
    "localcloud.ecr",
    "localcloud.rds",
    "localcloud.elasticache",
    "localcloud.cloudwatch.part",
    "localcloud.elb.part",
    "localcloud.ecs.part",
)
"""Each has a `PART`. Started in this order, stopped in the opposite one."""


def load() -> list[Part]:
    """All parts, in starting order."""
    return [cast(Part, import_module(name).PART) for name in MODULES]
