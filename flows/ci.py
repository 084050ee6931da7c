"""CI: test, scan, build and push every service of the application, side by side."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from decisions.release import Image
from tasks.environments import Platform, find_platform
from tasks.images import build_image, push_image, remove_leftovers, run_test_stage
from tasks.scans import scan
from tasks.sources import Source, locate_source


@flow(
    name="ci",
    flow_run_name="ci {version}",
    task_runner=ThreadPoolTaskRunner(max_workers=8),  # type: ignore[arg-type]  # generic in its results
    persist_result=True,
    result_serializer="json",
)
def ci(
    version: Annotated[str, Field(min_length=1)],
    commit: str = "",
    services: list[str] | None = None,
    build_args: dict[str, str] | None = None,
) -> list[dict[str, str]]:
    """Build a version that can be released.

    When to run: for every commit that shall be releasable. What it changes: pushes one image a service to the
    registry, under a tag that is never reused. How to stop it: cancel it; a second run builds the same again.
    A failed test or a finding of a scanner stops it before anything is pushed.

    Args:
        version: Version to build, e.g. 1.4.2; never reused.
        commit: Commit of the application, for the record.
        services: Services to build; none named means all of them.
        build_args: Further build arguments, e.g. for a variant.
    """
    platform = find_platform("production")
    names = services or list(platform.environment.services)
    sources = {name: locate_source(platform.environment, name) for name in names}
    under_way = [_deliver(platform, sources[name], version, build_args or {}) for name in names]
    images = [_image(steps) for steps in under_way]
    remove_leftovers()
    return _publish(images, commit)


def _deliver(
    platform: Platform, source: Source, version: str, build_args: dict[str, str]
) -> list[PrefectFuture[Any]]:
    """The steps of one service, in order; all services are under way at the same time."""
    tested = run_test_stage.submit(source)
    scanned = scan.submit(source, return_state=False, wait_for=[tested])
    built = build_image.submit(source, version, build_args, return_state=False, wait_for=[scanned])
    pushed = push_image.submit(platform, source.service, built, version, return_state=False)
    return [tested, scanned, built, pushed]


def _image(steps: list[PrefectFuture[Any]]) -> Image:
    """What the last step returned; the error of the first that failed, not of those that waited for it."""
    results: list[Any] = [step.result() for step in steps]
    pushed: Image = results[-1]
    return pushed


def _publish(images: list[Image], commit: str) -> list[dict[str, str]]:
    rows: list[dict[str, Any]] = [
        {"service": image.service, "version": image.version, "digest": image.digest, "commit": commit}
        for image in images
    ]
    create_table_artifact(rows, key="images", description="What was pushed, by digest")
    return rows
