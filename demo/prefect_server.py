"""Prefect on this machine: server, work pools, deployments, one worker a pool."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass

import httpx

from demo import prefect_template, processes
from demo.errors import StackFailed
from demo.layout import POOLS, PREFECT_PORT, ROOT, Layout
from demo.processes import Child

PROGRAM = (sys.executable, "-m", "prefect")
ANSWER_S = 5
READY_S = 120


@dataclass(frozen=True)
class PrefectServer:
    """The Prefect side of a stack."""

    layout: Layout

    def start(self) -> Child:
        """The server's process runs on an empty database; `ready` tells when it answers."""
        shutil.rmtree(self.layout.prefect_home, ignore_errors=True)
        prefect_template.use(self.layout.prefect_home)
        address = ["--host", self.layout.address, "--port", str(PREFECT_PORT)]
        argv = [*PROGRAM, "server", "start", *address]
        return processes.start("prefect-server", argv, self.layout.run, self._server_environment())

    def _server_environment(self) -> dict[str, str]:
        return {
            **self.layout.child_environment(),
            "PREFECT_SERVER_UI_API_URL": self.layout.api_url,
            # In memory, a restart of the server would forget who holds a slot (prefect #17415).
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            # Both, or `prefect deployment run --watch` shows no logs of the flow.
            "PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED": "true",
            "PREFECT_SERVER_LOGS_STREAM_PUBLISHING_ENABLED": "true",
        }

    def ready(self, server: Child) -> bool:
        """Whether the API answers.

        Raises:
            StackFailed: The process has ended.
        """
        if not server.alive():
            raise _ended(server)
        try:
            return self._request("GET", "/health").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def make_pools(self) -> None:
        """The work pools exist; the migrated database is kept, so that the next start is quicker."""
        prefect_template.keep(self.layout.prefect_home)
        for pool in POOLS:
            answer = self._request("POST", "/work_pools/", {"name": pool, "type": "process"})
            if answer.status_code not in (httpx.codes.CREATED, httpx.codes.CONFLICT):
                raise StackFailed(f"work pool {pool}", f"{answer.status_code}: {answer.text[:300]}")

    def deploy(self) -> None:
        """Every deployment of prefect.yaml is registered."""
        argv = [sys.executable, "-m", "flows", "deploy", str(self.layout.prefect_file)]
        log = self.layout.run / "deploy.log"
        with log.open("wb") as sink:
            done = subprocess.run(
                argv,
                cwd=ROOT,
                env=self.layout.child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=READY_S,
            )
        if done.returncode:
            end = Child("deploy", 0, 0, str(log), "").end_of_log()
            raise StackFailed(
                str(self.layout.prefect_file), f"registering it ended with {done.returncode}:\n{end}\n",
                "earlier deployments of the file may be registered", "mend the file, then try again",
            )  # fmt: skip

    def start_workers(self) -> dict[str, Child]:
        """One worker a pool runs (a worker serves one pool); `worker_ready` tells when it takes work."""
        env = {**self.layout.child_environment(), "PREFECT_WORKER_QUERY_SECONDS": "1"}
        return {
            pool: processes.start(
                f"worker-{pool}",
                # Below the application: on a small machine a starting run must not slow what serves.
                ["nice", "-n", "5", *PROGRAM, "worker", "start", "--pool", pool, "--name", pool],
                self.layout.run,
                env,
            )
            for pool in POOLS
        }

    def worker_ready(self, pool: str, worker: Child) -> bool:
        """Whether the pool's worker is online.

        Raises:
            StackFailed: The process has ended.
        """
        if not worker.alive():
            raise _ended(worker)
        try:
            answer = self._request("POST", f"/work_pools/{pool}/workers/filter", {})
        except httpx.TransportError:
            return False
        return any(each["status"] == "ONLINE" for each in answer.raise_for_status().json())

    def _request(self, method: str, path: str, body: object = None) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=ANSWER_S) as client:
            return client.request(method, self.layout.api_url + path, json=body)


def _ended(child: Child) -> StackFailed:
    return StackFailed(
        child.name, f"ended while it was waited for; the end of {child.log}:\n{child.end_of_log()}\n",
        "the rest is stopped", "read the log",
    )  # fmt: skip
