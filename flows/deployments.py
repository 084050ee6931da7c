"""Registers what prefect.yaml says, after a stricter check than Prefect's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from decisions.errors import BadConfiguration, DeliveryError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Schedule(_Strict):
    """When a deployment runs by itself. The slug lets a pause set in the UI survive the next deploy."""

    slug: str
    cron: str
    timezone: str
    active: bool = True
    parameters: dict[str, Any] = Field(default_factory=dict)


class WorkPool(_Strict):
    """Where a deployment runs."""

    name: Literal["ci", "cd"]
    job_variables: dict[str, Any] = Field(default_factory=dict)


class ConcurrencyLimit(_Strict):
    """How many runs at once; the guarantee for releases is the ledger's lock, this is the courtesy."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]


class Deployment(_Strict):
    """One entry of prefect.yaml, with the keys we use and no others."""

    name: str
    entrypoint: str = Field(pattern=r"^flows\.[a-z_.]+$")
    work_pool: WorkPool
    tags: list[str] = Field(min_length=1)
    description: str = Field(min_length=20)
    enforce_parameter_schema: Literal[True]
    parameters: dict[str, Any] = Field(default_factory=dict)
    concurrency_limit: ConcurrencyLimit | None = None
    schedules: list[Schedule] = Field(default_factory=list)


class PrefectFile(_Strict):
    """The whole file."""

    name: str
    prefect_version: str = Field(alias="prefect-version")
    definitions: dict[str, Any] = Field(default_factory=dict)
    build: None
    push: None
    pull: list[dict[str, dict[str, str]]]
    deployments: list[Deployment] = Field(min_length=1)


def check(path: Path) -> PrefectFile:
    """The file is what it seems: no unknown key, no variable that the environment lacks.

    Raises:
        BadConfiguration: With file, key and what is wrong; nothing was registered.
    """
    try:
        text = path.read_text()
        checked = PrefectFile.model_validate(yaml.safe_load(text))
    except (OSError, yaml.YAMLError) as error:
        raise BadConfiguration(str(path), str(error), do="mend the file") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise BadConfiguration(str(path), wrong, do="mend these keys") from error
    missing = sorted({name for name in re.findall(r"\{\{\s*\$(\w+)\s*\}\}", text) if name not in os.environ})
    if missing:
        raise BadConfiguration(
            str(path),
            f"it needs the environment variables {', '.join(missing)}",
            do="set them and run it again",
        )
    return checked


def register(path: Path) -> None:
    """Every deployment of the file is registered with the Prefect server of PREFECT_API_URL.

    Prefect stops at the first deployment that it refuses and keeps the earlier ones, hence the check before.

    Raises:
        BadConfiguration: The file is wrong; nothing was registered.
        DeliveryError: Prefect refused; its own words are in the message.
    """
    check(path)
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())[-500:]
        raise DeliveryError(
            str(path),
            f"prefect deploy ended with {done.returncode}: {said}",
            "earlier deployments of the file stay",
        )
