"""One step of a release, performed by tasks. One branch a kind of step; mypy reports a missing one."""

from __future__ import annotations

import time
from typing import assert_never

from decisions.analysis import joint, judge
from decisions.planning import planned_looks, waves
from decisions.progress import Effect
from decisions.release import LastGood, Mark, Release, other
from decisions.steps import (
    Begin,
    Done,
    Fail,
    Finish,
    Look,
    Migrate,
    Note,
    Preflight,
    RecordLastGood,
    Restore,
    Retire,
    Shift,
    Smoke,
    Start,
    Step,
    Wait,
)
from flows.context import Context
from tasks.ecs import describe_sides, register_task_definition, scale_side, start_side
from tasks.ledger import record_last_good
from tasks.metrics import read_samples
from tasks.migrations import migrate
from tasks.preflight import preflight
from tasks.probes import send_probes
from tasks.smoke import smoke_test
from tasks.traffic import point_test_listener, shift_traffic


def perform(step: Step, release: Release, context: Context) -> Effect:  # noqa: C901, PLR0911, PLR0912
    """The step's effect has come about.

    Returns:
        Marks to remember in the release record.

    Raises:
        StepFailed: The effect was tried and did not come about; the release turns around.
        Conflict: Somebody else changed what was about to be changed; observe again.
        CloudError: AWS answered with errors even after the tasks' own retries.

    Safe to repeat: each task reads first and acts only where needed.
    """
    platform, run = context.platform, context.run
    match step:
        case Preflight():
            run(preflight, platform, release)
            return _now("preflight")
        case Migrate():
            return _migrate(step, release, context)
        case Start():
            return _start(step, release, context)
        case Restore():
            return _restore(step, context)
        case Smoke(services=services):
            run.each(smoke_test, [(platform, name, release.image(name)) for name in services])
            return _now("smoke")
        case Shift(moves=moves, mark=mark):
            run(shift_traffic, platform, moves)
            return _now(mark)
        case Look():
            return _look(step, release, context)
        case Retire(sides=sides):
            run.each(scale_side, [(platform, name, colour, 0) for name, colour in sides.items()])
            return Effect()
        case RecordLastGood():
            return _record_last_good(step, release, context)
        case Wait():
            time.sleep(context.policy.poll_s)
            return Effect()
        case Note(mark=mark):
            return _now(mark)
        case Begin() | Fail() | Finish() | Done():
            return Effect()
        case _:
            assert_never(step)


def _now(key: str, detail: str = "") -> Effect:
    return Effect({key: Mark(time.time(), detail)})


def _migrate(step: Migrate, release: Release, context: Context) -> Effect:
    for name in step.services:
        image = release.image(name)
        arn = context.run(register_task_definition, context.platform, name, image)
        context.run(migrate, context.platform, name, image, arn, release.release_id)
    return _now("migrated", ", ".join(step.services))


def _start(step: Start, release: Release, context: Context) -> Effect:
    platform, run, names = context.platform, context.run, list(step.sides)
    arns = run.each(register_task_definition, [(platform, name, release.image(name)) for name in names])
    run.each(point_test_listener, [(platform, name, step.sides[name]) for name in names])
    starts = zip(names, arns, strict=True)
    run.each(start_side, [(platform, n, step.sides[n], arn, step.counts[n]) for n, arn in starts])
    return _now("started")


def _restore(step: Restore, context: Context) -> Effect:
    seen = context.run(describe_sides, context.platform)
    arns = {name: seen[name, colour].task_definition for name, colour in step.sides.items()}
    context.run.each(
        start_side,
        [(context.platform, n, colour, arns[n], step.counts[n]) for n, colour in step.sides.items()],
    )
    return _now("restored")


def _look(step: Look, release: Release, context: Context) -> Effect:
    platform, policy, run = context.platform, context.policy, context.run
    time.sleep(policy.look_s)
    if policy.probes_per_look:
        run.each(send_probes, [(platform, name, policy.probes_per_look) for name in step.services])
    samples = run(read_samples, platform, step.services, step.since, time.time())
    looks = planned_looks(policy, len(waves(platform.environment, release.candidates)))
    verdicts = {}
    for name in step.services:
        colour = release.candidates[name]
        verdicts[name] = judge(samples[name][other(colour)], samples[name][colour], policy, looks)
    verdict = joint(verdicts)
    return _now(step.mark, f"{verdict.outcome}: {verdict.reason}")


def _record_last_good(step: RecordLastGood, release: Release, context: Context) -> Effect:
    seen = context.run(describe_sides, context.platform)
    now = time.time()
    goods = tuple(
        LastGood(
            service=name,
            image=release.image(name),
            task_definition=seen[name, release.candidates[name]].task_definition,
            release_id=release.release_id,
            at=now,
        )
        for name in step.services
    )
    context.run(record_last_good, context.holding.lease, goods)
    return _now("last_good")
