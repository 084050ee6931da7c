"""One environment's part of a release: take the lock, pick up or begin, drive to the end."""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from decisions.history import same_images
from decisions.progress import supersede
from decisions.release import Approval, Image, Release, State
from decisions.rollout import emergency
from decisions.steps import Step
from flows.context import Context
from flows.engine import drive, resumed
from flows.runner import Runner
from tasks.environments import Platform
from tasks.lease import Holding, acquire_lease, holding
from tasks.ledger import Lease, find_in_progress, read_release, write_release

Watch = Callable[[Release, Step], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What shall be released, and for whom.

    Args:
        release_id: The same for every attempt at the same order: a second run goes on with the first.
        images: What shall serve, by digest.
        version: What people call it.
        requested_by: Person or system.
        kind: A rollback moves all traffic at once and migrates nothing.
        approval: The gate's answer, where there was a gate.
    """

    release_id: str
    images: tuple[Image, ...]
    version: str
    requested_by: str
    kind: Literal["release", "rollback"] = "release"
    approval: Approval | None = None


def deliver(platform: Platform, order: Order, run: Runner, watch: Watch) -> Release:
    """The order is carried out, or was taken back, and the ledger says which.

    An order that was finished before is returned as it ended. A release of the same images that another run
    left behind is picked up where it is; one of other images is superseded.

    Raises:
        LockHeld: Another run holds the environment and keeps its lease alive.
        LeaseLost: This run was too slow and another one took over.
    """
    known = run(read_release, platform, order.release_id)
    if known is not None and known.state is not State.IN_PROGRESS:
        return known
    lease = run(acquire_lease, platform, owner(), order.release_id, 2 * platform.environment.policy.lease_s)
    with holding(lease) as held:
        left_behind = run(find_in_progress, platform)
        release = _begin(platform, order)
        if left_behind is not None and _is_same(left_behind, order):
            logger.warning("going on with release %s, which was left behind", left_behind.release_id)
            release = resumed(left_behind)
        elif left_behind is not None:
            logger.warning("release %s was left behind; this one takes its place", left_behind.release_id)
            run(write_release, held.lease, supersede(left_behind, order.release_id, time.time()))
        return _drive(platform, held, release, run, watch)


def take_over(platform: Platform, lease: Lease, left_behind: Release, run: Runner, watch: Watch) -> Release:
    """A release that nobody drives any more is brought to its end, forward or back."""
    with holding(lease) as held:
        if left_behind.state is not State.IN_PROGRESS:
            return left_behind
        return _drive(platform, held, resumed(left_behind), run, watch)


def _drive(platform: Platform, held: Holding, release: Release, run: Runner, watch: Watch) -> Release:
    run(write_release, held.lease, release)
    policy = platform.environment.policy
    if release.kind == "rollback":
        policy = emergency(policy)
    return drive(release, Context(platform, held, policy, run, watch))


def refused_at_gate(platform: Platform, order: Order, run: Runner) -> Release:
    """The ledger remembers the order that a person turned down, with name and note; nothing else happened."""
    lease = run(acquire_lease, platform, owner(), order.release_id, 2 * platform.environment.policy.lease_s)
    with holding(lease) as held:
        begun = _begin(platform, order)
        reason = (
            f"rejected by {order.approval.approver}: {order.approval.note}" if order.approval else "rejected"
        )
        release = replace(begun, state=State.FAILED, reason=reason, ended=time.time())
        run(write_release, held.lease, release)
        return release


def _is_same(left_behind: Release, order: Order) -> bool:
    return left_behind.kind == order.kind and same_images(left_behind.images, order.images)


def _begin(platform: Platform, order: Order) -> Release:
    return Release(
        release_id=order.release_id,
        environment=platform.environment.name,
        version=order.version,
        images=order.images,
        requested_by=order.requested_by,
        started=time.time(),
        kind=order.kind,
        approval=order.approval,
    )


def owner() -> str:
    """Who holds a lock: machine, process, and a number that a later process of the same id does not share."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
