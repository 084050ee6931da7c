"""Rollback: production serves what was good before, in one weight change while that is still warm."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State as RunState
from prefect.states import Completed, Failed

from decisions.release import State
from flows.publish import Progress, publish_release
from flows.runner import InPrefect
from flows.turning_back import roll_back
from tasks.environments import find_platform


@flow(name="rollback", flow_run_name="rollback {environment}", result_serializer="json")
def rollback(
    environment: Literal["production", "staging"] = "production", requested_by: str = ""
) -> RunState[Any]:
    """Go back to the last good version.

    When to run: whenever the version that serves is bad. What it changes: stops the release under way and
    takes it back, or releases last good again; the database is left alone. How to stop it: nothing is lost by
    cancelling it, but then run it again. How to undo it: release the version you want. When Prefect itself is
    down, `python -m flows rollback` does the same from a shell.

    Args:
        environment: Where to go back.
        requested_by: Who asks for it; goes into the ledger and the report.
    """
    run = InPrefect()
    platform = run(find_platform, environment)
    back = roll_back(platform, requested_by or "the rollback deployment", run, Progress())
    publish_release(platform, back)
    good = back.state in {State.SUCCEEDED, State.ROLLED_BACK}
    return Completed(message=back.reason) if good else Failed(message=f"{environment}: {back.reason}")
