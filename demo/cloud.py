"""The local cloud, spoken to as anybody would: by its command line and its endpoints.json."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field

from demo.errors import StackFailed
from demo.layout import ROOT, Layout

STOP_S = 120
ENVIRONMENTS = ("staging", "production")


@dataclass
class Cloud:
    """The local cloud of a stack."""

    layout: Layout
    _starting: subprocess.Popen[str] | None = field(default=None, init=False)

    def start(self) -> None:
        """It is starting, in the background; `ready` tells when it has."""
        self._starting = self._command("up")

    def ready(self) -> bool:
        """Whether it is up and seeded.

        Raises:
            StackFailed: It could not start; the message is its own.
        """
        if self._starting is None or self._starting.poll() is None:
            return False
        output, _ = self._starting.communicate()
        if self._starting.returncode:
            raise StackFailed(
                "local cloud",
                output.strip()[-2000:],
                "the rest is stopped",
                f"log: {self.layout.cloud}/server.log",
            )
        return True

    def stop(self) -> None:
        """Nothing of it runs.

        Raises:
            StackFailed: It could not be stopped; the message is its own.
        """
        if self._starting is not None and self._starting.poll() is None:
            self._starting.terminate()
            self._starting.communicate()
        stopping = self._command("down")
        output, _ = stopping.communicate(timeout=STOP_S)
        if stopping.returncode:
            raise StackFailed(
                "local cloud", output.strip()[-2000:], "parts of it may run", "python -m localcloud down"
            )

    def endpoints(self) -> dict[str, str]:
        """Addresses of the environments: staging, staging_test, production, production_test."""
        content = json.loads((self.layout.cloud / "endpoints.json").read_text())["environments"]
        found = {}
        for name in ENVIRONMENTS:
            found[name] = content[name]["url"]
            found[f"{name}_test"] = content[name]["test_url"]
        return found

    def _command(self, verb: str) -> subprocess.Popen[str]:
        where = [
            "--name", self.layout.name, "--block", str(self.layout.block), "--state", str(self.layout.cloud),
        ]  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "localcloud", verb, *where],
            cwd=ROOT,
            env=self.layout.child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is ours to handle: it stops the whole stack, in order
        )
