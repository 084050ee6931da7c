"""How a release record grows with every step that was performed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from decisions.release import Mark, Release, State, StepLog
from decisions.steps import Begin, Fail, Finish, Look, Step, Wait


@dataclass(frozen=True)
class Effect:
    """What performing a step found out: marks to remember, keyed as in decisions.rollout."""

    marks: Mapping[str, Mark] = field(default_factory=dict)


def advance(release: Release, step: Step, effect: Effect, log: StepLog) -> Release:
    """The record after a step.

    Waiting and looking repeat many times: consecutive ones become one entry of the log, so that the audit
    trail stays readable.
    """
    record = replace(
        release, marks={**release.marks, **effect.marks}, steps=_logged(release.steps, step, log)
    )
    match step:
        case Begin(candidates=candidates):
            marks = {**record.marks, "begun": Mark(log.ended, step.why)}
            return replace(record, candidates=candidates, marks=marks)
        case Fail(why=why):
            return replace(record, marks={**record.marks, "failed": Mark(log.ended, why)})
        case Finish(state=state, why=why):
            return replace(record, state=state, reason=why, ended=log.ended)
        case _:
            return record


def supersede(release: Release, by: str, now: float) -> Release:
    """The record of an abandoned release once another one takes its place."""
    return replace(release, state=State.SUPERSEDED, reason=f"superseded by {by}", ended=now)


def _logged(steps: tuple[StepLog, ...], step: Step, log: StepLog) -> tuple[StepLog, ...]:
    if isinstance(step, Wait | Look) and steps and steps[-1].name == log.name:
        return (*steps[:-1], replace(log, started=steps[-1].started))
    return (*steps, log)
