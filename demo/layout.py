"""Where one stack lives: its addresses, folders and environment. Nothing here does anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PREFECT_PORT = 4200
AWS_PORT = 4566
REGION = "eu-central-1"
POOLS = ("ci", "cd")
FOREIGN = ("PREFECT_", "AWS_")
"""Variables of the caller that no part of the stack may see: they could name a real account or server."""


@dataclass(frozen=True)
class Layout:
    """One stack. Two that differ in name, block and home never meet.

    Args:
        name: Of the local cloud's instance.
        block: It listens on 127.<block>.x.y.
        home: Folder of everything it writes.
        prefect_file: The deployments that it registers.
    """

    name: str = "local"
    block: int = 10
    home: Path = ROOT / ".local"
    prefect_file: Path = ROOT / "prefect.yaml"

    @property
    def address(self) -> str:
        """Loopback address of Prefect and of the AWS API."""
        return f"127.{self.block}.0.1"

    @property
    def prefect_url(self) -> str:
        """Prefect's UI."""
        return f"http://{self.address}:{PREFECT_PORT}"

    @property
    def api_url(self) -> str:
        """Prefect's API."""
        return f"{self.prefect_url}/api"

    @property
    def aws_url(self) -> str:
        """The local cloud's AWS API."""
        return f"http://{self.address}:{AWS_PORT}"

    @property
    def cloud(self) -> Path:
        """State of the local cloud (for the default stack also its own default)."""
        return self.home / "cloud"

    @property
    def prefect_home(self) -> Path:
        """Prefect's database, leases and results."""
        return self.home / "prefect"

    @property
    def run(self) -> Path:
        """Records and logs of the processes."""
        return self.home / "run"

    @property
    def endpoints(self) -> Path:
        """What is where, as JSON, while the stack is up."""
        return self.home / "endpoints.json"

    def environment(self) -> dict[str, str]:
        """What a client of the stack needs in its environment: boto3, Prefect, flows."""
        return {
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "localcloud",
            "AWS_SECRET_ACCESS_KEY": "localcloud",
            "DELIVERY_HOME": str(ROOT),
            "DELIVERY_BASE_IMAGE": "localcloud/base:latest",
            "DELIVERY_OVERLAY": "local",
            "PREFECT_API_URL": self.api_url,
            "PREFECT_HOME": str(self.prefect_home),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PYTHONPATH": str(ROOT),
        }

    def child_environment(self, outer: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The whole environment of a child: the caller's without other clouds and servers, and ours."""
        kept = {name: value for name, value in outer.items() if not name.startswith(FOREIGN)}
        return {**kept, **self.environment()}
