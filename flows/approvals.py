"""Answering the gate from a shell, exactly as the UI's form does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterState
from prefect.client.schemas.filters import FlowRunFilterStateName as StateName
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.flow_runs import resume_flow_run
from prefect.input import read_flow_run_input
from prefect.input.run_input import keyset_from_paused_state

from decisions.errors import DeliveryError, NotFound, Refused


@dataclass(frozen=True)
class Answer:
    """A person's answer at the gate."""

    decision: Literal["approve", "reject"]
    approver: str
    note: str


def waiting_releases() -> list[FlowRun]:
    """Release runs that wait at the gate, newest first.

    Raises:
        DeliveryError: The Prefect API does not answer.
    """
    try:
        with get_client(sync_client=True) as client:
            return client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=["release"])),
                flow_run_filter=FlowRunFilter(
                    state=FlowRunFilterState(name=StateName(any_=["Suspended"])),
                ),
                sort=FlowRunSort.START_TIME_DESC,
            )
    except (httpx.HTTPError, RuntimeError) as error:
        raise DeliveryError(
            "Prefect API",
            f"it does not answer ({error})",
            do="set PREFECT_API_URL, or start it with `make up`",
        ) from error


def answer_gate(version: str, answer: Answer) -> FlowRun:
    """The release run of that version goes on with the answer.

    Raises:
        NotFound: No release of that version waits.
        Refused: Prefect did not accept the answer, with its reason.
    """
    waiting = waiting_releases()
    for run in waiting:
        if run.parameters.get("version") == version:
            _resume(run, answer)
            return run
    known = ", ".join(str(run.parameters.get("version")) for run in waiting) or "none"
    raise NotFound("gate", f"no release of {version!r} waits for a decision; waiting: {known}")


def _resume(run: FlowRun, answer: Answer) -> None:
    given = {"decision": answer.decision, "approver": answer.approver, "note": answer.note}
    try:
        resume_flow_run(run.id, run_input={**given, "images": _asked_images(run)})
    except Exception as error:
        raise Refused("gate", f"Prefect refused the answer for {run.name}: {error}") from error


def _asked_images(run: FlowRun) -> str:
    """What is asked about, as the form shows it: the default of the schema's `images`."""
    if run.state is None:
        return ""
    schema: Any = read_flow_run_input(keyset_from_paused_state(run.state)["schema"], flow_run_id=run.id)
    return str(schema["properties"]["images"].get("default", ""))
