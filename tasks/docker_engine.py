"""The Docker engine: reached, or a clear refusal; and its streams read line by line."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from decisions.errors import Refused, StepFailed

if TYPE_CHECKING:
    from docker import DockerClient

_log = logging.getLogger(__name__)
_TAIL = 20
_TIMEOUT_S = 900


@contextmanager
def engine(where: str) -> Iterator[DockerClient]:
    """A client of the engine that DOCKER_HOST or the default socket names; closed afterwards.

    Raises:
        Refused: No engine answers.
    """
    import docker  # noqa: PLC0415 - costs time, and only ci needs it
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=_TIMEOUT_S)
        client.ping()
    except DockerException as error:
        seen = f"no Docker engine answers: {error}"
        raise Refused(where, " ".join(seen.split()), do="start Docker, or run this where it is") from error
    try:
        yield client
    finally:
        client.close()


def follow(where: str, stream: Iterable[dict[str, Any]], left: str) -> list[dict[str, Any]]:
    """The stream of a build or push has ended well; every line of it is in the log.

    Returns:
        What the engine said beside the lines (`aux`), oldest first.

    Raises:
        StepFailed: It ended with an error; carries the last lines.
    """
    tail: deque[str] = deque(maxlen=_TAIL)
    beside = []
    for entry in stream:
        if "error" in entry:
            lines = "\n".join(tail)
            seen = f"{str(entry['error']).strip()}\nlast lines:\n{lines}"
            raise StepFailed(where, seen, left, "correct what the last lines say, then run it again")
        if "aux" in entry:
            beside.append(entry["aux"])
        text = str(entry.get("stream") or ("" if "progress" in entry else entry.get("status", "")))
        for line in filter(None, (part.rstrip() for part in text.splitlines())):
            tail.append(line)
            _log.info("%s: %s", where, line)
    return beside
