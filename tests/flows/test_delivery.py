import dataclasses

import pytest
from acted_world import ORDER, ActedRunner, Killed, quiet
from small_world import NEW, OLD, World, images

from decisions.errors import AccessDenied, CloudUnavailable, Conflict, LockHeld, StepFailed
from decisions.release import Release, State
from decisions.steps import Step
from flows.delivery import Order, deliver
from tasks.lease import acquire_lease, lock_status
from tasks.ledger import find_in_progress, list_releases, read_last_good, read_release
from tasks.topology import Platform

STEPS = [
    "preflight", "register_task_definition", "migrate", "point_test_listener", "start_side", "smoke_test",
    "shift_traffic", "read_samples", "record_last_good", "scale_side",
]  # fmt: skip


def test_an_order_is_delivered_recorded_and_the_lock_given_back(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    done = deliver(platform, ORDER, run, quiet)
    assert done.state is State.SUCCEEDED
    assert here.weights("web") == {"blue": 0, "green": 100}
    assert read_release.fn(platform, "r1") == done
    assert {good.image.digest for good in read_last_good.fn(platform).values()} == {NEW}
    assert not lock_status.fn(platform).held


def test_an_order_that_was_finished_before_is_returned_as_it_ended(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    first = deliver(platform, ORDER, run, quiet)
    run.calls.clear()
    assert deliver(platform, ORDER, run, quiet) == first
    assert run.calls == ["read_release"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("task", STEPS)
def test_a_run_killed_at_any_task_is_finished_by_the_next_run(
    platform: Platform, here: World, run: ActedRunner, task: str, when: str
) -> None:
    setattr(run, f"kill_{when}", task)
    with pytest.raises(Killed):
        deliver(platform, ORDER, run, quiet)
    serving = [side for side in here.sides.values() if side.weight_pct]
    assert all(side.healthy for side in serving)
    run.kill_before = run.kill_after = ""
    done = deliver(platform, dataclasses.replace(ORDER, release_id="r2"), run, quiet)
    assert done.state is State.SUCCEEDED
    assert done.release_id == "r1"
    assert here.weights("backend") == here.weights("web") == {"blue": 0, "green": 100}
    assert not lock_status.fn(platform).held


def test_a_release_of_other_images_takes_the_place_of_one_left_behind(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    run.kill_after = "shift_traffic"
    with pytest.raises(Killed):
        deliver(platform, ORDER, run, quiet)
    run.kill_after = ""
    newer = Order("r2", images("sha256:newer", "3"), "3", "ana")
    done = deliver(platform, newer, run, quiet)
    assert (done.release_id, done.state) == ("r2", State.SUCCEEDED)
    abandoned = read_release.fn(platform, "r1")
    assert abandoned is not None
    assert abandoned.state is State.SUPERSEDED
    assert find_in_progress.fn(platform) is None


def test_a_bad_version_is_rolled_back_and_never_becomes_last_good(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    run.bad = {NEW}
    done = deliver(platform, ORDER, run, quiet)
    assert done.state is State.ROLLED_BACK
    assert "250 of 500 requests failed" in done.reason
    assert here.weights("web") == {"blue": 100, "green": 0}
    assert read_last_good.fn(platform) == {}


@pytest.mark.parametrize("task", ["preflight", "migrate", "smoke_test", "shift_traffic"])
def test_a_step_that_the_world_refuses_turns_the_release_around(
    platform: Platform, here: World, run: ActedRunner, task: str
) -> None:
    run.errors[task] = [StepFailed("here", "no")]
    done = deliver(platform, ORDER, run, quiet)
    assert done.state is State.FAILED
    assert "here: no" in done.reason
    assert here.weights("web") == {"blue": 100, "green": 0}
    assert here.sides["web", "green"].desired == 0


@pytest.mark.parametrize("error", [CloudUnavailable("aws", "throttled"), Conflict("rule", "changed")])
def test_trouble_that_passes_is_looked_at_again(
    platform: Platform, here: World, run: ActedRunner, error: Exception
) -> None:
    run.errors["shift_traffic"] = [error, error]
    assert deliver(platform, ORDER, run, quiet).state is State.SUCCEEDED


def test_trouble_that_does_not_pass_ends_the_run_and_the_next_one_goes_on(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    run.errors["shift_traffic"] = [CloudUnavailable("aws", "throttled")] * 500
    with pytest.raises(CloudUnavailable):
        deliver(platform, ORDER, run, quiet)
    run.errors.clear()
    assert deliver(platform, ORDER, run, quiet).state is State.SUCCEEDED


def test_an_error_that_repeating_will_not_mend_ends_the_run_at_once(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    run.errors["start_side"] = [AccessDenied("aws", "no credentials")]
    with pytest.raises(AccessDenied):
        deliver(platform, ORDER, run, quiet)
    assert here.weights("web") == {"blue": 100, "green": 0}


def test_a_refusal_on_the_way_back_is_looked_at_again(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    run.bad = {NEW}
    seen: list[str] = []

    def watch(release: Release, step: Step) -> None:
        if "failed" in release.marks and not seen:
            seen.append("turned")
            run.errors["shift_traffic"] = [StepFailed("rule", "no healthy target right now")]

    assert deliver(platform, ORDER, run, watch).state is State.ROLLED_BACK
    assert seen


def test_while_another_run_keeps_its_lease_an_order_is_refused(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    quick = dataclasses.replace(
        platform,
        environment=platform.environment.model_copy(
            update={"policy": platform.environment.policy.model_copy(update={"lease_s": 1.5})}
        ),
    )
    long = dataclasses.replace(
        platform,
        environment=platform.environment.model_copy(
            update={"policy": platform.environment.policy.model_copy(update={"lease_s": 60.0})}
        ),
    )
    acquire_lease.fn(long, "somebody", "r0")
    with pytest.raises(LockHeld, match="r0 of somebody"):
        deliver(quick, ORDER, run, quiet)
    assert list_releases.fn(platform) == []
    assert here.sides["web", "green"].digest == ""
    assert here.sides["web", "blue"].digest == OLD
