"""What happens to every request on its way in and out: logged, measured, and harmed when a fault says so.

Asynchronous because ASGI is; nothing here waits for anything but the fault `slow`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.application import problem
from backend.faults import Faults
from backend.health import Monitor

log = logging.getLogger(__name__)

REQUESTS = Counter("http_requests_total", "Requests answered.", ("method", "route", "status"))
SECONDS = Histogram("http_request_duration_seconds", "Time to the last byte.", ("method", "route"))
IN_FLIGHT = Gauge("http_requests_in_flight", "Requests being answered.")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass
class Exchange:
    """One request and what became of it."""

    scope: Scope
    started: float
    status: int = 0

    @property
    def quiet(self) -> bool:
        """Asked by the platform rather than a user: not logged, not harmed."""
        path: str = self.scope["path"]
        return path.startswith("/health/") or path == "/metrics"

    def record(self) -> None:
        """Count and log it. Label values are few: unknown methods and paths share one."""
        duration_s = time.perf_counter() - self.started
        method = self.scope["method"] if self.scope["method"] in _METHODS else "other"
        route = getattr(self.scope.get("route"), "path", "other")
        REQUESTS.labels(method, route, self.status).inc()
        SECONDS.labels(method, route).observe(duration_s)
        if not self.quiet:
            log.info("request", extra=self._line(duration_s))

    def _line(self, duration_s: float) -> dict[str, Any]:
        headers = dict(self.scope["headers"])
        return {
            "method": self.scope["method"],
            "path": self.scope["path"],
            "status": self.status,
            "duration_ms": round(duration_s * 1000, 1),
            "trace": headers.get(b"x-amzn-trace-id", b"").decode("latin-1"),
        }


class Edge:
    """The outermost layer around the application."""

    def __init__(self, app: ASGIApp, faults: Faults, monitor: Monitor) -> None:
        self._app = app
        self._faults = faults
        self._monitor = monitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, time.perf_counter())

        async def send_noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                if (
                    self._monitor.draining
                ):  # the load balancer must not reuse a connection that is about to go
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        with IN_FLIGHT.track_inprogress():
            try:
                if exchange.quiet or not await self._harm(scope, receive, send_noting):
                    await self._app(scope, receive, send_noting)
            finally:
                exchange.record()

    async def _harm(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether a fault answered the request."""
        effect, seconds = self._faults.arrive()
        if effect == "error":
            await problem(500, "APP_FAULT errors")(scope, receive, send)
        elif effect == "crash":
            log.critical("APP_FAULT crash")
            os._exit(1)
        elif effect == "slow":
            await asyncio.sleep(seconds)
        return effect == "error"
