"""setup/*.sh on a machine made of stand-ins: a PATH with just the commands that a case is about."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = [
    "bash", "sh", "env", "cat", "dirname", "basename", "date", "seq", "sleep", "mkdir", "rm", "touch", "true",
    "grep", "tail", "tee", "chmod", "timeout", "setsid", "sha256sum", "wc", "kill",
]  # fmt: skip
INSTALLED = ["dockerd", "docker", "initdb", "redis-server", "mmdebstrap", "apparmor_parser"]


@dataclass
class Machine:
    """A copy of the setup scripts, and a PATH of its own."""

    home: Path

    @property
    def path(self) -> Path:
        return self.home / "bin"

    @property
    def calls(self) -> list[str]:
        log = self.home / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def has(self, name: str, body: str = "") -> None:
        """A command that notes how it was called, then does `body`."""
        program = self.path / name
        program.unlink(missing_ok=True)
        program.write_text(f'#!/bin/bash\necho "{name} $*" >>{self.home}/calls\n{body}\n')
        program.chmod(0o755)

    def lacks(self, name: str) -> None:
        (self.path / name).unlink()

    def start(
        self, script: str, *arguments: str, signals: str = "default", **env: str
    ) -> subprocess.Popen[str]:
        """`signals`: whether SIGINT is at its `default`, or to `ignore` as in a background job."""
        return subprocess.Popen(
            ["env", f"--{signals}-signal=INT", str(self.home / "setup" / script), *arguments],
            env={
                "PATH": str(self.path),
                "HOME": str(self.home),
                "SBIN": "",  # nothing of this machine may be found, nor run
                "POLICY_RC_D": str(self.home / "policy"),
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        started = self.start(script, *arguments, **env)
        out, err = started.communicate(timeout=60)
        return subprocess.CompletedProcess(started.args, started.returncode, out, err)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    shutil.copytree(ROOT / "setup", tmp_path / "setup")
    (tmp_path / "requirements.lock").write_text("one==1 --hash=sha256:0\n")
    made.path.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            (made.path / tool).symlink_to(found)
    (made.path / "python3").symlink_to(sys.executable)
    for name in INSTALLED:
        made.has(name)
    made.has("apt-get")
    made.has("apt-cache")
    for name in ("systemctl", "update-rc.d"):
        made.has(name)
    made.has("id", 'if [ "$1" = -gn ]; then echo root; else echo 0; fi')
    return made
