"""Real PostgreSQL and Redis for containers of the application, and the containers themselves."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import httpx
import psycopg
import pytest
from docker.models.containers import Container

ROOT = Path(__file__).parents[2]
SERVICES = {"backend": 3000, "web": 8080}
PATIENCE_S = 60.0
LABEL = "app-tests"
VERSION = "1.2.3"
CLIENT = httpx.Client(verify=False, limits=httpx.Limits(max_keepalive_connections=0), timeout=PATIENCE_S)  # noqa: S501 - plain http; loading the CA bundle for each request is what takes time


def eventually(true: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, f"after {patience_s} s still not so: {what}"
        time.sleep(0.05)


def free_port(address: str) -> int:
    with socket.create_server((address, 0)) as listener:
        return int(listener.getsockname()[1])


def child(*command: str) -> subprocess.Popen[bytes]:
    """A child that also ends when this process is killed; PostgreSQL refuses to run as root."""
    user = ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "INT", *user, "--", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def end(process: subprocess.Popen[bytes], sig: signal.Signals) -> None:
    process.send_signal(signal.SIGCONT)
    process.send_signal(sig)
    process.wait(PATIENCE_S)


@dataclass
class Platform:
    """PostgreSQL and Redis on the host's address in a Docker network, where containers reach them."""

    network: str
    address: str
    folder: Path
    password: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        self.postgres_port = free_port(self.address)
        self.redis_port = free_port(self.address)
        self.binaries = max(Path("/usr/lib/postgresql").glob("*/bin"))
        self.data = self.folder / "postgres"
        (self.folder / "password").write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.folder, self.folder / "password"):
                shutil.chown(path, "postgres")
        initdb = child(
            *(str(self.binaries / "initdb"), "--no-sync", "--username=app", "--auth=scram-sha-256"),
            *(f"--pwfile={self.folder}/password", "-D", str(self.data)),
        )
        assert initdb.wait(PATIENCE_S) == 0
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        self.start_postgres()
        self.redis = child(
            *("redis-server", "--bind", self.address, "--port", str(self.redis_port), "--save", ""),
            *("--dir", str(self.folder), "--requirepass", self.password),
        )

    def start_postgres(self) -> None:
        options = {"listen_addresses": self.address, "port": self.postgres_port, "fsync": "off"}
        options |= {"unix_socket_directories": self.folder, "max_connections": 60}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.postgres = child(str(self.binaries / "postgres"), "-D", str(self.data), *settings)
        eventually(self._answers, "PostgreSQL answers")

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url("postgres")).close()
            return True
        return False

    def stop_postgres(self) -> None:
        end(self.postgres, signal.SIGINT)

    def url(self, database: str) -> str:
        return f"postgresql://app:{self.password}@{self.address}:{self.postgres_port}/{database}"

    @property
    def redis_url(self) -> str:
        return f"redis://:{self.password}@{self.address}:{self.redis_port}/0"

    def new_database(self) -> str:
        name = f"app_{secrets.token_hex(4)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def close(self) -> None:
        end(self.redis, signal.SIGTERM)
        self.stop_postgres()


@dataclass
class Running:
    """A container of one service, and where it answers."""

    service: str
    container: Container
    url: str

    def get(self, path: str, **options: Any) -> httpx.Response:
        return CLIENT.get(self.url + path, **options)

    def answers(self, path: str, status: int = 200) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.get(path).status_code == status
        return False

    def wait_for(self, path: str, status: int = 200) -> None:
        eventually(
            lambda: self.answers(path, status) or self.ended(),
            f"{self.service} answers {path} with {status}; its log: {self.log()[-2000:]}",
        )
        assert not self.ended(), f"{self.service} ended: {self.log()[-2000:]}"

    def ended(self) -> bool:
        self.container.reload()
        return str(self.container.status) == "exited"

    def exit_code(self) -> int:
        return int(self.container.wait(timeout=PATIENCE_S)["StatusCode"])

    def log(self) -> str:
        return bytes(self.container.logs()).decode()


@dataclass
class Launcher:
    """Starts containers and removes them all in the end."""

    client: docker.DockerClient
    platform: Platform
    database: str = ""
    started: list[Container] = field(default_factory=list)

    def run(self, service: str, env: dict[str, str] | None = None, **options: Any) -> Running:
        """A started container; `env` is on top of what the platform sets (an empty value unsets)."""
        settings = {
            "DATABASE_URL": self.database,
            "REDIS_URL": self.platform.redis_url,
            "SESSION_KEY": "only-for-tests",
            "APP_ENVIRONMENT": "staging",
        } | (env or {})
        port = int(settings.get("PORT", SERVICES[service]))
        options = {"image": image(service), "ports": {f"{port}/tcp": ("127.0.0.1", None)}} | options
        container = self.client.containers.run(
            environment={name: value for name, value in settings.items() if value},
            labels={LABEL: str(os.getpid())},
            network=self.platform.network,
            detach=True,
            **options,
        )
        self.started.append(container)
        container.reload()
        published = container.ports.get(f"{port}/tcp") or [{"HostPort": "1"}]  # none if it ended already
        return Running(service, container, f"http://127.0.0.1:{published[0]['HostPort']}")

    def ready(self, service: str, env: dict[str, str] | None = None, **options: Any) -> Running:
        running = self.run(service, env, **options)
        running.wait_for("/health/ready")
        return running

    def command(self, *command: str, database: str = "") -> tuple[int, str]:
        """Run a one-off task of the backend. Returns its exit code and output."""
        running = self.run("backend", {"DATABASE_URL": database or self.database}, command=[*command])
        return running.exit_code(), running.log()

    def remove(self) -> None:
        while self.started:
            self.started.pop().remove(force=True, v=True)


def image(service: str, version: str = VERSION) -> str:
    return f"app-tests/{service}:{version}"


def build(service: str, *options: str, tag: str) -> None:
    """The image of that tag exists, built as app/contract.md says."""
    done = subprocess.run(
        [
            *(
                "docker",
                "build",
                "--quiet",
                "--force-rm",
                "--build-arg",
                "BASE_IMAGE=localcloud/base:latest",
                "--tag",
                tag,
            ),
            *(*options, str(ROOT / "app" / service)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def sweep(client: docker.DockerClient) -> None:
    """Containers and networks of earlier runs whose process is gone are removed."""
    for container in client.containers.list(all=True, filters={"label": LABEL}):
        if not Path("/proc", container.labels[LABEL]).exists():
            container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": LABEL}):
        if not Path("/proc", network.attrs["Labels"][LABEL]).exists():
            network.remove()


@pytest.fixture(scope="session")
def images() -> None:
    subprocess.run(["sh", str(ROOT / "setup" / "base-image.sh")], check=True, stdout=subprocess.DEVNULL)
    for service in SERVICES:
        build(service, "--build-arg", f"APP_VERSION={VERSION}", tag=image(service))


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    client = docker.from_env()
    sweep(client)
    network = client.networks.create(f"{LABEL}-{os.getpid()}", labels={LABEL: str(os.getpid())})
    network.reload()
    with tempfile.TemporaryDirectory(prefix=f"{LABEL}-") as folder:
        platform = Platform(str(network.name), network.attrs["IPAM"]["Config"][0]["Gateway"], Path(folder))
        yield platform
        platform.close()
    network.remove()


@pytest.fixture(scope="session")
def database(images: None, platform: Platform) -> str:
    """A migrated database, shared by all tests that do it no harm."""
    launcher = Launcher(docker.from_env(), platform, platform.new_database())
    code, said = launcher.command("python", "-m", "backend.migrate", "upgrade")
    launcher.remove()
    assert code == 0, said
    return launcher.database


@pytest.fixture(scope="session")
def running(platform: Platform, database: str) -> Iterator[dict[str, Running]]:
    """Both services, ready, shared by all tests that do them no harm."""
    launcher = Launcher(docker.from_env(), platform, database)
    try:
        yield {service: launcher.ready(service) for service in SERVICES}
    finally:
        launcher.remove()


@pytest.fixture
def launcher(platform: Platform, database: str) -> Iterator[Launcher]:
    """Starts containers for one test."""
    launcher = Launcher(docker.from_env(), platform, database)
    try:
        yield launcher
    finally:
        launcher.remove()
