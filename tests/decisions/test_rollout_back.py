import dataclasses

import pytest
from small_world import NEW, OLD, World, nothing_yet, release, serving, world

from decisions.release import Mark, State
from decisions.rollout import emergency
from decisions.steps import Finish, Look, Migrate, Restore, Retire, Shift, Wait


def fail_at(pct: int) -> World:
    return world(
        verdict=lambda look: "fail: 9 of 40 failed" if look.mark.endswith(f":{pct}") else "pass: fine"
    )


@pytest.mark.parametrize("pct", [5, 25, 100])
def test_a_bad_version_takes_itself_back_at_whatever_weight_it_shows(pct: int) -> None:
    here = fail_at(pct)
    here.run()
    assert here.release.state is State.ROLLED_BACK
    assert here.weights("backend") == here.weights("web") == {"blue": 100, "green": 0}
    assert here.sides["web", "green"].desired == 0
    assert here.sides["web", "blue"].desired == 3
    assert "9 of 40 failed" in here.release.reason


def test_going_back_is_one_weight_change_for_all_services_together() -> None:
    here = fail_at(25)
    here.run()
    back = [step for step in here.done if isinstance(step, Shift) and step.mark == "reverted"]
    assert [sorted(step.moves) for step in back] == [["backend", "web"]]


@pytest.mark.parametrize("stop_after", range(1, 17))
def test_an_abort_at_any_step_leaves_the_old_version_serving(stop_after: int) -> None:
    here = world()
    for _ in range(stop_after):
        if here.release.state is State.IN_PROGRESS:
            here.take()
    here.release = dataclasses.replace(
        here.release, marks={**here.release.marks, "abort": Mark(here.now, "asked for by ana")}
    )
    here.run()
    assert here.weights("backend") == here.weights("web") == {"blue": 100, "green": 0}
    assert here.sides["backend", "blue"].healthy
    assert here.release.state in {State.ROLLED_BACK, State.FAILED}
    assert here.release.reason == "stopped, asked for by ana"


@pytest.mark.parametrize("stop_after", range(8))
def test_a_way_back_that_is_killed_before_it_wrote_a_step_down_converges(stop_after: int) -> None:
    here = fail_at(25)
    while "failed" not in here.release.marks:
        here.take()
    for _ in range(stop_after):
        if here.release.state is State.IN_PROGRESS:
            here.take()
    if here.release.state is State.IN_PROGRESS:
        here.take(remember=False)
    here.run()
    assert here.release.state is State.ROLLED_BACK
    assert here.weights("web") == {"blue": 100, "green": 0}


def test_an_old_side_that_was_stopped_is_started_again_before_traffic_goes_back() -> None:
    here = fail_at(100)
    while "failed" not in here.release.marks:
        here.take()
    for name in ("backend", "web"):
        here.sides[name, "blue"] = dataclasses.replace(
            here.sides[name, "blue"], desired=0, running=0, healthy=0
        )
    here.run()
    kinds = [type(step).__name__ for step in here.done]
    assert kinds.index("Restore") < len(kinds) - 1 - kinds[::-1].index("Shift")
    assert here.release.state is State.ROLLED_BACK
    assert here.sides["web", "blue"].healthy == 3


def test_when_the_candidate_is_the_only_healthy_side_the_release_halts_with_traffic_untouched() -> None:
    here = fail_at(100)
    here.sick = {OLD}
    while "failed" not in here.release.marks:
        here.take()
    here.run()
    assert here.release.state is State.HALTED
    assert here.weights("web") == {"blue": 0, "green": 100}
    assert here.sides["web", "green"].desired == 3
    assert any(isinstance(step, Wait) for step in here.done)


def test_a_bad_first_release_halts_because_there_is_nothing_to_go_back_to() -> None:
    here = world(sides=nothing_yet(), verdict=lambda look: "fail: all failed")
    here.run()
    assert here.release.state is State.HALTED
    assert not any(isinstance(step, Restore) for step in here.done)
    assert "nothing was ever released" in here.release.reason


def test_a_candidate_without_healthy_tasks_under_traffic_is_turned_around_at_once() -> None:
    here = world()
    while not isinstance(here.next(), Look):
        here.take()
    here.sick = {NEW}
    here.take()
    here.run()
    assert here.release.state is State.ROLLED_BACK
    assert "none of 3 tasks" in here.release.reason


def test_a_candidate_that_had_no_traffic_is_stopped_without_waiting() -> None:
    here = world(sick={NEW})
    while "failed" not in here.release.marks:
        here.take()
    assert isinstance(here.next(), Retire)


def test_a_rollback_moves_all_traffic_at_once_and_migrates_nothing() -> None:
    back = release(kind="rollback")
    here = world(release=back, sides=serving(OLD))
    here.policy = emergency(here.policy)
    here.run()
    assert here.release.state is State.SUCCEEDED
    assert [step.moves["web"].wanted["green"] for step in here.done if isinstance(step, Shift)] == [100]
    assert not any(isinstance(step, Look | Migrate) for step in here.done)


def test_a_rollback_to_a_side_that_is_still_warm_starts_nothing() -> None:
    warm = serving(OLD)
    for name in ("backend", "web"):
        warm[name, "green"] = dataclasses.replace(
            warm[name, "blue"], colour="green", digest=NEW, weight_pct=0
        )
    here = world(release=release(kind="rollback"), sides=warm)
    here.policy = emergency(here.policy)
    here.run()
    kinds = [type(step).__name__ for step in here.done]
    assert "Start" not in kinds
    assert here.weights("web") == {"blue": 0, "green": 100}


def test_a_release_that_was_stopped_before_it_began_ends_at_once() -> None:
    here = world(release=release(marks={"abort": Mark(0.0, "ana")}))
    assert isinstance(here.take(), Finish)
    assert here.release.state is State.FAILED
