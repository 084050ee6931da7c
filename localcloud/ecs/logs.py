"""A container's output, line by line into CloudWatch Logs ("Send Amazon ECS logs to CloudWatch")."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from localcloud.ecs.environment import LaunchError
from localcloud.ecs.tasks import Task, TaskContainer
from localcloud.seams_compute import MOTO_ERRORS, LogStream
from localcloud.state import LOCK

log = logging.getLogger(__name__)

_ALL_READ_WITHIN_S = 5.0


def open_stream(task: Task, container: TaskContainer) -> LogStream | None:
    """The log stream `<prefix>/<container>/<task id>` exists; None if awslogs is not asked for.

    Raises:
        LaunchError: the log group does not exist and awslogs-create-group is not on.
    """
    configured = container.defined.get("logConfiguration") or {}
    if configured.get("logDriver") != "awslogs":
        return None
    given: dict[str, str] = configured.get("options") or {}
    region = given.get("awslogs-region", task.region_name)
    name = f"{given.get('awslogs-stream-prefix', 'ecs')}/{container.name}/{task.id}"
    stream = LogStream(task.account, region, given["awslogs-group"], name)
    try:
        with LOCK:
            stream.open(create_group=given.get("awslogs-create-group") == "true")
    except MOTO_ERRORS as error:
        text = f"failed to validate logger args: create stream in {stream.group} failed: {error}"
        raise LaunchError(f"ResourceInitializationError: {text}") from error
    return stream


class Follower:
    """Copies a running container's output into a stream until the container ends."""

    def __init__(self, container: Container, stream: LogStream) -> None:
        self._container, self._stream = container, stream
        self._pending: deque[dict[str, Any]] = deque()
        self._thread = threading.Thread(target=self._copy, name="ecs-logs", daemon=True)

    def start(self) -> None:
        """Being copied."""
        self._thread.start()

    def flush(self) -> None:
        """What was read so far is in the stream. Called a few times a second: LOCK is not for every line."""
        events = [self._pending.popleft() for _ in range(len(self._pending))]
        if events:
            with LOCK:
                self._stream.put(events)

    def finish(self) -> None:
        """All that an ended container wrote is in the stream."""
        self._thread.join(_ALL_READ_WITHIN_S)
        self.flush()

    def _copy(self) -> None:
        try:
            for event in _events(self._container):
                self._pending.append(event)
        except (APIError, NotFound, OSError) as error:
            log.warning("logs of %s ended early: %s", self._container.name, error)


def _events(container: Container) -> Iterator[dict[str, Any]]:
    rest = b""
    for chunk in container.logs(stream=True, follow=True, timestamps=True):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(_event, lines)
    if rest:
        yield _event(rest)


def _event(line: bytes) -> dict[str, Any]:
    """`2026-01-02T03:04:05.678901234Z text` as Docker gives it."""
    stamp, _, text = line.decode("utf-8", "replace").rstrip("\r").partition(" ")
    at = datetime.fromisoformat(f"{stamp[:23]}+00:00")
    return {"timestamp": int(at.timestamp() * 1000), "message": text}
