"""What became of containers that run: exits, deaths, failed container health checks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from docker.errors import DockerException

from localcloud.ecs.halt import find, halt, note_exit
from localcloud.ecs.tasks import Task, TaskContainer
from localcloud.engine import engine
from localcloud.state import LABEL, LOCK, Instance

log = logging.getLogger(__name__)

_KILLED = {"ExitCode": 137}
_RETRY_S = 1.0
ENDED = frozenset({"exited", "dead"})


def look(tasks: Iterable[Task], instance: Instance) -> None:
    """Every running task knows how its containers are; one that lost an essential one is to stop."""
    running = [task for task in tasks if task.last_status == "RUNNING" and not task.stopping]
    if not running:
        return
    filters = {"label": f"{LABEL}={instance.name}"}
    there = {each["Id"]: each for each in engine().api.containers(all=True, filters=filters)}
    for task in running:
        ended = [each for each in task.containers if _has_ended(each, there.get(each.runtime_id or ""))]
        states = {id(each): _exit_state(each) for each in ended}
        with LOCK:
            for container in ended:
                note_exit(container, states[id(container)])
                if container.essential:
                    halt(task, "Essential container in task exited", "EssentialContainerExited")
            _judge_health(task, there)


def _has_ended(container: TaskContainer, seen: dict[str, Any] | None) -> bool:
    return container.last_status != "STOPPED" and (seen is None or seen["State"] in ENDED)


def _exit_state(container: TaskContainer) -> dict[str, Any]:
    found = find(container)
    return dict(found.attrs["State"]) if found else _KILLED


def _judge_health(task: Task, there: dict[str, dict[str, Any]]) -> None:
    """As "Determine Amazon ECS task health using container health checks" says."""
    checked = [container for container in task.containers if container.checked]
    for container in checked:
        container.health_status = _health(there.get(container.runtime_id or "", {}).get("Status", ""))
    states = {container.health_status for container in checked}
    if not states:
        return
    worst = next(state for state in ("UNHEALTHY", "UNKNOWN", "HEALTHY") if state in states)
    task.health_status = worst
    if worst == "UNHEALTHY" and task.service:
        halt(task, "Task failed container health checks", "ServiceSchedulerInitiated")


def _health(status: str) -> str:
    """`Up 3 seconds (healthy)` as Docker lists it."""
    if "(healthy)" in status:
        return "HEALTHY"
    return "UNHEALTHY" if "(unhealthy)" in status else "UNKNOWN"


class Events:
    """Wakes somebody whenever a container of the instance ends or changes its health."""

    def __init__(self, instance: Instance, wake: Callable[[], None]) -> None:
        self._instance, self._wake = instance, wake
        self._stream: Any = None
        self._thread = threading.Thread(target=self._loop, name="ecs-events", daemon=True)

    def start(self) -> None:
        """Listening."""
        self._thread.start()

    def stop(self) -> None:
        """Not listening any more."""
        if self._stream is not None:
            self._stream.close()

    def _loop(self) -> None:
        filters = {"label": f"{LABEL}={self._instance.name}", "event": ["die", "health_status"]}
        while not self._instance.stopping.is_set():
            try:
                self._stream = engine().events(filters=filters, decode=True)
                for _ in self._stream:
                    self._wake()
            except (DockerException, OSError) as error:
                log.debug("Docker's events ended (%s), listening again", error)  # each quiet minute
            self._instance.stopping.wait(_RETRY_S)
