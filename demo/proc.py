"""Read-only questions to /proc: who runs, since when, in which session, listening where."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
LISTEN = "0A"  # TCP_LISTEN of the kernel, as /proc/net/tcp prints it


class Status(NamedTuple):
    """One process as the kernel sees it; `started` (ticks since boot) tells a reused number apart."""

    pid: int
    state: str
    parent: int
    session: int
    started: int


def status(pid: int) -> Status | None:
    """The process with this number, or None when there is none (a zombie counts as none)."""
    try:
        # The name stands in parentheses and may itself hold spaces and parentheses.
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    seen = Status(pid, fields[0], int(fields[1]), int(fields[3]), int(fields[19]))
    return None if seen.state in "ZX" else seen


def every() -> list[Status]:
    """All running processes."""
    found = (status(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit())
    return [seen for seen in found if seen]


def command(pid: int) -> str:
    """The command line, for messages; empty when the process is gone or not ours to read."""
    try:
        return (
            (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        )
    except OSError:
        return ""


def environment_has(pid: int, marker: str) -> bool:
    """Whether `NAME=value` was in the environment that the process was started with."""
    try:
        return marker.encode() in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def listening() -> set[tuple[str, int]]:
    """Every IPv4 address and port on which this machine listens."""
    lines = (PROC / "net/tcp").read_text().splitlines()[1:]
    return {_address(fields[1]) for fields in (line.split() for line in lines) if fields[3] == LISTEN}


def _address(text: str) -> tuple[str, int]:
    host, port = text.split(":")
    octets = bytes.fromhex(host)[::-1]  # the kernel prints the address in the machine's byte order
    return ".".join(str(octet) for octet in octets), int(port, 16)
