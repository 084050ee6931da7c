"""ELBv2 as a part of the local cloud."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping

from localcloud.cloudwatch.sources import SOURCES
from localcloud.elb.access_log import AccessLog
from localcloud.elb.backend import Backend, Following
from localcloud.elb.envoy import Envoy
from localcloud.elb.health import HealthChecker
from localcloud.elb.rules import cluster_name
from localcloud.elb.targets import TARGETS
from localcloud.elb.traffic import NAMESPACE, TRAFFIC
from localcloud.elb.xds import balancer_dimension
from localcloud.errors import LocalCloudError
from localcloud.parts import Fault
from localcloud.seams_compute import replace_elbv2
from localcloud.state import LOCK, Instance

log = logging.getLogger(__name__)

_TICK_S = 0.25


class Part:
    """Load balancers of one instance."""

    name = "elb"
    services = frozenset({"elasticloadbalancing"})

    def __init__(self) -> None:
        self._envoy: Envoy | None = None
        self._health: HealthChecker | None = None
        self._log: AccessLog | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._loop = threading.Thread(target=self._follow, name="elb-follow", daemon=True)

    @property
    def faults(self) -> Mapping[str, Fault]:
        """`break balancer`: Envoy is killed; all load balancers are down until it runs again."""
        return {"balancer": self._kill}

    def install(self) -> None:
        """Requests to ELBv2 are served by our backend."""
        replace_elbv2(Backend)

    def start(self, instance: Instance) -> None:
        """Envoy follows every change, targets are checked, traffic is counted."""
        self._envoy = Envoy(instance)
        self._log = AccessLog(self._envoy.make_pipe(), TRAFFIC)
        self._health = HealthChecker(self._envoy.in_flight)
        SOURCES[NAMESPACE] = TRAFFIC
        Following.apply = self._envoy.apply
        TARGETS.changed = self._wake.set
        self._log.start()
        self._health.start()
        self._loop.start()

    def stop(self) -> None:
        """Nothing follows any more and Envoy has ended."""
        self._stopping.set()
        self._wake.set()
        self._loop.join(5)
        for part in (self._health, self._envoy, self._log):
            if part:
                part.stop()

    def mend(self) -> None:
        """Nothing lasts."""

    def _follow(self) -> None:
        """Changes of targets reach Envoy, which is started again if it died; hosts are counted."""
        counted = 0
        while not self._stopping.is_set():
            changed = self._wake.wait(_TICK_S)
            self._wake.clear()
            try:
                if self._envoy and (changed or self._envoy.died):
                    with LOCK:
                        self._envoy.apply()
                if int(time.time()) != counted:
                    counted = int(time.time())
                    self._count_hosts(counted)
            except Exception:
                log.exception("the load balancer was not told, and will be at the next change")
                self._stopping.wait(_TICK_S)
                self._wake.set()

    def _count_hosts(self, now: int) -> None:
        with LOCK:
            used = {arn: [target.state for target in TARGETS.of(arn)] for arn in TARGETS.used}
        for arn, states in used.items():
            registered = [state for state in states if state != "draining"]
            if registered:
                pair = (balancer_dimension(TARGETS.used[arn]), cluster_name(arn))
                TRAFFIC.hosts(now, pair, registered.count("healthy"), registered.count("unhealthy"))

    def _kill(self, _target: str) -> str:
        pid = self._envoy.pid if self._envoy else None
        if pid is None:
            raise LocalCloudError("break balancer", "no load balancer is running", "nothing was broken")
        os.kill(pid, signal.SIGKILL)
        return f"balancer: Envoy (pid {pid}) was killed; it is being started again"


PART = Part()
