"""What the load client saw: one JSON line a request, and the summary of many."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_FIRST_GOOD, _FIRST_BAD = 200, 400


@dataclass(frozen=True, slots=True)
class Record:
    """One request. Times are epoch seconds; `status` is 0 and `error` its kind when no answer came."""

    start: float
    end: float
    status: int
    error: str
    version: str
    url: int
    mode: str

    @property
    def failed(self) -> bool:
        """Everything but 2xx and 3xx is a failed request."""
        return not _FIRST_GOOD <= self.status < _FIRST_BAD

    def line(self) -> str:
        """The record as one JSON line."""
        return (
            f'{{"start":{self.start:.6f},"end":{self.end:.6f},"status":{self.status},"error":{json.dumps(self.error)},'
            f'"version":{json.dumps(self.version)},"url":{self.url},"mode":"{self.mode}"}}\n'
        )


@dataclass(frozen=True)
class Second:
    """What happened to the requests started in one second."""

    at: int
    requests: int
    failed: int


@dataclass(frozen=True)
class Summary:
    """Counts and latencies of many records; latencies in ms, of answered requests only."""

    requests: int
    failed: int
    by_status: dict[str, int]
    by_version: dict[str, int]
    per_second: tuple[Second, ...]
    p50_ms: float
    p99_ms: float
    rate: float


def read(path: Path, since: float = 0.0, until: float = math.inf) -> Iterator[Record]:
    """The records started within [since, until); a last line still being written is left out."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            record = Record(**json.loads(line))
            if since <= record.start < until:
                yield record


def summarise(records: Iterable[Record]) -> Summary:
    """Nothing is left out and nothing weighed: a request without an answer is a failed request."""
    seen = list(records)
    times = sorted((r.end - r.start) * 1000 for r in seen if not r.error)
    span = max((r.end for r in seen), default=0.0) - min((r.start for r in seen), default=0.0)
    started = Counter(int(r.start) for r in seen)
    failed = Counter(int(r.start) for r in seen if r.failed)
    return Summary(
        requests=len(seen),
        failed=sum(failed.values()),
        by_status=dict(Counter(r.error or str(r.status) for r in seen)),
        by_version=dict(Counter(r.version for r in seen if r.version)),
        per_second=tuple(Second(at, started[at], failed[at]) for at in sorted(started)),
        p50_ms=quantile(times, 0.5),
        p99_ms=quantile(times, 0.99),
        rate=len(seen) / span if span else 0.0,
    )


def quantile(ordered: list[float], share: float) -> float:
    """Nearest-rank quantile of ascending values; 0 of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
