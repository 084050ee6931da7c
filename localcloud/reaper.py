"""Nothing an instance started is left when its server is gone: processes, containers, network.

The server starts `python -m localcloud.reaper` with a pipe as standard input. However the server ends,
kill -9 included, the pipe closes and the reaper sweeps. It holds the instance's lock until it is done
(locking.py), so the next `up` waits for it. When it was killed too, the next `up` or `down` sweeps instead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from localcloud.processes import CHILDREN

ROUNDS = 5
PAUSE_S = 0.2
PATIENCE_S = 3.0
STALE_FILES = ("endpoints.json", "server.json", CHILDREN)


@dataclass(frozen=True)
class Child:
    """A process by pid and start time (clock ticks since boot): pids are given away again."""

    pid: int
    started: str

    def lives(self) -> bool:
        """Whether that very process is still there and not a zombie."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return parse(stat) == self and stat.rpartition(")")[2].split()[0] != "Z"


def parse(stat: str) -> Child | None:
    """The process a line of /proc/<pid>/stat speaks of; None when the line was cut short."""
    head, _, tail = stat.rpartition(")")
    fields = tail.split()
    return Child(int(head.split()[0]), fields[19]) if len(fields) > 19 else None  # noqa: PLR2004  # proc(5)


def recorded(state_dir: Path) -> Iterator[Child]:
    """The children that the instance recorded and that still live."""
    try:
        lines = (state_dir / CHILDREN).read_text().splitlines()
    except OSError:
        return
    for line in lines:
        child = parse(line)
        if child and child.lives():
            yield child


def end_processes(state_dir: Path) -> int:
    """No recorded child lives. SIGQUIT first: PostgreSQL frees its shared memory. How many there were."""
    children = list(recorded(state_dir))
    for step, patience_s in ((signal.SIGQUIT, PATIENCE_S), (signal.SIGKILL, PATIENCE_S)):
        living = [child for child in children if child.lives()]
        for child in living:
            with suppress(ProcessLookupError):
                os.kill(child.pid, step)
        deadline = time.monotonic() + patience_s
        while any(child.lives() for child in living) and time.monotonic() < deadline:
            time.sleep(0.02)
    return len(children)


def sweep(state_dir: Path, name: str, *, server_just_died: bool = False) -> None:
    """Nothing of the instance is left.

    Repeated until a round finds nothing, and once more when the server has just died: the engine may still
    be busy with one of its requests.
    """
    for _ in range(ROUNDS):
        found = end_processes(state_dir) + _remove_all(name)
        if not found and not server_just_died:
            break
        server_just_died = False
        time.sleep(PAUSE_S)
    shutil.rmtree(databases_elsewhere(name), ignore_errors=True)
    for stale in STALE_FILES:
        (state_dir / stale).unlink(missing_ok=True)


def _remove_all(name: str) -> int:
    """How many there were; without an engine there can be none."""
    from localcloud.engine import remove_all  # noqa: PLC0415  # the waiting reaper stays small
    from localcloud.errors import LocalCloudError  # noqa: PLC0415

    try:
        return remove_all(name)
    except LocalCloudError:
        return 0


def databases_elsewhere(name: str) -> Path:
    """Where an instance keeps its databases when PostgreSQL's user cannot enter the state directory."""
    return Path(tempfile.gettempdir()) / f"localcloud-{os.geteuid()}-{name}"


def main() -> None:
    """Wait until the server is gone, then sweep."""
    parser = argparse.ArgumentParser(prog="localcloud.reaper")
    parser.add_argument("state", type=Path)
    parser.add_argument("name")
    arguments = parser.parse_args()
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)
    sys.stdin.buffer.read()
    sweep(arguments.state, arguments.name, server_just_died=True)


if __name__ == "__main__":
    main()
