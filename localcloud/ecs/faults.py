"""What `break` does to tasks: a program that hangs, and images that cannot be pulled."""

from __future__ import annotations

import threading

from docker.models.containers import Container

from localcloud.engine import containers_of
from localcloud.errors import LocalCloudError
from localcloud.state import LABEL_CONTAINER, LABEL_GROUP, LABEL_TASK, Instance

NO_PULLS = threading.Event()
"""While set, no image can be pulled."""


def hang(target: str) -> str:
    """`break hang [TEXT]`: the first container whose service, family or name holds TEXT stands still."""
    container = _first_matching(target)
    container.pause()
    return (
        f"hang: container {container.name} of {container.labels.get(LABEL_GROUP)} stands still until mended"
    )


def refuse_pulls(_target: str) -> str:
    """`break pull`: tasks that start now cannot have their image."""
    NO_PULLS.set()
    return "pull: no image can be pulled until mended; tasks that start now fail"


def mend() -> None:
    """Everything runs on, images can be pulled."""
    NO_PULLS.clear()
    for container in containers_of(Instance.current().name):
        if container.status == "paused":
            container.unpause()


def _first_matching(target: str) -> Container:
    for container in containers_of(Instance.current().name):
        labels = container.labels
        known_as = (labels.get(LABEL_GROUP, ""), labels.get(LABEL_TASK, ""), container.name or "")
        if (
            LABEL_CONTAINER in labels
            and container.status == "running"
            and any(target in name for name in known_as)
        ):
            return container
    raise LocalCloudError("break hang", f"no running container matches {target!r}", "nothing was broken")
