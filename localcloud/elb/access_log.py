"""Envoy's access log, read from a named pipe as it is written."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path

from localcloud.elb.traffic import Request, Traffic

log = logging.getLogger(__name__)

_CHUNK = 1 << 16
_WAIT_S = 0.5
_FIELDS = 9


def parse(line: str) -> Request | None:
    """One line in the format of xds.ACCESS_LOG; None when it is none."""
    fields = line.split("\t")
    if len(fields) != _FIELDS:
        return None
    start, took_ms, balancer, cluster, target, status, flags, details, response_us = fields
    chosen = "" if target == "-" else target
    # A client that closes as soon as it has read its answer shows as DC, with the target's status.
    by_target = details == "via_upstream" or (bool(chosen) and status != "0" and flags in {"-", "DC"})
    return Request(
        ended=float(start) + int(took_ms) / 1000,
        load_balancer=balancer,
        target_group=cluster if chosen else "",
        target=chosen,
        status=int(status),
        flags=flags,
        by_target=by_target,
        response_time_s=int(response_us) / 1e6 if by_target and response_us != "-" else None,
    )


class AccessLog:
    """Feeds what Envoy logs into `traffic`, until stopped. The pipe must exist."""

    def __init__(self, pipe: Path, traffic: Traffic) -> None:
        self._traffic = traffic
        # Read and write: so that opening does not wait for Envoy, and its end is no end of file.
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="elb-access-log", daemon=True)

    def start(self) -> None:
        """Being read."""
        self._thread.start()

    def stop(self) -> None:
        """Not read any more."""
        self._stopping.set()
        self._thread.join(5)
        os.close(self._pipe)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            if select.select([self._pipe], [], [], _WAIT_S)[0]:
                self._traffic.take(self._requests(os.read(self._pipe, _CHUNK)))

    def _requests(self, chunk: bytes) -> Iterator[Request]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            try:
                request = parse(line.decode("latin-1"))
            except ValueError:
                request = None
            if request is None:
                log.warning("not an access log line: %r", line[:200])
            else:
                yield request
