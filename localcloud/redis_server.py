"""Real Redis servers."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from functools import cache

from localcloud import processes
from localcloud.errors import LocalCloudError
from localcloud.processes import Program
from localcloud.state import Instance

START_TIMEOUT_S = 30


@dataclass
class Server:
    """One Redis server without persistence. `primary` is the port of the server it replicates, if any."""

    instance: Instance
    name: str
    port: int
    password: str = ""
    primary: int | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """It answers PING.

        Raises:
            LocalCloudError: it did not within START_TIMEOUT_S.
        """
        directory = self.instance.directory("redis", self.name)
        options = {
            "--bind": self.instance.gateway,
            "--port": str(self.port),
            "--dir": str(directory),
            "--protected-mode": "no",
            "--save": "",
            "--appendonly": "no",
        }
        if self.password:
            options |= {"--requirepass": self.password, "--masterauth": self.password}
        words = [word for option in options.items() for word in option]
        if self.primary:
            words += ["--replicaof", self.instance.gateway, str(self.primary)]
        log = directory / "log"
        self.process = processes.start(self.instance, Program([program(), *words], log))
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.alive and time.monotonic() < deadline:
            if self._answers():
                return
            time.sleep(0.01)
        text = log.read_text(errors="replace")[-400:]
        raise LocalCloudError(f"Redis on port {self.port}", f"did not become ready: {text}", "it was stopped")

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.instance.gateway, self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def stop(self) -> None:
        """It has ended."""
        if self.process:
            processes.stop(self.process)

    def crash(self) -> None:
        """It was killed."""
        if self.process:
            self.process.kill()
            self.process.wait()


@cache
def program() -> str:
    """Redis (or Valkey, its free continuation) of this machine.

    Raises:
        LocalCloudError: there is none.
    """
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if not found:
        raise LocalCloudError("Redis", "redis-server was not found", do="apt install redis-server")
    return found


@cache
def version() -> str:
    """Such as 7.0.15."""
    said = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=([\d.]+)", said)
    return found.group(1) if found else "unknown"
