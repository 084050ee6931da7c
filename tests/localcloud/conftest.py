"""One local cloud for all tests of this folder, on a name, block and directory of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import docker
import pytest
from botocore.config import Config

ROOT = Path(__file__).parents[2]
QUICK = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 1})


@dataclass
class Cloud:
    """A local cloud by its name, loopback block and state directory, running or not."""

    name: str
    block: int
    state: Path
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def aws_url(self) -> str:
        return f"http://127.{self.block}.0.1:4566"

    @property
    def endpoints(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.state / "endpoints.json").read_text())
        return content

    @property
    def server(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.state / "server.json").read_text())
        return content

    @property
    def root(self) -> Path:
        return ROOT

    def command(self, command: str, *arguments: str) -> list[str]:
        where = ["--name", self.name, "--block", str(self.block), "--state", str(self.state)]
        return [sys.executable, "-m", "localcloud", command, *where, *arguments]

    def cli(self, *arguments: str, check: bool = True, **extra_env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env={**os.environ, **extra_env},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"localcloud {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done

    def client(self, service: str, **overrides: Any) -> Any:
        """A boto3 client that never retries, so that every answer is seen."""
        if not overrides and service in self._clients:
            return self._clients[service]
        keys = {"aws_access_key_id": "localcloud", "aws_secret_access_key": "localcloud"}
        where = {"region_name": "eu-central-1", "endpoint_url": self.aws_url, "config": QUICK}
        client = boto3.client(service, **{**where, **keys, **overrides})
        if not overrides:
            self._clients[service] = client
        return client


def free_block() -> int:
    """A loopback block that no local cloud of this machine has."""
    blocks = list(range(20, 100))
    random.shuffle(blocks)
    for block in blocks:
        with socket.socket(socket.AF_UNIX) as claim, contextlib.suppress(OSError):
            claim.bind(f"\0localcloud/block/{block}")
            return block
    pytest.fail("no free block from 20 to 99")


@pytest.fixture(scope="session")
def new_cloud() -> Iterator[Callable[[], Cloud]]:
    """Makes local clouds that are not started yet."""
    made: list[Path] = []

    def make() -> Cloud:
        directory = Path(tempfile.mkdtemp(prefix="localcloud-test-"))
        directory.chmod(0o755)  # PostgreSQL's user goes in
        made.append(directory)
        return Cloud(f"t-{uuid.uuid4().hex[:8]}", free_block(), directory / "cloud")

    yield make
    for directory in made:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def cloud(new_cloud: Callable[[], Cloud]) -> Iterator[Cloud]:
    """An empty local cloud that runs for the whole test run."""
    instance = new_cloud()
    instance.cli("up", "--no-platform")
    yield instance
    instance.cli("down")


@pytest.fixture(scope="session")
def empty_image() -> Iterator[str]:
    """An image with nothing in it, to make containers that are never started."""
    client = docker.from_env()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("nothing"))
    name = f"t-{uuid.uuid4().hex[:8]}"
    client.api.import_image_from_data(archive.getvalue(), repository=name)
    yield name
    client.images.remove(name, force=True)
