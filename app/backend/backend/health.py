"""Readiness, measured in the background: asking is instant and never waits for a database that hangs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

import psycopg
from redis import Redis

log = logging.getLogger(__name__)

INTERVAL_S = 1.0
STALE_S = 10.0
"""An answer older than this says that the checks themselves hang."""

Probe = Callable[[], None]


class Monitor:
    """Knows why the process should get no traffic.

    Args:
        probes: By name of the dependency; each raises when it is not usable, within a second or two.
        denied: Asked first; says whether readiness is denied on purpose.
    """

    def __init__(self, probes: Mapping[str, Probe], denied: Callable[[], bool] = lambda: False) -> None:
        self._probes = probes
        self._denied = denied
        self._failures: dict[str, str] = {"startup": "first check has not finished"}
        self._checked = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="readiness", daemon=True)
        self.draining = False

    def start(self) -> None:
        """Checking goes on in a thread until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """No further check begins."""
        self._stop.set()

    def drain(self) -> None:
        """Readiness is off for good."""
        self.draining = True

    def not_ready(self) -> dict[str, str]:
        """Reasons by name; empty when the process should get traffic."""
        if self.draining:
            return {"draining": "SIGTERM was received"}
        if self._denied():
            return {"fault": "never_ready"}
        age_s = time.monotonic() - self._checked
        if age_s > STALE_S:
            return {"checks": f"the last one ended {age_s:.0f} s ago"}
        return dict(self._failures)

    def check(self) -> None:
        """Run every probe once and remember what failed; changes are logged."""
        failures: dict[str, str] = {}
        for name, probe in self._probes.items():
            try:
                probe()
            except Exception as error:  # noqa: BLE001 - whatever a driver raises, it means "not usable"
                failures[name] = (str(error).strip() or type(error).__name__).splitlines()[0]
        if failures != self._failures:
            log.warning("readiness changed", extra={"not_ready": failures})
        self._failures, self._checked = failures, time.monotonic()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.check()
            self._stop.wait(INTERVAL_S)


class DatabaseProbe:
    """Asks over a connection of its own: a pool that is used up is no reason to lose all traffic."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    def __call__(self) -> None:
        """PostgreSQL answered just now.

        Raises:
            psycopg.Error: It did not, within about two seconds.
        """
        if self._connection is None:
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                application_name="readiness",
                connect_timeout=2,
                options="-c statement_timeout=1000",
                tcp_user_timeout=2000,
            )
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            self._connection.close()
            self._connection = None
            raise


def redis_probe(client: Redis) -> Probe:
    """A probe that raises unless Redis answers within the client's timeouts."""

    def probe() -> None:
        client.ping()

    return probe
