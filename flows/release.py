"""Release: staging, a person's decision, production; back by itself if production says no."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State as RunState
from prefect.states import Completed, Failed
from pydantic import Field

from decisions.release import Approval, Release, State
from flows.delivery import Order, deliver, refused_at_gate
from flows.gate import ask_for_approval
from flows.publish import Progress, publish_release
from flows.runner import InPrefect
from tasks.environments import find_platform
from tasks.images import resolve_image

Version = Annotated[str, Field(min_length=1)]


@flow(name="release", flow_run_name="release {version}", persist_result=True, result_serializer="json")
def release(
    version: Version, services: list[str] | None = None, requested_by: str = "", commit: str = ""
) -> RunState[Any]:
    """Release a version to staging and, after the gate, to production.

    When to run: after `ci` pushed the version. What it changes: the running version of staging, then of
    production, by moving traffic in steps while both versions run. How to stop it: run `rollback`; cancelling
    or killing this run loses nothing, the next release or rollback goes on from what it sees. How to undo it:
    run `rollback`. A version that answers errors, is slow or never becomes healthy takes itself back.

    Args:
        version: Version to release, as CI pushed it, e.g. 1.4.2.
        services: Services to release; none named means all of them.
        requested_by: Who asks for it; goes into the ledger and the report.
        commit: Commit of the application, for the report.
    """
    run, watch = InPrefect(), Progress()
    staging, production = run(find_platform, "staging"), run(find_platform, "production")
    names = services or list(production.environment.services)
    images = tuple(run.each(resolve_image, [(production, name, version) for name in names]))

    def order(approval: Approval | None = None) -> Order:
        return Order(_release_id(version), images, version, requested_by, approval=approval)

    staged = deliver(staging, order(), run, watch)
    publish_release(staging, staged, commit)
    if staged.state is not State.SUCCEEDED:
        return _failed(staged)

    approval = ask_for_approval(production.environment, images, staged)
    if approval.decision == "reject":
        rejected = refused_at_gate(production, order(approval), run)
        publish_release(production, rejected, commit)
        return _failed(rejected)

    delivered = deliver(production, order(approval), run, watch)
    publish_release(production, delivered, commit)
    return Completed(message=delivered.reason) if delivered.state is State.SUCCEEDED else _failed(delivered)


def _failed(release: Release) -> RunState[Any]:
    name = release.state.replace("_", " ").capitalize()
    return Failed(name=name, message=f"{release.environment} {release.version}: {release.reason}")


def _release_id(version: str) -> str:
    """The same for every attempt of one flow run: a resumed or retried run goes on with its release."""
    return f"{version}-{str(runtime.flow_run.id)[:8]}"
