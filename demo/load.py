"""A load client that cannot flatter: open loop, raw sockets, every request counted, nothing sent twice.

`python -m demo.load URL... --rate 220 --seconds 10 --mode keepalive|new --out load.jsonl`

It sends on time whether or not earlier requests were answered (open loop), so a stalled service shows
as failures instead of as fewer requests. Only loopback addresses are ever contacted.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import ipaddress
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self
from urllib.parse import urlsplit

from demo.load_connection import Answer, Connection
from demo.load_records import Record, Summary, read, summarise

Mode = Literal["keepalive", "new"]
_MAX_OPEN = 1000
_FLUSH_S = 0.2
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@dataclass(frozen=True)
class Plan:
    """What to send: `rate` requests/s over all `urls` in turn, for `seconds`, each waiting `timeout_s`."""

    urls: tuple[str, ...]
    rate: float
    seconds: float
    mode: Mode = "keepalive"
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuses what is not loopback, and what is not bounded."""
        if not self.urls or not 0 < self.rate <= 5000 or not 0 < self.seconds <= 86_400:  # noqa: PLR2004
            raise ValueError(
                f"load: {self.urls} at {self.rate}/s for {self.seconds} s; nothing was sent; give URLs"
            )
        for url in self.urls:
            _target(url)


@dataclass(frozen=True, slots=True)
class _Target:
    host: str
    port: int
    path: str


def _target(url: str) -> _Target:
    parts = urlsplit(url)
    try:
        inside = ipaddress.ip_address(parts.hostname or "") in _LOOPBACK
    except ValueError:
        inside = False
    if parts.scheme != "http" or not inside:
        raise ValueError(f"load: {url} is not http on 127.0.0.0/8; nothing was sent; give a loopback address")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(str(parts.hostname), parts.port or 80, path)


class _Run:
    """One run of a plan; lives inside the event loop."""

    def __init__(self, plan: Plan, out: IO[str]) -> None:
        self.plan, self.out = plan, out
        self.targets = [_target(url) for url in plan.urls]
        close = "Connection: close\r\n" if plan.mode == "new" else ""
        self.requests = [
            f"GET {t.path} HTTP/1.1\r\nHost: {t.host}:{t.port}\r\n{close}\r\n".encode() for t in self.targets
        ]
        self.idle: list[list[Connection]] = [[] for _ in self.targets]
        self.open: set[asyncio.Task[None]] = set()
        self.waiting = 0
        self.answered = asyncio.Event()
        self.stopping = False

    async def pace(self) -> None:
        """Requests leave at their time, late ones at once; returns when the last is answered."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, setattr, self, "stopping", True)
        begun, flushed = loop.time(), 0.0
        for n in range(int(self.plan.rate * self.plan.seconds)):
            delay = begun + n / self.plan.rate - loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            if self.stopping:
                break
            self._start(n % len(self.targets))
            if loop.time() - flushed > _FLUSH_S:
                self.out.flush()
                flushed = loop.time()
        if self.waiting:
            await self.answered.wait()
        self.out.flush()
        for connection in (c for idle in self.idle for c in idle):
            connection.close()

    def _start(self, url: int) -> None:
        begun = time.time()
        self.waiting += 1
        self.answered.clear()
        if self.waiting > _MAX_OPEN:
            self._record(url, begun, Answer(error="overload"))
            return
        while self.idle[url]:
            connection = self.idle[url].pop()
            if not connection.closed:
                self._send(connection, url, begun)
                return
        task = asyncio.ensure_future(self._connect(url, begun))
        self.open.add(task)
        task.add_done_callback(self.open.discard)

    async def _connect(self, url: int, begun: float) -> None:
        target, loop = self.targets[url], asyncio.get_running_loop()
        try:
            connecting = loop.create_connection(Connection, target.host, target.port)
            _, connection = await asyncio.wait_for(connecting, self.plan.timeout_s)
        except TimeoutError:
            self._record(url, begun, Answer(error="connect-timeout"))
        except OSError:
            self._record(url, begun, Answer(error="refused"))
        else:
            self._send(connection, url, begun)

    def _send(self, connection: Connection, url: int, begun: float) -> None:
        def done(used: Connection, answer: Answer) -> None:
            self._record(url, begun, answer)
            if answer.reusable and self.plan.mode == "keepalive":
                self.idle[url].append(used)
            else:
                used.close()

        connection.send(self.requests[url], self.plan.timeout_s, done)

    def _record(self, url: int, begun: float, answer: Answer) -> None:
        self.waiting -= 1
        if not self.waiting:
            self.answered.set()
        record = Record(begun, time.time(), answer.status, answer.error, answer.version, url, self.plan.mode)
        self.out.write(record.line())


def run(plan: Plan, out: Path) -> Summary:
    """The plan was carried out in this process; `out` holds a line for every request."""
    with out.open("w", encoding="utf-8", buffering=1 << 16) as lines:
        asyncio.run(_Run(plan, lines).pace())
    return summarise(read(out))


class LoadClient:
    """A plan in a process of its own, which outlives a crash of this one but not the plan's seconds.

    Used as a context manager it is stopped at the end; `summary` may be asked at any time.
    """

    def __init__(self, plan: Plan, out: Path) -> None:
        self.plan, self.out = plan, out
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Requests are being sent."""
        self.out.unlink(missing_ok=True)
        p = self.plan
        options = [
            "--rate",
            str(p.rate),
            "--seconds",
            str(p.seconds),
            "--mode",
            p.mode,
            "--timeout",
            str(p.timeout_s),
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "demo.load", *p.urls, *options, "--out", str(self.out)],
            cwd=Path(__file__).resolve().parent.parent,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def wait(self) -> Summary:
        """The plan was carried out to its end."""
        if self._process:
            self._process.wait(self.plan.seconds + self.plan.timeout_s + 30)
        return self.summary()

    def stop(self) -> Summary:
        """No more requests are sent; those under way were waited for and recorded."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(self.plan.timeout_s + 10)
        return self.summary()

    def summary(self, since: float = 0.0, until: float = float("inf")) -> Summary:
        """What was seen of the requests started within [since, until), epoch seconds."""
        return summarise(read(self.out, since, until))

    def __enter__(self) -> Self:
        """Started."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None
    ) -> None:
        """Stopped."""
        self.stop()


def main() -> None:
    """Thin command line: sends, then prints the summary as JSON."""
    parser = argparse.ArgumentParser(prog="python -m demo.load", description=__doc__)
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("--rate", type=float, default=220, help="requests per second over all URLs")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--mode", choices=["keepalive", "new"], default="keepalive")
    parser.add_argument("--timeout", type=float, default=10, help="seconds to wait for one answer")
    parser.add_argument("--out", type=Path, default=Path("load.jsonl"), help="one JSON line a request")
    given = parser.parse_args()
    try:
        plan = Plan(tuple(given.urls), given.rate, given.seconds, given.mode, given.timeout)
    except ValueError as error:
        parser.error(str(error))
    summary = run(plan, given.out.absolute())
    json.dump(dataclasses.asdict(summary), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
