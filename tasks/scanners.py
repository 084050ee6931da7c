"""Scanners that need no network: secrets, Python, Dockerfiles. Each tells what it could not look at."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

from tasks.findings import Finding, Severity
from tasks.sources import Source

_TIMEOUT_S = 300
# In a lock file every line has a hash, which looks like a key to a scanner that measures entropy.
_HASH_LINES = r"--hash=sha256:[0-9a-f]{64}"

# What tools leave behind on a developer's machine is never copied into an image (see .dockerignore).
_CACHES = r"(^|/)(\.git|\.[a-z]+_cache|__pycache__|node_modules)/"


class Incomplete(Exception):
    """The scanner did not look at everything, so what it found says nothing."""


class Scanner(Protocol):
    """One tool. Exit codes are not trusted: several tools end with 0 whatever they find."""

    name: str

    def applies(self, source: Source) -> bool:
        """Whether there is anything for this tool to look at."""

    def scan(self, source: Source) -> tuple[Finding, ...]:
        """All that it objects to; raises Incomplete if it could not look at everything."""


class DetectSecrets:
    """Keys, tokens and passwords in any file."""

    name = "detect-secrets"

    def applies(self, source: Source) -> bool:
        """Always: a secret can be in any file."""
        return any(source.context.iterdir())

    def scan(self, source: Source) -> tuple[Finding, ...]:
        """Every secret is critical: once committed it must be renewed."""
        left_out = [f"--exclude-lines={_HASH_LINES}", f"--exclude-files={_CACHES}"]
        arguments = ["scan", "--all-files", "--no-verify", *left_out, "."]
        answer = _json(self.name, arguments, source.context)
        return tuple(
            Finding(self.name, hit["type"], Severity.CRITICAL, f"{file}:{hit['line_number']}", "looks secret")
            for file, hits in answer["results"].items()
            for hit in hits
        )


class Bandit:
    """Dangerous constructs in Python."""

    name = "bandit"

    def applies(self, source: Source) -> bool:
        """With Python in it."""
        return any(source.context.rglob("*.py"))

    def scan(self, source: Source) -> tuple[Finding, ...]:
        """Findings with the tool's own severity; tests may assert, so these are left out."""
        answer = _json(self.name, ["-q", "-r", "-f", "json", "--exclude", "./tests", "."], source.context)
        if answer["errors"]:
            raise Incomplete(f"could not read {answer['errors'][0]['filename']}")
        return tuple(
            Finding(
                self.name,
                hit["test_id"],
                Severity[hit["issue_severity"]] if hit["issue_severity"] != "UNDEFINED" else Severity.HIGH,
                f"{hit['filename'].removeprefix('./')}:{hit['line_number']}",
                hit["issue_text"],
            )
            for hit in answer["results"]
        )


class Hadolint:
    """Mistakes in a Dockerfile."""

    name = "hadolint"
    _severities = {  # noqa: RUF012 - a constant
        "error": Severity.HIGH,
        "warning": Severity.MEDIUM,
        "info": Severity.LOW,
        "style": Severity.LOW,
    }

    def applies(self, source: Source) -> bool:
        """Always: without a Dockerfile there is no source."""
        return source.dockerfile.is_file()

    def scan(self, source: Source) -> tuple[Finding, ...]:
        """The tool's levels, error being high."""
        answer = _json(self.name, ["--format", "json", str(source.dockerfile)], source.context)
        return tuple(
            Finding(
                self.name,
                hit["code"],
                self._severities.get(hit["level"], Severity.HIGH),
                f"{source.dockerfile.name}:{hit['line']}",
                hit["message"],
            )
            for hit in answer
        )


SCANNERS: tuple[Scanner, ...] = (DetectSecrets(), Bandit(), Hadolint())


def _json(program: str, arguments: list[str], directory: Path) -> Any:
    """What the program printed as JSON. No shell; its own Python environment comes before PATH."""
    beside = Path(sys.executable).parent / program
    found = str(beside) if beside.exists() else shutil.which(program)
    if not found:
        raise Incomplete("is not installed")
    try:
        ended = subprocess.run(
            [found, *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Incomplete(f"did not end within {_TIMEOUT_S} s") from error
    except OSError as error:
        raise Incomplete(f"could not be started: {error}") from error
    try:
        return json.loads(ended.stdout)
    except ValueError as error:
        last = (ended.stderr.strip().splitlines() or ["no output"])[0]
        raise Incomplete(f"gave no readable answer, exit code {ended.returncode}: {last}") from error
