"""Starting the server process from another one, and waiting until it is ready or has said why not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from localcloud import locking
from localcloud.errors import LocalCloudError, Told
from localcloud.state import Instance

PATIENCE_S = 60


@dataclass
class Launch:
    """A server that is starting. `answer` is the reading end of the pipe it will answer through."""

    instance: Instance
    process: subprocess.Popen[bytes]
    answer: int

    @classmethod
    def of(cls, instance: Instance) -> Launch:
        """The server process exists, in a session of its own; its output goes to server.log."""
        instance.state_dir.mkdir(parents=True, exist_ok=True)
        answer, ready = os.pipe()
        where = ["--name", instance.name, "--block", str(instance.block), "--state", str(instance.state_dir)]
        with (instance.state_dir / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "localcloud", "serve", *where, "--ready", str(ready)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(ready,),
                start_new_session=True,
            )
        os.close(ready)
        return cls(instance, process, answer)

    def await_ready(self) -> None:
        """It serves.

        Raises:
            LocalCloudError: it could not start, in its own words. Then, and when interrupted: abandon it.
        """
        with os.fdopen(self.answer) as pipe:
            told: dict[str, Any] = json.loads(pipe.readline() or "{}")
        if not told.get("ok"):
            self.process.wait()
            raise Told(told.get("error") or self._epitaph())

    def abandon(self) -> None:
        """It has ended and nothing is left of it."""
        self.process.terminate()
        self.process.wait()
        deadline = time.monotonic() + PATIENCE_S
        while locking.is_held(self.instance.state_dir) and time.monotonic() < deadline:
            time.sleep(0.02)

    def _epitaph(self) -> str:
        seen = f"the server ended with status {self.process.returncode} before it was ready"
        log = self.instance.state_dir / "server.log"
        return str(LocalCloudError(f"local cloud {self.instance.name}", seen, do=f"read {log}"))
