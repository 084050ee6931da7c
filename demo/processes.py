"""Long-running children that outlive their parent's accidents and are found again.

Each child has a session of its own (Ctrl-C in the terminal does not reach it), a log, and a record
`<name>.json` with its number and start time beside it. Whoever finds the record can stop the child, even
when the program that started it was killed.
"""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from demo import proc
from demo.errors import StackFailed

MARK = "DELIVERY_CHILD"  # in the environment of a child and of everything below it
POLL_S = 0.05
LOG_LINES = 15


@dataclass(frozen=True)
class Child:
    """A process that was started here or by an earlier run: number, start time, log."""

    name: str
    pid: int
    started: int
    log: str
    mark: str

    def alive(self) -> bool:
        """Whether exactly this process runs (a number reused by another does not count)."""
        seen = proc.status(self.pid)
        return seen is not None and seen.started == self.started

    def family(self) -> list[proc.Status]:
        """The process and what it started, also in sessions of their own, also what survived it."""
        leader = proc.status(self.pid)
        reused = leader is not None and leader.started != self.started
        return [
            each
            for each in proc.every()
            if (each.session == self.pid and not reused) or proc.environment_has(each.pid, self.mark)
        ]

    def end_of_log(self, lines: int = LOG_LINES) -> str:
        """The last lines that it wrote, for messages."""
        try:
            return "\n".join(Path(self.log).read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"


def start(name: str, argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> Child:
    """The program runs in a session of its own, writes to `<folder>/<name>.log` and is on record.

    Args:
        name: Of the record and the log; one child per name and folder.
        argv: Program and arguments.
        folder: Existing or new folder for record and log.
        env: The whole environment of the program.

    Raises:
        OSError: The program does not exist; nothing runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    mark = f"{MARK}={uuid.uuid4()}"
    pid = os.posix_spawnp(
        argv[0],
        list(argv),
        {**env, MARK: mark.partition("=")[2]},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        # make and shells start background jobs with SIGINT ignored, and a Prefect worker that inherits
        # this never stops: it forwards SIGTERM to itself as SIGINT.
        setsigdef=[signal.SIGINT, signal.SIGTERM],
    )
    seen = proc.status(pid)
    child = Child(name, pid, seen.started if seen else -1, str(log), mark)
    (folder / f"{name}.json").write_text(json.dumps(asdict(child)))
    return child


def recorded(folder: Path) -> list[Child]:
    """Every child on record in the folder, running or not; a half-written record counts as none."""
    children = []
    for path in sorted(folder.glob("*.json")):
        try:
            children.append(Child(**json.loads(path.read_text())))
        except (ValueError, TypeError):
            continue
    return children


def stop(child: Child, patience_s: float = 15) -> None:
    """Neither the child nor anything of its session runs, and its record is gone.

    Args:
        child: As returned by `start` or `recorded`.
        patience_s: Seconds between TERM and KILL.

    Raises:
        StackFailed: Something of it runs on after KILL (a process stuck in the kernel).
    """
    if child.alive():
        _signal(child.pid, signal.SIGTERM)
        _wait(lambda: not child.alive(), patience_s)
    for member in child.family():
        _signal(member.pid, signal.SIGKILL)
    if not _wait(lambda: not child.family(), 10):
        left = ", ".join(str(member.pid) for member in child.family())
        raise StackFailed(child.name, f"processes {left} run on 10 s after KILL", "they still run", "see ps")
    Path(child.log).with_suffix(".json").unlink(missing_ok=True)


def sweep(folder: Path) -> list[Child]:
    """Nothing on record in the folder runs any more. Returns what had to be stopped."""
    found = [child for child in recorded(folder) if child.family()]
    for child in recorded(folder):
        stop(child)
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
