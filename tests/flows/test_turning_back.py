import pytest
from acted_world import ORDER, ActedRunner, Killed, quiet
from small_world import NEW, OLD, World, images

from decisions.errors import NotFound
from decisions.release import State
from flows.delivery import Order, deliver
from flows.turning_back import roll_back
from tasks.topology import Platform


def test_a_rollback_stops_a_release_that_nobody_drives_any_more(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    run.kill_after = "read_samples"
    with pytest.raises(Killed):
        deliver(platform, ORDER, run, quiet)
    assert here.weights("web")["green"] > 0
    run.kill_after = ""
    back = roll_back(platform, "ana", run, quiet)
    assert (back.release_id, back.state, back.reason) == (
        "r1",
        State.ROLLED_BACK,
        "stopped, asked for by ana",
    )
    assert here.weights("web") == {"blue": 100, "green": 0}


def test_after_a_release_a_rollback_goes_to_the_good_one_before(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    deliver(platform, Order("r0", images(OLD, "1"), "1", "ana"), run, quiet)
    deliver(platform, ORDER, run, quiet)
    back = roll_back(platform, "ana", run, quiet)
    assert (back.kind, back.version, back.state) == ("rollback", "1", State.SUCCEEDED)
    assert {side.digest for side in here.sides.values() if side.weight_pct} == {OLD}


def test_a_rollback_without_a_good_version_is_refused_and_changes_nothing(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    before = dict(here.sides)
    with pytest.raises(NotFound, match="no earlier good release"):
        roll_back(platform, "ana", run, quiet)
    assert here.sides == before


def test_a_rollback_during_a_release_asks_whoever_drives_it_to_take_it_back(
    platform: Platform, here: World, run: ActedRunner
) -> None:
    """The driver finds the wish in the ledger at its next turn; the one who asked waits for the outcome."""
    asked: list[object] = []
    other = ActedRunner(here)

    def ask(name: str) -> None:
        if name == "read_samples" and not asked:
            asked.append(name)
            from tasks.ledger import request_abort  # noqa: PLC0415

            other(request_abort, platform, "r1", "bruno")

    run.on_call = ask
    done = deliver(platform, ORDER, run, quiet)
    assert done.state is State.ROLLED_BACK
    assert done.reason == "stopped, asked for by bruno"
    assert here.weights("web") == {"blue": 100, "green": 0}
    assert NEW not in {side.digest for side in here.sides.values() if side.desired}
