"""One raw HTTP/1.1 connection: sends a request, reads exactly its answer, never sends it twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

_END = b"\r\n\r\n"
_NO_BODY = {204, 304}


@dataclass(slots=True)
class Answer:
    """What came back; `error` is its kind when `status` is 0, `reusable` says the connection may stay."""

    status: int = 0
    version: str = ""
    error: str = ""
    reusable: bool = False


Done = Callable[["Connection", Answer], None]


class Connection(asyncio.Protocol):
    """Carries one request at a time. `closed` while idle means: do not use it, which is no failure."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._done: Done | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.closed = False

    def send(self, request: bytes, timeout_s: float, done: Done) -> None:
        """The request is on its way; `done` is called exactly once."""
        self._buffer.clear()
        self._done = done
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self._fail, "timeout")
        if self._transport is None or self.closed:
            self._fail("closed")
            return
        self._transport.write(request)

    def close(self) -> None:
        """Closed from this side."""
        self.closed = True
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio tells that the connection stands."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection gives
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer."""
        self._buffer += data
        if self._done and (answer := parse(self._buffer, ended=False)):
            self._finish(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer, or we, closed it."""
        self.closed = True
        if self._done and (answer := parse(self._buffer, ended=True)) and exc is None:
            self._finish(answer)
        elif self._done:
            self._fail("reset" if exc else "closed")

    def _fail(self, kind: str) -> None:
        self._finish(Answer(error=kind))
        self.close()

    def _finish(self, answer: Answer) -> None:
        done, self._done = self._done, None
        if self._timer:
            self._timer.cancel()
        if done:
            done(self, answer)


def parse(buffer: bytearray, *, ended: bool) -> Answer | None:
    """The answer once it is complete, else None. `ended`: the peer will send no more."""
    at = buffer.find(_END)
    if at < 0:
        return None
    head = bytes(buffer[:at])
    status = int(head.split(b" ", 2)[1])
    headers = _headers(head)
    if not (ended or _complete(buffer[at + len(_END) :], status, headers)):
        return None
    short = "content-length" in headers and len(buffer) - at - len(_END) < int(headers["content-length"])
    if ended and short:
        return None
    keep = not ended and headers.get("connection", "").lower() != "close"
    return Answer(status=status, version=headers.get("x-version", ""), reusable=keep)


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _complete(body: bytearray, status: int, headers: dict[str, str]) -> bool:
    if status in _NO_BODY:
        return True
    if "content-length" in headers:
        return len(body) >= int(headers["content-length"])
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return body.endswith(b"0\r\n\r\n")
    return False
