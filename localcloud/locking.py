"""Who may be an instance: one server at a time per state directory, per name and per loopback block.

A held lock is a held descriptor. The server passes its descriptors on to the reaper, so the lock is free only
when both are gone and everything is swept; a kill -9 never leaves a stale lock behind.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcloud.errors import LocalCloudError

LOCK_FILE = "lock"
UP_FILE = "up"


@dataclass(frozen=True)
class Held:
    """Open descriptors that are the lock."""

    file: int
    names: tuple[socket.socket, ...]

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What to pass on to the reaper."""
        return (self.file, *(name.fileno() for name in self.names))

    def release(self) -> None:
        """Another process may have it."""
        os.close(self.file)
        for name in self.names:
            name.close()


def take(state_dir: Path, name: str, block: int) -> Held | None:
    """The lock, or None when an instance (or its reaper) still has this state directory.

    Raises:
        LocalCloudError: an instance with another state directory has that name or block.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    file = os.open(state_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    try:
        names = (_claim("name", name), _claim("block", str(block)))
    except LocalCloudError:
        os.close(file)
        raise
    return Held(file, names)


def is_held(state_dir: Path) -> bool:
    """Whether an instance or its reaper lives in this state directory."""
    if not (state_dir / LOCK_FILE).exists():
        return False
    with (state_dir / LOCK_FILE).open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Only one process is inside; the others wait."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _claim(kind: str, value: str) -> socket.socket:
    """An abstract Unix socket: unique on the machine, and gone with the last process that holds it."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0localcloud/{kind}/{value}")
    except OSError as error:
        claim.close()
        raise LocalCloudError(
            f"--{kind} {value}",
            "another local cloud on this machine uses it, with another state directory",
            do=f"choose another --{kind}, or stop that one: python -m localcloud down --state <its>",
        ) from error
    return claim
