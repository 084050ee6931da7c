"""Proves that a command left nothing behind: no process, container, Docker network or listening address.

    python -m demo.leftovers remember FILE     before: what is there now
    python -m demo.leftovers check FILE        after: fails and says what is there now and was not then

Processes are told by the variable DELIVERY_RUN in the environment they were started with; they are ended,
so that a run that was interrupted in the middle of its own tidying leaves nothing either.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from demo import proc

MARKER = "DELIVERY_RUN"
SETTLE_S = 15


def seen() -> dict[str, str]:
    """Everything that could be left behind, by a name that a person can act on."""
    return {**_containers(), **_networks(), **_addresses(), **_processes()}


def _docker(*arguments: str) -> list[str]:
    answer = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=30)
    return answer.stdout.splitlines()  # no engine, so no containers: an empty answer is the true one


def _containers() -> dict[str, str]:
    rows = _docker("ps", "-a", "--filter", "label=localcloud", "--format", "{{.ID}} {{.Names}} {{.Status}}")
    return {f"container {row.split()[0]}": f"{row} (docker rm -f {row.split()[0]})" for row in rows}


def _networks() -> dict[str, str]:
    rows = _docker("network", "ls", "--filter", "name=^localcloud-", "--format", "{{.Name}}")
    return {f"network {row}": f"docker network rm {row}" for row in rows}


def _addresses() -> dict[str, str]:
    ours = {
        (host, port) for host, port in proc.listening() if host.startswith("127.") and host[:7] != "127.0.0"
    }
    return {f"address {host}:{port}": "somebody listens" for host, port in ours}


def _processes() -> dict[str, str]:
    return {f"process {pid}": proc.command(pid)[:200] for pid in _marked()}


def _marked() -> list[int]:
    """Processes started by this run, without this one and those above it."""
    run = os.environ.get(MARKER)
    if not run:
        return []
    above, parent = set(), os.getpid()
    while parent > 1:
        above.add(parent)
        found = proc.status(parent)
        parent = found.parent if found else 0
    return [each.pid for each in proc.every() if each.pid not in above and _is_of(each.pid, run)]


def _is_of(pid: int, run: str) -> bool:
    return proc.environment_has(pid, f"{MARKER}={run}")


def _end(number: signal.Signals) -> None:
    for pid in _marked():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def check(before: dict[str, str], settle_s: float = SETTLE_S) -> dict[str, str]:
    """What is there now and was not before, once things had time to settle; processes are then ended."""
    left = _settled(before, settle_s)
    if left:
        _end(signal.SIGTERM)
        _settled(before, settle_s)
        _end(signal.SIGKILL)
    return left


def _settled(before: dict[str, str], settle_s: float) -> dict[str, str]:
    deadline = time.monotonic() + settle_s
    while (left := _new(before)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def _new(before: dict[str, str]) -> dict[str, str]:
    return {name: what for name, what in seen().items() if name not in before}


def main(action: str, file: Path) -> int:
    """Returns the exit code: 1 when something was left behind."""
    if action == "remember":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(seen()))
        return 0
    left = check(json.loads(file.read_text()))
    for name, what in sorted(left.items()):
        print(f"  left behind: {name}: {what}", file=sys.stderr)  # noqa: T201 (it is what this program is for)
    if left:
        print(  # noqa: T201
            f"error: leftovers: {len(left)} things were left behind (above); "
            "processes of this run were ended now, the rest is in place; remove it with the commands shown",
            file=sys.stderr,
        )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
