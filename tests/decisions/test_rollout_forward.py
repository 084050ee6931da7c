import dataclasses

import pytest
from small_world import NEW, OLD, POLICY, World, environment, nothing_yet, release, serving, world

from decisions.release import Mark, Side, State
from decisions.steps import Done, Fail, Finish, Look, Migrate, Retire, Shift, Smoke, Start, Step, Wait


def names(steps: list[Step]) -> list[str]:
    """Kinds of steps in order, repeated ones once."""
    kinds = [type(step).__name__ for step in steps]
    return [kind for index, kind in enumerate(kinds) if index == 0 or kinds[index - 1] != kind]


def shares(steps: list[Step]) -> list[int]:
    return [step.moves["backend"].wanted["green"] for step in steps if isinstance(step, Shift)]


def test_a_good_release_walks_the_runbook_in_order() -> None:
    here = world()
    here.run()
    assert here.release.state is State.SUCCEEDED
    assert names(here.done) == [
        "Begin", "Preflight", "Migrate", "Start", "Smoke",
        "Shift", "Look", "Shift", "Look", "Shift", "Look", "Note", "Wait", "Note",
        "RecordLastGood", "Retire", "Finish",
    ]  # fmt: skip
    assert shares(here.done) == [5, 25, 100]


def test_a_good_release_ends_with_one_colour_and_the_new_version_as_last_good() -> None:
    here = world()
    here.run()
    for name in ("backend", "web"):
        assert here.weights(name) == {"blue": 0, "green": 100}
        assert here.sides[name, "blue"].desired == 0
        assert here.last_good[name].image.digest == NEW


def test_the_candidate_is_sized_by_what_serves_not_by_the_file() -> None:
    here = world(sides=serving(count=5))
    start = next(step for step in iter(here.take, None) if isinstance(step, Start))
    assert start.counts == {"backend": 5, "web": 5}


def test_the_minimum_of_the_environment_holds_where_less_serves() -> None:
    here = world(sides=serving(count=1))
    start = next(step for step in iter(here.take, None) if isinstance(step, Start))
    assert start.counts == {"backend": 2, "web": 2}


@pytest.mark.parametrize("stop_after", range(1, 22))
def test_a_run_killed_before_it_wrote_a_step_down_converges_all_the_same(stop_after: int) -> None:
    here = world()
    for _ in range(stop_after - 1):
        here.take()
    here.take(remember=False)
    here.run()
    assert here.release.state is State.SUCCEEDED
    assert here.weights("backend") == here.weights("web") == {"blue": 0, "green": 100}


@pytest.mark.parametrize("stop_after", range(1, 22))
def test_every_step_keeps_traffic_on_healthy_sides(stop_after: int) -> None:
    here = world()
    for _ in range(stop_after):
        here.take()
        for (name, colour), side in here.sides.items():
            assert not side.weight_pct or side.healthy, (name, colour, here.done[-1])
        assert sum(here.weights("backend").values()) == 100


def test_a_candidate_that_never_becomes_healthy_never_gets_traffic() -> None:
    here = world(sick={NEW})
    here.run()
    assert here.release.state is State.FAILED
    assert not any(isinstance(step, Shift) for step in here.done)
    assert here.weights("backend") == {"blue": 100, "green": 0}
    assert here.sides["backend", "green"].desired == 0
    assert "0 of 3 tasks healthy" in here.release.reason


def test_a_candidate_that_becomes_healthy_late_is_waited_for() -> None:
    here = world(sick={NEW})
    for _ in range(8):
        here.take()
    assert isinstance(here.done[-1], Wait)
    here.sick.clear()
    assert here.run().state is State.SUCCEEDED


def test_time_that_passed_while_nobody_drove_is_not_counted_against_the_candidate() -> None:
    here = world(sick={NEW})
    while not isinstance(here.done[-1] if here.done else None, Start):
        here.take()
    here.now += 3600
    here.release = dataclasses.replace(here.release, marks={**here.release.marks, "resumed": Mark(here.now)})
    assert isinstance(here.next(), Wait)


def test_the_first_release_ever_moves_all_traffic_at_once() -> None:
    here = world(sides=nothing_yet())
    here.run()
    assert here.release.state is State.SUCCEEDED
    assert shares(here.done) == [100]


def test_a_release_of_what_serves_already_changes_nothing() -> None:
    here = world(sides=serving(NEW))
    here.run()
    assert here.release.state is State.SUCCEEDED
    assert names(here.done) == ["Begin", "Finish"]


def test_only_the_service_that_lacks_the_image_is_moved() -> None:
    sides = {**serving(NEW), **{key: side for key, side in serving().items() if key[0] == "web"}}
    here = world(sides=sides)
    here.run()
    assert here.release.candidates == {"web": "green"}
    assert not any(isinstance(step, Migrate) for step in here.done)


def test_a_service_moves_only_after_the_services_it_comes_after() -> None:
    here = world(environment=environment({"web": ("backend",)}))
    here.run()
    moved = [(sorted(step.moves), step.mark) for step in here.done if isinstance(step, Shift)]
    assert moved == [
        (["backend"], "shift:0:5"), (["backend"], "shift:0:25"), (["backend"], "shift:0:100"),
        (["web"], "shift:1:5"), (["web"], "shift:1:25"), (["web"], "shift:1:100"),
    ]  # fmt: skip


def test_a_shift_that_reached_one_of_two_services_is_completed() -> None:
    here = world()
    while not isinstance(here.next(), Shift):
        here.take()
    here.sides["web", "green"] = dataclasses.replace(here.sides["web", "green"], weight_pct=5)
    here.sides["web", "blue"] = dataclasses.replace(here.sides["web", "blue"], weight_pct=95)
    step = here.take()
    assert isinstance(step, Shift)
    assert list(step.moves) == ["backend"]
    assert here.run().state is State.SUCCEEDED


def test_traffic_left_split_by_an_abandoned_release_goes_to_last_good_first() -> None:
    sides = serving()
    sides["web", "green"] = Side("green", "sha256:x", "x", "td:x", 2, 2, 2, weight_pct=40)
    sides["web", "blue"] = dataclasses.replace(sides["web", "blue"], weight_pct=60)
    here = world(sides=sides)
    first = here.take()
    assert isinstance(first, Shift)
    assert first.moves["web"].wanted == {"blue": 100, "green": 0}
    assert here.run().state is State.SUCCEEDED


def test_a_colour_that_still_runs_another_version_is_emptied_before_the_candidate_starts() -> None:
    sides = serving()
    sides["web", "green"] = Side("green", "sha256:x", "x", "td:x", 2, 2, 2)
    here = world(sides=sides)
    here.run()
    kinds = names(here.done)
    assert kinds.index("Retire") < kinds.index("Start")
    assert here.release.state is State.SUCCEEDED


def test_smoke_comes_after_target_health_and_before_any_traffic() -> None:
    here = world()
    while not isinstance(here.next(), Smoke):
        here.take()
    assert here.sides["web", "green"].healthy == 3
    assert here.weights("web")["green"] == 0


def test_an_undecided_bake_is_held_and_then_fails_by_policy() -> None:
    here = world(verdict=lambda look: "inconclusive: 3 requests")
    here.run()
    assert here.release.state is State.ROLLED_BACK
    looks = [step for step in here.done if isinstance(step, Look)]
    assert len(looks) > POLICY.bake_s / POLICY.look_s
    assert "undecided" in here.release.reason


def test_another_version_put_on_the_candidate_under_traffic_turns_the_release_around() -> None:
    here = world()
    while not isinstance(here.next(), Look):
        here.take()
    here.sides["web", "green"] = dataclasses.replace(here.sides["web", "green"], digest=OLD)
    assert isinstance(here.next(), Fail)


def test_a_final_release_has_nothing_left_to_do() -> None:
    here = world(release=release(state=State.SUCCEEDED))
    assert isinstance(here.next(), Done)


def test_old_tasks_are_not_stopped_while_requests_still_reach_them() -> None:
    here: World = world()
    while not isinstance(here.next(), Retire):
        here.take()
    here.sides["web", "blue"] = dataclasses.replace(here.sides["web", "blue"], recent_requests=7)
    here.now = max(mark.at for key, mark in here.release.marks.items() if key.startswith("shift")) + 2
    waiting = here.next()
    assert isinstance(waiting, Wait)
    assert "web 7" in waiting.why
    here.now += POLICY.drain_timeout_s
    assert isinstance(here.next(), Retire)


def test_the_release_is_not_finished_while_the_old_version_still_stops() -> None:
    here = world()
    while not isinstance(here.next(), Finish):
        here.take()
    here.sides["web", "blue"] = dataclasses.replace(here.sides["web", "blue"], draining=1)
    assert isinstance(here.next(), Wait)
