"""Child processes that never outlive the server, however it dies.

Every child writes its own line of /proc/<pid>/stat (pid and start time) into `<state>/children` before it
becomes the program it was asked to be, and gives up when its parent is already gone. So there is no moment in
which a child lives and is not on the list that the reaper works through (localcloud/reaper.py).
PDEATHSIG would not do: it fires when the *thread* that forked ends, and worker threads end.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.state import Instance

CHILDREN = "children"

_RECORD_THEN_BECOME = """\
ulimit -c 0
[ "$PPID" = "$1" ] || exit 75
read -r line </proc/$$/stat
echo "$line"
shift
exec "$@" >&2
"""


@dataclass(frozen=True)
class Program:
    """What to run. Output and errors go to `log`; `user` None is the server's own."""

    argv: Sequence[str | Path]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    group: str | None = None
    cwd: str = "/"


def start(instance: Instance, program: Program) -> subprocess.Popen[bytes]:
    """The program runs, and will not outlive this process.

    Raises:
        OSError: /bin/sh or the log cannot be opened. A program that is missing ends with status 127.
    """
    children = instance.state_dir / CHILDREN
    with children.open("ab") as record, program.log.open("ab") as log:
        return subprocess.Popen(
            ["/bin/sh", "-c", _RECORD_THEN_BECOME, "sh", str(os.getpid()), *map(str, program.argv)],
            stdin=subprocess.DEVNULL,
            stdout=record,
            stderr=log,
            env={**os.environ, **program.env},
            cwd=program.cwd,
            user=program.user,
            group=program.group,
            extra_groups=[] if program.user else None,
            start_new_session=True,
        )


def stop(
    process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM, timeout_s: float = 10
) -> int:
    """The process has ended: asked with `how`, killed after `timeout_s`. Its return code."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
