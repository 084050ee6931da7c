"""A local cloud with its platform and images of the application, and `python -m flows` against it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).parents[2]
QUICK = """
gate_timeout_s = 60
[scaling]
min_instances = 1
[policy]
steps_pct = [20, 100]
bake_s = 1.5
look_s = 0.5
warm_s = 0
healthy_timeout_s = 20
drain_timeout_s = 8
poll_s = 0.2
lease_s = 3
metrics_period_s = 1
metrics_delay_s = 1
min_requests = 5
inconclusive_looks = 10
probes_per_look = 10
[services.backend.scaling]
min_instances = 1
[services.web.scaling]
min_instances = 1
"""


@dataclass
class Town:
    """Where stories happen. `environment` is that of every program in it."""

    name: str
    block: int
    folder: Path
    environment: dict[str, str]

    def cloud(self, command: str, *more: str) -> subprocess.CompletedProcess[str]:
        """`python -m localcloud` for this instance."""
        where = ["--name", self.name, "--block", str(self.block), "--state", str(self.folder / "cloud")]
        return self.call("localcloud", command, *where, *more)

    def flows(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """`python -m flows`, to its end."""
        return self.call("flows", *words, **changes)

    def call(self, module: str, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """A program of the project, to its end."""
        env = {name: value for name, value in {**self.environment, **changes}.items() if value}
        argv = [sys.executable, "-m", module, *words]
        return subprocess.run(
            argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=180, check=False
        )

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This process speaks to the town's cloud."""
        with mock.patch.dict(os.environ, self.environment, clear=True):
            yield

    def urls(self) -> tuple[str, ...]:
        """What users of production ask for."""
        from tasks.environments import find_platform  # noqa: PLC0415

        with self.inside():
            url = find_platform.fn("production").url
        return (f"{url}/api/verifications", f"{url}/")

    def push(self, version: str, fault: str = "") -> None:
        """The application's images of that version are in the registry."""
        from tasks.environments import find_platform  # noqa: PLC0415
        from tasks.images import build_image, push_image  # noqa: PLC0415
        from tasks.sources import locate_source  # noqa: PLC0415

        with self.inside():
            platform = find_platform.fn("production")
            for name in platform.services:
                source = locate_source(platform.environment, name)
                arguments = {"APP_FAULT": fault} if fault else {}
                built = build_image.fn(source, version, arguments)
                push_image.fn(platform, name, built, version)

    def weights(self) -> dict[str, dict[str, int]]:
        """Weights of production's services, as AWS shows them."""
        from tasks.environments import find_platform  # noqa: PLC0415
        from tasks.traffic import read_weights  # noqa: PLC0415

        with self.inside():
            platform = find_platform.fn("production")
            return {name: {**read_weights.fn(platform, name)} for name in platform.services}

    def serving_version(self) -> str:
        """What production's last good is."""
        return str(self.ledger("read_last_good")["backend"].image.version)

    def ledger(self, task: str, *arguments: Any) -> Any:
        """What a reading task of the ledger says about production."""
        from tasks import ledger  # noqa: PLC0415
        from tasks.environments import find_platform  # noqa: PLC0415

        with self.inside():
            return getattr(ledger, task).fn(find_platform.fn("production"), *arguments)


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    """A town for the length of a block; nothing of it runs afterwards."""
    environments = folder / "environments"
    shutil.copytree(ROOT / "deployments" / "environments", environments)
    for name in ("staging", "production"):
        (environments / f"{name}.quick.toml").write_text(QUICK)
    block = free_block()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PREFECT_"))}
    here = Town(f"t-{uuid.uuid4().hex[:8]}", block, folder, {**kept, **_variables(block, environments)})
    started = here.cloud("up")
    try:
        assert started.returncode == 0, started.stderr
        yield here
    finally:
        here.cloud("down")


def free_block() -> int:
    """A loopback block that no local cloud of this machine has (it claims its own by this name)."""
    for block in random.sample(range(120, 200), 80):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as claim:
            claim.bind(f"\0localcloud/block/{block}")
            return block
    raise AssertionError("no free block from 120 to 199")


def _variables(block: int, environments: Path) -> Mapping[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://127.{block}.0.1:4566",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "localcloud",
        "AWS_SECRET_ACCESS_KEY": "localcloud",
        "DELIVERY_BASE_IMAGE": "localcloud/base:latest",
        "DELIVERY_OVERLAY": "quick",
        "DELIVERY_ENVIRONMENTS_DIR": str(environments),
        # The emergency path: a Prefect server that does not answer must not matter.
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "NO_COLOR": "1",
        "COLUMNS": "250",
    }


@dataclass
class Release:
    """A release from the shell, under way."""

    process: subprocess.Popen[str]
    said: list[str]

    def wait_for(self, step: str, timeout_s: float = 90) -> None:
        """The release is about to perform that step, or has ended."""
        ends = time.monotonic() + timeout_s
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if f" {step} " in line or time.monotonic() > ends:
                break
        assert any(f" {step} " in line for line in self.said), "".join(self.said)

    def kill(self) -> None:
        """kill -9: no handler runs, no lock is given back."""
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


def begin(here: Town, *words: str) -> Release:
    """`python -m flows …` is under way."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "flows", *words],
        cwd=ROOT, env=here.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return Release(process, [])
