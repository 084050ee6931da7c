"""Going back to what was good: stops the release that is under way, or releases last good again."""

from __future__ import annotations

import time
import uuid

from decisions.errors import LockHeld
from decisions.history import rollback_target
from decisions.release import COLOURS, Colour, Release, State
from flows.delivery import Order, Watch, deliver, owner, take_over
from flows.runner import Runner
from tasks.ecs import describe_sides
from tasks.environments import Platform
from tasks.lease import acquire_lease
from tasks.ledger import find_in_progress, list_releases, read_last_good, read_release, request_abort
from tasks.traffic import read_weights


def roll_back(platform: Platform, asked_by: str, run: Runner, watch: Watch) -> Release:
    """Production serves what was good before.

    A release under way is asked to stop: whoever drives it takes it back; if nobody does any more, this run
    takes it over once its lease has ended. Without one, the last good version is released again: one weight
    change if it is still warm.

    Raises:
        NotFound: Nothing good was ever recorded.
    """
    under_way = run(find_in_progress, platform)
    if under_way is not None:
        return _stop(platform, under_way, asked_by, run, watch)
    serving = serving_digests(platform, run)
    history = run(list_releases, platform, 50)
    images = rollback_target(platform.environment.name, serving, run(read_last_good, platform), history)
    order = Order(
        release_id=f"rollback-{uuid.uuid4().hex[:8]}",
        images=images,
        version=images[0].version,
        requested_by=asked_by,
        kind="rollback",
    )
    return deliver(platform, order, run, watch)


def serving_digests(platform: Platform, run: Runner) -> dict[str, str]:
    """Digest that has most of the traffic, by service."""
    seen = run(describe_sides, platform)
    serving = {}
    for name in platform.services:
        weights = run(read_weights, platform, name)
        colour: Colour = max(COLOURS, key=lambda each: weights[each])
        serving[name] = seen[name, colour].digest
    return serving


def _stop(platform: Platform, under_way: Release, asked_by: str, run: Runner, watch: Watch) -> Release:
    run(request_abort, platform, under_way.release_id, asked_by)
    policy = platform.environment.policy
    give_up = time.time() + policy.drain_timeout_s + 2 * policy.healthy_timeout_s + 2 * policy.lease_s
    while True:
        try:
            lease = run(acquire_lease, platform, owner(), under_way.release_id, 0.0)
        except LockHeld:
            record = run(read_release, platform, under_way.release_id) or under_way
            if record.state is not State.IN_PROGRESS:
                return record
            if time.time() > give_up:
                raise
            time.sleep(policy.poll_s)  # whoever drives the release takes it back
        else:
            record = run(read_release, platform, under_way.release_id) or under_way
            return take_over(platform, lease, record, run, watch)
