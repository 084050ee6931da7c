"""One local cloud for all tests of this folder, on a name, block and directory of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
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

    def cli(self, *arguments: str, check: bool = True, **extra_env: str) -> subprocess.CompletedProcess[str]:
        command, *rest = arguments
        where = ["--name", self.name, "--block", str(self.block), "--state", str(self.state)]
        return subprocess.run(
            [sys.executable, "-m", "localcloud", command, *where, *rest],
            cwd=ROOT,
            env={**os.environ, **extra_env},
            capture_output=True,
            text=True,
            timeout=120,
            check=check,
        )

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


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """An empty local cloud that runs for the whole test run."""
    state = Path(tempfile.mkdtemp(prefix="localcloud-test-"))
    block = 20 + os.getpid() % 40
    instance = Cloud(f"t-{os.getpid()}", block, state)
    started = instance.cli("up", "--no-platform", check=False)
    if started.returncode != 0:
        pytest.fail(f"the local cloud did not start: {started.stderr}")
    yield instance
    instance.cli("down")
    shutil.rmtree(state, ignore_errors=True)
