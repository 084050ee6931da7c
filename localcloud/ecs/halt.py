"""A task comes to its end: leave the target groups, drain, SIGTERM, stopTimeout, SIGKILL, exit codes.

Order as in "Amazon ECS task lifecycle": DEACTIVATING lasts while the targets drain, STOPPING while
containers end.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from localcloud.ecs.launch import FOLLOWERS
from localcloud.ecs.tasks import Task, TaskContainer, now
from localcloud.elb.targets import TARGETS
from localcloud.engine import engine
from localcloud.seams_compute import delete_network_interface, find_target_group
from localcloud.state import LOCK, Instance

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 30
_LOOK_S = 0.05
_LAUNCH_WITHIN_S = 120.0
_OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


def halt(task: Task, reason: str, code: str) -> None:
    """The task was told to stop and a thread sees it through. Under LOCK; again it does nothing."""
    if task.condemn(reason, code):
        task.move("DEACTIVATING")
        threading.Thread(
            target=_see_through, args=(task,), name=f"ecs-halt-{task.id[:8]}", daemon=True
        ).start()


def _see_through(task: Task) -> None:
    try:
        task.launched.wait(_LAUNCH_WITHIN_S)
        _drain(task)
        with LOCK:
            task.move("STOPPING")
        with ThreadPoolExecutor(max(1, len(task.containers))) as each:
            list(each.map(_end, task.containers))
    except Exception:
        log.exception("task %s did not stop cleanly", task.id)
    finally:
        bury(task)


def _drain(task: Task) -> None:
    """Its targets get no new requests, and none is in flight or the deregistration delay is over."""
    with LOCK:
        for arn, port in task.targets:
            if group := find_target_group(arn):
                delay_s = float(str(group.attributes["deregistration_delay.timeout_seconds"]))
                TARGETS.deregister(arn, task.address, port, delay_s)
    while not Instance.current().stopping.wait(_LOOK_S):
        with LOCK:
            states = [TARGETS.health(arn, task.address, port).state for arn, port in task.targets]
        if "draining" not in states:
            return


def _end(container: TaskContainer) -> None:
    """The container has ended: asked by SIGTERM, killed after its stopTimeout."""
    running = find(container)
    if running is None:
        return
    with suppress(NotFound):
        if running.status == "paused":
            running.unpause()
        running.stop(timeout=int(container.defined.get("stopTimeout") or STOP_TIMEOUT_S))
        running.reload()
        note_exit(container, running.attrs["State"])


def find(container: TaskContainer) -> Container | None:
    """Its Docker container, if there is one."""
    try:
        return engine().containers.get(container.runtime_id) if container.runtime_id else None
    except NotFound:
        return None


def note_exit(container: TaskContainer, state: dict[str, Any]) -> None:
    """How it ended is known; the first time stays."""
    if container.last_status != "STOPPED":
        container.exit_code = int(state["ExitCode"])
        container.reason = _OUT_OF_MEMORY if state.get("OOMKilled") else None
        container.last_status = "STOPPED"


def bury(task: Task) -> None:
    """Nothing is left of the task but its description."""
    with LOCK:
        task.execution_stopped_at = now()
        task.move("DEPROVISIONING")
    for container in task.containers:
        follower = FOLLOWERS.pop(container.runtime_id or "", None)
        if follower:
            follower.finish()
        with suppress(APIError):
            if found := find(container):
                found.remove(force=True, v=True)
        container.last_status = "STOPPED"
    with LOCK:
        for arn, port in task.targets:
            TARGETS.forget(arn, (task.address, port))
        attachments: list[dict[str, Any]] = task.attachments
        for attachment in attachments:
            attachment["status"] = "DELETED"
            interface = next(d["value"] for d in attachment["details"] if d["name"] == "networkInterfaceId")
            delete_network_interface(task.account, task.region_name, interface)
        task.stopped_at = now()
        task.move("STOPPED")
