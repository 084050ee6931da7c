"""Everything that the next step of a release is decided on, read from AWS and the ledger."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

from decisions.release import COLOURS, Colour, Observation, Release, ServiceSeen, Side
from tasks.ecs import SideSeen, describe_sides
from tasks.effect import effect
from tasks.ledger import read_last_good
from tasks.metrics import recent_requests
from tasks.settings import Settings
from tasks.target_health import TargetCounts, count_targets
from tasks.topology import Platform
from tasks.traffic import read_weights

_log = logging.getLogger(__name__)


@effect("observe", retries=3, retry_delay_s=1)
def observe(platform: Platform, release: Release) -> Observation:
    """What AWS and the ledger show of the environment now.

    The reads are made side by side, each a few times if AWS hiccups (see tasks.aws), so that 20 services
    take about two seconds. They are not of one instant: whoever acts on them compares again (see
    tasks.traffic).

    Raises:
        NotFound: Something that Terraform makes is missing.
        CloudUnavailable: AWS could not be read; the caller looks again.
    Safe to repeat: only reads.
    """
    with ThreadPoolExecutor(max_workers=Settings().parallel_calls) as pool:
        sides = pool.submit(describe_sides.fn, platform)
        requests = pool.submit(recent_requests.fn, platform)
        last_good = pool.submit(read_last_good.fn, platform)
        weights = {name: pool.submit(read_weights.fn, platform, name) for name in platform.services}
        targets = {
            (name, colour): pool.submit(count_targets.fn, platform, name, colour)
            for name in platform.services
            for colour in COLOURS
        }

    def side(name: str, colour: Colour) -> Side:
        at = (name, colour)
        _warn(f"{platform.name}/{name} {colour}", sides.result()[at])
        weight_pct, recent = weights[name].result()[colour], requests.result()[at]
        return _side(colour, sides.result()[at], targets[at].result(), (weight_pct, recent))

    services = tuple(
        ServiceSeen(name, blue=side(name, "blue"), green=side(name, "green")) for name in platform.services
    )
    return Observation(time.time(), services, release, last_good.result())


def _side(colour: Colour, seen: SideSeen, targets: TargetCounts, traffic: tuple[int, int]) -> Side:
    weight_pct, recent_requests = traffic
    return Side(
        colour=colour,
        digest=seen.digest,
        version=seen.version,
        task_definition=seen.task_definition,
        desired=seen.desired,
        running=seen.running,
        # Tasks of an older definition may still be among the healthy targets: they are not counted for this.
        healthy=max(0, targets.healthy - seen.outgoing),
        weight_pct=weight_pct,
        draining=targets.draining,
        recent_requests=recent_requests,
    )


def _warn(where: str, seen: SideSeen) -> None:
    for reason in seen.reasons:
        _log.warning("%s: a task of %s stopped: %s", where, seen.version or "no version", reason)
