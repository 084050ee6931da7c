"""Drives a release: observe, take the next safe step, write it down, and again."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from decisions.errors import CloudError, Conflict, DeliveryError, LeaseLost, StepFailed
from decisions.progress import Effect, advance
from decisions.release import Mark, Release, State, StepLog
from decisions.rollout import next_step
from decisions.steps import Done, Step
from flows.context import Context
from flows.perform import perform
from tasks.ledger import read_release, write_release
from tasks.observation import observe

logger = logging.getLogger(__name__)

PATIENCE_S = 120.0
"""How long AWS may answer nothing but errors before the run gives up; the next run goes on from there."""


def drive(release: Release, context: Context) -> Release:
    """The release is final, and the ledger says so.

    Raises:
        LeaseLost: Another run took over; nothing more was written.
        CloudError: AWS answered nothing but errors for PATIENCE_S; what was reached stays as it is, and a
            second run goes on from there.

    Safe to repeat: every turn starts from what AWS and the ledger show.
    """
    trouble_since: float | None = None
    while True:
        try:
            release, finished = _turn(release, context)
        except LeaseLost:
            raise
        except (CloudError, Conflict) as error:
            trouble_since = trouble_since or time.time()
            if not error.retryable or time.time() - trouble_since > PATIENCE_S:
                raise
            logger.warning("looking again: %s", error)
            time.sleep(context.policy.poll_s)
        else:
            trouble_since = None
            if finished:
                return release


def _turn(release: Release, context: Context) -> tuple[Release, bool]:
    context.holding.check()
    release = context.run.look(read_release, context.platform, release.release_id) or release
    step = next_step(
        context.run.look(observe, context.platform, release), context.platform.environment, context.policy
    )
    if isinstance(step, Done):
        return release, True
    context.watch(release, step)
    started = time.time()
    effect = _effect(step, release, context)
    context.holding.check()
    log = StepLog(type(step).__name__, step.why, started, time.time())
    release = advance(release, step, effect, log)
    context.run.look(write_release, context.holding.lease, release)
    return release, release.state is not State.IN_PROGRESS


def _effect(step: Step, release: Release, context: Context) -> Effect:
    try:
        return perform(step, release, context)
    except StepFailed as error:
        return _turn_around(error, release)


def _turn_around(error: DeliveryError, release: Release) -> Effect:
    """A step that the world refused turns the release around; on the way back it is only looked at again."""
    if "failed" in release.marks or "abort" in release.marks:
        raise Conflict(error.where, error.seen, error.left, "the next turn looks again") from error
    return Effect({"failed": Mark(time.time(), str(error))})


def resumed(release: Release) -> Release:
    """The record with a fresh start for its time-outs: what passed while nobody drove does not count."""
    return replace(release, marks={**release.marks, "resumed": Mark(time.time())})
