"""Health probes over real HTTP, one at a time for each target, and the end of draining."""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from localcloud.elb.rules import cluster_name
from localcloud.elb.targets import INITIAL_INTERVAL_S, TARGETS, Health, Target, Thresholds, told
from localcloud.seams_compute import TargetGroup, find_target_group
from localcloud.state import LOCK

log = logging.getLogger(__name__)

_TICK_S = 0.05
_PROBES = 32
InFlight = Callable[[], dict[tuple[str, str, int], int]]
"""Requests in flight by target group (Envoy's name), address and port; OSError when Envoy does not answer."""


def matches(codes: str, status: int) -> bool:
    """Whether a status is among a matcher's codes (`200`, `200,204`, `200-399`)."""
    for part in codes.split(","):
        low, _, high = part.strip().partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False


def probe(target: Target, group: TargetGroup) -> Health | None:
    """One health check as the load balancer makes it; None is a pass."""
    port = (
        target.port
        if group.health_check_port in {None, "traffic-port"}
        else int(str(group.health_check_port))
    )
    timeout_s = float(group.health_check_timeout_seconds)
    headers = {"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"}
    try:
        with closing(http.client.HTTPConnection(target.ip, port, timeout=timeout_s)) as connection:
            connection.request("GET", group.health_check_path or "/", headers=headers)
            status = connection.getresponse().status
    except TimeoutError:
        return told("unhealthy", "Target.Timeout")
    except (OSError, http.client.HTTPException):
        return told("unhealthy", "Target.FailedHealthChecks")
    if matches(str(group.matcher.get("HttpCode") or "200"), status):
        return None
    said = f"Health checks failed with these codes: [{status}]"
    return Health("unhealthy", "Target.ResponseCodeMismatch", said)


def _thresholds(group: TargetGroup) -> Thresholds:
    return Thresholds(
        int(group.healthy_threshold_count),
        int(group.unhealthy_threshold_count),
        float(group.health_check_interval_seconds),
    )


class HealthChecker:
    """Checks every target of every target group in use at its interval, until stopped."""

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self._stopping = threading.Event()
        self._probes = ThreadPoolExecutor(_PROBES, thread_name_prefix="elb-probe")
        self._thread = threading.Thread(target=self._loop, name="elb-health", daemon=True)

    def start(self) -> None:
        """Probes are being sent."""
        self._thread.start()

    def stop(self) -> None:
        """No more probes are sent."""
        self._stopping.set()
        self._thread.join(5)
        self._probes.shutdown(wait=False, cancel_futures=True)

    def _loop(self) -> None:
        while not self._stopping.wait(_TICK_S):
            try:
                self._send_due()
                self._end_drains()
            except Exception:
                log.exception("health checks stumble, and go on")

    def _send_due(self) -> None:
        with LOCK:
            for arn, target in list(TARGETS.due()):
                group = find_target_group(arn)
                if group is None:
                    continue
                interval_s = float(group.health_check_interval_seconds)
                often_s = min(interval_s, INITIAL_INTERVAL_S) if target.state == "initial" else interval_s
                target.next_probe = time.monotonic() + often_s
                target.probing = True
                self._probes.submit(self._check, target, group)

    def _check(self, target: Target, group: TargetGroup) -> None:
        failure: Health | None = told("unhealthy", "Target.FailedHealthChecks")
        try:
            failure = probe(target, group)
        finally:
            with LOCK:
                target.probing = False
                if target.checked(failure, _thresholds(group), time.monotonic()):
                    reason = target.health.reason or ""
                    log.info("target %s:%s of %s is %s %s", *target.key, group.name, target.state, reason)
                    TARGETS.changed()

    def _end_drains(self) -> None:
        with LOCK:
            waiting = list(TARGETS.draining())
        if not waiting:
            return
        busy = self._busy()
        with LOCK:
            for arn, target in waiting:
                idle = busy is not None and not busy.get((cluster_name(arn), *target.key), 0)
                if TARGETS.overdue(target) or idle:
                    TARGETS.forget(arn, target.key)

    def _busy(self) -> dict[tuple[str, str, int], int] | None:
        try:
            return self._in_flight()
        except OSError:
            return None
