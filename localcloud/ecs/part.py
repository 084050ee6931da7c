"""ECS as a part of the local cloud."""

from __future__ import annotations

from collections.abc import Mapping

from localcloud.ecs import faults
from localcloud.ecs.backend import SCHEDULER, Backend, keep
from localcloud.ecs.tasks import Task
from localcloud.parts import Fault
from localcloud.seams_compute import replace_ecs
from localcloud.state import Instance


class Part:
    """Services and tasks of one instance."""

    name = "ecs"
    services = frozenset({"ecs", "logs"})  # logs: containers write into them under the same lock
    faults: Mapping[str, Fault] = {"hang": faults.hang, "pull": faults.refuse_pulls}

    def install(self) -> None:
        """Requests to ECS are served by our backend."""
        replace_ecs(Backend, Task, keep)

    def start(self, instance: Instance) -> None:
        """Services are being looked after."""
        SCHEDULER.start(instance)

    def stop(self) -> None:
        """Nothing more is started; the reaper removes the containers."""
        SCHEDULER.stop()

    def mend(self) -> None:
        """What hung runs on, images can be pulled."""
        faults.mend()


PART = Part()
