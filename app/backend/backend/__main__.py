"""`python -m backend`: serves until SIGTERM, then finishes what is in flight and ends with 0."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from types import FrameType

import uvicorn

from backend.api import Services
from backend.application import create_app
from backend.edge import Edge
from backend.errors import ApplicationError
from backend.faults import Faults
from backend.health import DatabaseProbe, Monitor, Probe, redis_probe
from backend.sessions import Sessions, connect
from backend.settings import Settings, from_environment
from backend.structured_logs import to_stdout
from backend.verifications import Verifications, open_pool

log = logging.getLogger("backend")

KEEP_ALIVE_S = 75
"""Longer than the load balancer's idle timeout of 60 s, else it reuses connections that are being closed
(Application Load Balancers, "Troubleshoot": HTTP 502)."""


class DrainingServer(uvicorn.Server):
    """On the first SIGTERM: not ready at once, still serving for a moment, then no new connections.

    Uvicorn's own handling would raise the signal again at the end: exit code 143 for an orderly stop.
    """

    def __init__(self, config: uvicorn.Config, monitor: Monitor, notice_s: float) -> None:
        super().__init__(config)
        self._monitor = monitor
        self._notice_s = notice_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; the second signal stops without further notice."""
        _ = frame
        log.info("stopping", extra={"signal": signal.Signals(sig).name, "again": self._monitor.draining})
        notice_s = 0.0 if self._monitor.draining else self._notice_s
        self._monitor.drain()
        timer = threading.Timer(notice_s, setattr, (self, "should_exit", True))
        timer.daemon = True
        timer.start()


def serve(settings: Settings, faults: Faults) -> None:
    """Serve until told to stop."""
    pool = open_pool(settings.database_url)
    redis = connect(settings.redis_url)
    probes: dict[str, Probe] = {"database": DatabaseProbe(settings.database_url), "redis": redis_probe(redis)}
    monitor = Monitor(probes, denied=faults.never_ready)
    monitor.start()
    services = Services(settings.version, Verifications(pool), Sessions(redis, settings.session_key), monitor)
    config = uvicorn.Config(
        Edge(create_app(services), faults, monitor),
        # A container: the security group says what may reach it.
        host="0.0.0.0",  # noqa: S104 # nosec B104
        port=settings.port,
        http="httptools",  # adds the header below even to its own answer to malformed requests
        headers=[("X-Version", settings.label)],
        server_header=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, int(settings.grace_s)),
    )
    DrainingServer(config, monitor, settings.drain_notice_s).run()
    monitor.stop()
    pool.close(timeout=1)


def crash() -> None:
    """End at once, as a defect would."""
    log.critical("APP_FAULT crash")
    os._exit(1)


def main() -> int:
    """Start as the environment says. Returns the exit code."""
    try:
        settings = from_environment(os.environ)
    except ApplicationError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    to_stdout(settings.version, settings.environment)
    faults = Faults(settings.fault)
    if settings.fault:
        log.warning("a fault on purpose", extra={"fault": str(settings.fault)})
    if (crash_in_s := faults.crash_in_s()) is not None:
        if crash_in_s == 0:
            crash()
        threading.Timer(crash_in_s, crash).start()
    serve(settings, faults)
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
