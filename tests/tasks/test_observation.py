import logging
from typing import Any

import pytest
from moto_platform import a_release, push, register_targets

from decisions.errors import CloudUnavailable
from decisions.release import LastGood
from tasks import observation
from tasks.ecs import SideSeen, register_task_definition, start_side
from tasks.lease import acquire_lease
from tasks.ledger import record_last_good, write_release
from tasks.observation import observe
from tasks.status import read_status
from tasks.target_health import TargetCounts
from tasks.topology import Platform


def test_a_new_platform_serves_nobody(platform: Platform) -> None:
    seen = observe.fn(platform, a_release())
    assert [service.name for service in seen.services] == ["backend", "web"]
    assert seen.service("web").blue.weight_pct == 100
    assert seen.service("web").green.desired == 0
    assert seen.last_good == {}
    assert seen.release == a_release()


def test_everything_is_joined_into_one_picture(platform: Platform) -> None:
    image = push("web", "2")
    arn = register_task_definition.fn(platform, "web", image)
    start_side.fn(platform, "web", "green", arn, 2)
    register_targets(platform, "web", "green", 2)
    good = LastGood("web", image, arn, "r1", 1.0)
    record_last_good.fn(acquire_lease.fn(platform, "ana", "r1"), (good,))
    seen = observe.fn(platform, a_release())
    green = seen.service("web").green
    assert (green.colour, green.digest, green.version, green.task_definition) == (
        "green",
        image.digest,
        "2",
        arn,
    )
    assert (green.desired, green.healthy, green.weight_pct, green.recent_requests) == (2, 2, 0, 0)
    assert seen.last_good == {"web": good}


def test_healthy_targets_of_an_older_definition_are_not_counted_for_the_new_one() -> None:
    seen = SideSeen("arn:new", "sha256:new", "2", desired=2, running=2, outgoing=2)
    side = observation._side("blue", seen, TargetCounts(healthy=2, draining=1), (0, 5))
    assert (side.healthy, side.running, side.draining, side.recent_requests) == (0, 2, 1, 5)


def test_why_tasks_stopped_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        observation._warn("production/web blue", SideSeen("a", "d", "2", 2, 0, reasons=("exit code 3",)))
    assert caplog.messages == ["production/web blue: a task of 2 stopped: exit code 3"]


def test_what_could_not_be_read_is_an_error(platform: Platform, stub: Any) -> None:
    stub("cloudwatch", ("get_metric_data", "Throttling"))
    with pytest.raises(CloudUnavailable):
        observe.fn(platform, a_release())


def test_the_status_shows_release_lock_and_sides(platform: Platform) -> None:
    before = read_status.fn(platform)
    assert (before.under_way, before.lock.held) == (None, False)
    write_release.fn(acquire_lease.fn(platform, "ana", "r1"), a_release())
    after = read_status.fn(platform)
    assert after.under_way == a_release()
    assert (after.lock.owner, after.environment) == ("ana", "production")
    assert len(after.services) == 2
