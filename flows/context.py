"""What a release needs on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from decisions.environment import ReleasePolicy
from decisions.release import Release
from decisions.steps import Step
from flows.runner import Runner
from tasks.environments import Platform
from tasks.lease import Holding


@dataclass(frozen=True)
class Context:
    """Where a release goes and who drives it.

    Args:
        platform: The environment as found in AWS.
        holding: The lease on the environment's lock, kept alive by a heartbeat.
        policy: How carefully traffic moves.
        run: Calls tasks, in Prefect or in a shell.
        watch: Told of every step before it is performed, for logs and progress.
    """

    platform: Platform
    holding: Holding
    policy: ReleasePolicy
    run: Runner
    watch: Callable[[Release, Step], None]
