"""The line that changes while a release is under way: requests so far, and what the release is doing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from decisions.errors import DeliveryError
from demo.load_records import Record
from tasks.environments import find_platform
from tasks.ledger import list_releases

EVERY_S = 1.0
Show = Callable[[str], None]
"""Replaces the line."""


@dataclass
class Tail:
    """Counts the records of a file that grows, reading each of them once."""

    path: Path
    requests: int = 0
    failed: int = 0
    _offset: int = 0

    def read(self) -> None:
        """Everything written so far is counted."""
        if not self.path.exists():
            return
        with self.path.open("rb") as lines:
            lines.seek(self._offset)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                self.requests += 1
                self.failed += Record(**json.loads(line)).failed


@dataclass
class Watch:
    """What to show of one release.

    Args:
        version: Of the release.
        files: Where the load clients write.
        show: Shows the line.
    """

    version: str
    files: tuple[Path, ...]
    show: Show
    _tails: list[Tail] = field(init=False)
    _shown: float = 0.0

    def __post_init__(self) -> None:
        """A tail a file."""
        self._tails = [Tail(path) for path in self.files]

    def __call__(self) -> None:
        """The line is at most EVERY_S old."""
        if time.monotonic() - self._shown < EVERY_S:
            return
        self._shown = time.monotonic()
        for tail in self._tails:
            tail.read()
        requests, failed = (
            sum(getattr(tail, name) for tail in self._tails) for name in ("requests", "failed")
        )
        counts = f"{requests} requests, {failed} failed · " if self._tails else ""
        self.show(f"{counts}{self._step()}")

    def _step(self) -> str:
        for environment in ("production", "staging"):
            with suppress(DeliveryError):  # a line of progress is not worth an error
                newest = list_releases.fn(find_platform.fn(environment), 1)
                if newest and newest[0].version == self.version and newest[0].steps:
                    return f"{environment} {self.version}: {newest[0].steps[-1].why}"
        return f"{self.version}: on its way"
