"""The two ways to call a task: as a Prefect task run, or plainly when the Prefect server is down."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from prefect import Task

R = TypeVar("R")


class Runner(Protocol):
    """Calls tasks. The steps of a release are the same, whoever runs them."""

    def __call__(self, task: Task[..., R], *arguments: Any) -> R:
        """What the task returns; its error is raised."""

    def each(self, task: Task[..., R], calls: Iterable[tuple[Any, ...]]) -> list[R]:
        """The task called with each of the argument tuples at the same time; the first error is raised."""

    def look(self, task: Task[..., R], *arguments: Any) -> R:
        """What a task that only reads returns, without a place of its own in the run's history."""


class InPrefect:
    """Every call is a task run of the current flow run, with its own name, log, retries and state."""

    def __call__(self, task: Task[..., R], *arguments: Any) -> R:
        """What the task returns; its error is raised."""
        return task(*arguments)

    def each(self, task: Task[..., R], calls: Iterable[tuple[Any, ...]]) -> list[R]:
        """Submits all calls and waits for all of them."""
        futures = [task.submit(*arguments) for arguments in calls]
        for future in futures:
            future.wait()
        return [future.result() for future in futures]

    def look(self, task: Task[..., R], *arguments: Any) -> R:
        """No task run: hundreds of observations would hide the dozen steps that were taken."""
        return task.fn(*arguments)


class InShell:
    """No Prefect API is needed: the emergency path."""

    def __call__(self, task: Task[..., R], *arguments: Any) -> R:
        """What the task returns; its error is raised."""
        return task.fn(*arguments)

    def each(self, task: Task[..., R], calls: Iterable[tuple[Any, ...]]) -> list[R]:
        """Runs all calls in threads and waits for all of them."""
        listed = list(calls)
        with ThreadPoolExecutor(max_workers=max(1, min(8, len(listed)))) as pool:
            futures = [pool.submit(task.fn, *arguments) for arguments in listed]
        return [future.result() for future in futures]

    def look(self, task: Task[..., R], *arguments: Any) -> R:
        """The same as a call."""
        return task.fn(*arguments)
