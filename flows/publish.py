"""What a run leaves in the Prefect UI: progress of the shift, the report, links."""

from __future__ import annotations

import logging
import re
from typing import Any

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from decisions.release import Release
from decisions.report import markdown, table
from decisions.steps import Shift, Step
from tasks.environments import Platform

logger = logging.getLogger(__name__)


class Progress:
    """Shows every step in the log, and the share of traffic on the candidate as a progress bar."""

    def __init__(self) -> None:
        self._artifact: Any = None
        # PREFECT_LOGGING_EXTRA_LOGGERS brings our loggers to the UI, but leaves them at the root's WARNING.
        for name in ("flows", "tasks"):
            logging.getLogger(name).setLevel(logging.INFO)

    def __call__(self, release: Release, step: Step) -> None:
        """Told of a step before it is performed."""
        logger.info("%s %s: %s", release.environment, release.version, step.why)
        if isinstance(step, Shift):
            self._show(release, step)

    def _show(self, release: Release, step: Shift) -> None:
        name, move = next(iter(step.moves.items()))
        pct = float(move.wanted[release.candidates[name]]) if name in release.candidates else 0.0
        if self._artifact is None:
            self._artifact = create_progress_artifact(
                progress=pct,
                key=key(f"traffic-{release.environment}"),
                description=f"{release.environment}: traffic on {release.version}",
            )
        else:
            update_progress_artifact(self._artifact, progress=pct)


def publish_release(platform: Platform, release: Release, commit: str = "") -> None:
    """The release report, its steps as a table and the links are artifacts of the run.

    Safe to repeat: an artifact of the same key is a newer version of it.
    """
    name = platform.environment.name
    create_markdown_artifact(
        markdown(release, platform.url, commit), key=key(f"release-{name}"), description=release.version
    )
    create_table_artifact(table(release), key=key(f"steps-{name}"), description=f"Steps of {release.version}")
    create_link_artifact(platform.url, link_text=f"{name} serves here", key=key(f"serves-{name}"))
    if grafana := platform.environment.monitoring.grafana_url:
        create_link_artifact(grafana, link_text=f"{name} in Grafana", key=key(f"grafana-{name}"))
    for image in release.images:
        uri = f"https://{image.repository}@{image.digest}"
        create_link_artifact(
            uri, link_text=f"{image.service} {image.version}", key=key(f"image-{image.service}")
        )


def key(text: str) -> str:
    """An artifact key: Prefect allows lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
