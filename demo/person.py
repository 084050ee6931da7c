"""What people do in the Prefect UI, done through the same API."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from decisions.errors import StepFailed
from demo.waiting import Say

APPROVER = "ana@verificadores.example"
POLL_S = 0.5
OUTAGES = 20


@dataclass(frozen=True)
class Run:
    """A flow run that somebody started.

    Args:
        id: Of the flow run.
        url: Its page in the Prefect UI.
    """

    id: UUID
    url: str


def start(flow: str, parameters: dict[str, Any], ui: str) -> Run:
    """The flow's deployment has a new run; a worker will take it."""
    name = f"{flow} {parameters['version']}"
    run: Any = run_deployment(
        f"{flow}/main", parameters=parameters, flow_run_name=name, timeout=0, as_subflow=False
    )
    return Run(run.id, f"{ui}/runs/flow-run/{run.id}")


def wait_until_over(run: Run, say: Say, timeout_s: float, watch: Callable[[], None], note: str) -> FlowRun:
    """The run is over. Where it waits at the gate, the approver answers as the UI's form would.

    Args:
        run: Which one.
        say: Told of every change of state.
        timeout_s: How long it may take.
        watch: Called every POLL_S.
        note: What the approver writes.

    Raises:
        StepFailed: It is not over in time.
    """
    ends, state, outages = time.monotonic() + timeout_s, "", 0
    with get_client(sync_client=True) as client:
        while time.monotonic() < ends:
            watch()
            try:
                seen = client.read_flow_run(run.id)
                outages = 0
            except httpx.HTTPError:
                outages += 1
                if outages > OUTAGES:
                    raise
                time.sleep(POLL_S)
                continue
            if seen.state is not None and seen.state.name != state:
                state = seen.state.name or ""
                say(f"{seen.name}: {state.lower()}")
                if state == "Suspended":
                    _answer(seen, note)
            if seen.state is not None and seen.state.is_final():
                return seen
            time.sleep(POLL_S)
    raise StepFailed(f"run {run.id}", f"not over after {timeout_s:g} s, it is {state}", "it goes on", run.url)


def _answer(run: FlowRun, note: str) -> None:
    from flows.approvals import Answer, answer_gate  # noqa: PLC0415  # imports Prefect's flows, seconds

    answer_gate(str(run.parameters["version"]), Answer("approve", APPROVER, note))
