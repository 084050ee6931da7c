"""Steady load on production while something happens to it, with keep-alive and with new connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from demo.load import LoadClient, Mode, Plan
from demo.load_records import Record, Summary, read, summarise

RATE = 220.0
"""Requests a second of each kind; the promise is made for 200."""
LONGEST_S = 600.0


@dataclass(frozen=True)
class Traffic:
    """Load of both kinds in files of its own."""

    clients: dict[str, LoadClient]

    def records(self) -> list[Record]:
        """Every request so far, of both kinds, by the time it was sent."""
        seen = [record for client in self.clients.values() for record in read(client.out)]
        return sorted(seen, key=lambda record: record.start)

    def summaries(self) -> dict[str, Summary]:
        """What each kind saw."""
        return {mode: client.summary() for mode, client in self.clients.items()}

    def total(self) -> Summary:
        """What both kinds saw together."""
        return summarise(self.records())


@contextmanager
def steady_load(urls: tuple[str, ...], folder: Path, name: str, rate: float = RATE) -> Iterator[Traffic]:
    """Load runs inside the block and has ended, with every answer in, after it.

    Args:
        urls: Asked in turn.
        folder: Where the records go, as `<name>.<mode>.jsonl`.
        name: Of what happens meanwhile.
        rate: Requests a second of each kind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clients: dict[str, LoadClient] = {
        mode: LoadClient(Plan(urls, rate, LONGEST_S, mode), folder / f"{name}.{mode}.jsonl")
        for mode in get_args(Mode)
    }
    try:
        for client in clients.values():
            client.start()
        yield Traffic(clients)
    finally:
        for client in clients.values():
            client.stop()
