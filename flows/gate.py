"""The UAT gate: the run is suspended until a person decides, for days if need be, with nothing running."""

from __future__ import annotations

import logging
import time
from typing import Literal

from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from decisions.approval import digests, refuse
from decisions.environment import Environment
from decisions.errors import NotApproved
from decisions.release import Approval, Image, Release
from flows.publish import key as artifact_key

logger = logging.getLogger(__name__)

ATTEMPTS = 10


class UatDecision(RunInput):
    """What the approver fills in; Prefect's UI shows it as a form."""

    decision: Literal["approve", "reject"] = Field(description="Release to production, or not")
    approver: str = Field(min_length=3, description="Who decides: one of the environment's approvers")
    note: str = Field(default="", description="Why, in a sentence; it goes into the ledger")
    images: str = Field(description="What is decided about; leave as it is")


def ask_for_approval(environment: Environment, images: tuple[Image, ...], staged: Release) -> Approval:
    """A person decided about exactly these images.

    The run is suspended: its process ends, and nothing is lost when the worker or the server restarts. After
    the answer the flow's body runs from the top, which is why everything before this call is idempotent. An
    answer that does not count (not an approver, other images) is refused and asked for again.

    Raises:
        NotApproved: Nobody gave an acceptable answer in ATTEMPTS answers. (A time-out fails the run itself.)
    """
    asked, refusal = digests(images), ""
    for attempt in range(1, ATTEMPTS + 1):
        question = _question(environment, images, staged, refusal)
        answer = suspend_flow_run(
            wait_for_input=UatDecision.with_initial_data(description=question, images=asked),
            timeout=int(environment.gate_timeout_s),
            # The key holds what is asked: a retried run never takes an old answer for another question.
            key=artifact_key(f"uat-{asked}-{attempt}"),
        )
        approval = Approval(answer.decision, answer.approver, answer.note, time.time())
        refusal = refuse(approval, answer.images, images, environment)
        if not refusal:
            return approval
        logger.warning("answer %d does not count: %s", attempt, refusal)
    raise NotApproved(
        environment.name,
        f"{ATTEMPTS} answers and none that counts; the last: {refusal}",
        f"{staged.version} stays in staging, production is unchanged",
        "start the release again, and let one of the approvers answer",
    )


def _question(environment: Environment, images: tuple[Image, ...], staged: Release, refusal: str) -> str:
    lines = "\n".join(f"- {image.service} {image.version} `{image.digest[:19]}`" for image in images)
    again = f"**The last answer does not count: {refusal}.**\n\n" if refusal else ""
    return (
        f"{again}## Release {staged.version} to {environment.name}?\n\n{lines}\n\n"
        f"Staging: {staged.state}, {staged.reason}.\n"
        f"Approvers: {', '.join(environment.approvers) or 'anybody'}."
    )
