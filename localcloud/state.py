"""What every part of one running instance shares: its name, addresses, directories, lock and workers.

One instance owns the loopback block 127.<block>.0.0/16, a Docker network, every container with its label,
and its state directory. Two instances that differ in name, block and state never meet.
"""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from localcloud import AWS_PORT, REGION, REGISTRY_PORT
from localcloud.errors import LocalCloudError

LOCK = threading.RLock()
"""Held by every request to an emulated service and by every step of a background loop that reads or writes
moto's objects. Docker, PostgreSQL, image pulls and any other waiting happen outside it, in POOL."""

POOL = ThreadPoolExecutor(16, thread_name_prefix="localcloud")
"""Workers for what takes time. They die with the process."""

LABEL = "localcloud"
"""Label of every container and network; its value is the instance's name. The sweeper removes by it."""
LABEL_TASK = "localcloud.task"
"""ARN of the ECS task a container belongs to; `break task` finds its victim by it."""
LABEL_GROUP = "localcloud.group"
"""Group of that ECS task: `service:<name>` or `family:<name>`."""
LABEL_CONTAINER = "localcloud.container"
"""Name of the container in its task definition; absent on containers that only hold a network."""

ADDRESSES_PER_BYTE = 254


@dataclass
class Instance:
    """One running local cloud. `gateway` is known once its Docker network exists."""

    name: str
    block: int
    state_dir: Path
    gateway: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)
    reaper: subprocess.Popen[bytes] | None = None
    _tasks: itertools.count[int] = field(default_factory=itertools.count)
    _load_balancers: itertools.count[int] = field(default_factory=itertools.count)
    _ports: set[int] = field(default_factory=set)

    _current: ClassVar[Instance | None] = None

    @classmethod
    def current(cls) -> Instance:
        """The instance of this process; only the server has one."""
        if cls._current is None:
            raise RuntimeError("no instance in this process: only the server calls this")
        return cls._current

    def make_current(self) -> None:
        """`Instance.current()` answers this one from now on."""
        Instance._current = self

    @property
    def network(self) -> str:
        """Name of the Docker network that all of its containers are on."""
        return f"localcloud-{self.name}"

    @property
    def api_address(self) -> str:
        """Loopback address of the AWS API and of the registry."""
        return f"127.{self.block}.0.1"

    @property
    def aws_url(self) -> str:
        """AWS_ENDPOINT_URL for programs on the host."""
        return f"http://{self.api_address}:{AWS_PORT}"

    @property
    def aws_url_for_containers(self) -> str:
        """AWS_ENDPOINT_URL for programs in its containers."""
        return f"http://{self.gateway}:{AWS_PORT}"

    @property
    def registry(self) -> str:
        """host:port of the ECR registry; dockerd takes 127/8 for insecure registries, so plain HTTP works."""
        return f"{self.api_address}:{REGISTRY_PORT}"

    @property
    def endpoints(self) -> dict[str, object]:
        """What `endpoints.json` says before the platform is seeded."""
        return {"aws": self.aws_url, "registry": self.registry, "region": REGION, "environments": {}}

    def next_task_address(self) -> str:
        """A loopback address that none of the last 64,000 tasks had (127.<block>.2.1 and up)."""
        third, fourth = divmod(next(self._tasks) % (ADDRESSES_PER_BYTE * 253), ADDRESSES_PER_BYTE)
        return f"127.{self.block}.{third + 2}.{fourth + 1}"

    def next_load_balancer_address(self) -> str:
        """The loopback address of a new load balancer (127.<block>.1.N)."""
        return f"127.{self.block}.1.{next(self._load_balancers) % ADDRESSES_PER_BYTE + 1}"

    def take_port(self, wanted: int) -> int:
        """A free port on the gateway for a database: `wanted` or the next above; kept until given back."""
        for port in range(wanted, min(wanted + 1000, 65536)):
            if port not in self._ports and _is_free(self.gateway, port):
                self._ports.add(port)
                return port
        raise LocalCloudError(
            f"{self.gateway}:{wanted}",
            "no free port among the next 1000",
            do="delete databases you do not need",
        )

    def give_back_port(self, port: int) -> None:
        """Another database may have that port."""
        self._ports.discard(port)

    def directory(self, *names: str) -> Path:
        """A directory below the state directory, made if missing."""
        path = self.state_dir.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        return path


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def write_json(path: Path, content: object) -> None:
    """The file holds `content`, whole or not at all."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(path)
