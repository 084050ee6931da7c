"""The arithmetic of deployments: it ends, and keeps within its limits on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from localcloud.ecs.rollout import Limits, Plan, Seen, backoff_s, breaks_circuit, plan


@given(
    desired=st.integers(0, 8),
    old=st.integers(0, 8),
    percents=st.sampled_from([(100, 200), (50, 100), (0, 100), (50, 150), (100, 150)]),
)
def test_repeated_it_ends_with_the_new_tasks_and_keeps_its_promises(
    desired: int, old: int, percents: tuple[int, int]
) -> None:
    limits = Limits(desired, *percents)
    tasks = [Seen(f"old-{n}", current=False, healthy=True) for n in range(old)]
    for step in range(100):
        move = plan(limits, tasks)
        if move == Plan(0, ()):
            break
        tasks = [task for task in tasks if task.task_id not in move.stop]
        assert sum(task.healthy for task in tasks) >= min(limits.fewest_healthy, old)
        tasks += [Seen(f"new-{step}-{n}", current=True, healthy=False) for n in range(move.start)]
        assert len(tasks) <= max(limits.most, old)
        tasks = [Seen(task.task_id, task.current, healthy=True) for task in tasks]
    stuck = limits.most == limits.fewest_healthy and old >= limits.most > 0
    assert stuck or [task.current for task in tasks] == [True] * desired


def test_old_tasks_stay_until_new_ones_are_healthy() -> None:
    old = [Seen("a", current=False, healthy=True), Seen("b", current=False, healthy=True)]
    new = [Seen("c", current=True, healthy=False), Seen("d", current=True, healthy=False)]
    assert plan(Limits(2, 100, 200), [*old, *new]) == Plan(0, ())
    half = [Seen("c", current=True, healthy=True), new[1]]
    assert plan(Limits(2, 100, 200), [*old, *half]) == Plan(0, ("a",))


def test_scaling_in_takes_the_sick_first() -> None:
    tasks = [Seen("well", current=True, healthy=True), Seen("sick", current=True, healthy=False)]
    assert plan(Limits(1, 100, 200), tasks) == Plan(0, ("sick",))


def test_the_circuit_breaks_at_three_failures_or_half_of_the_desired_tasks_up_to_200() -> None:
    assert [breaks_circuit(1, failures) for failures in (2, 3)] == [False, True]
    assert [breaks_circuit(25, failures) for failures in (12, 13)] == [False, True]
    assert [breaks_circuit(1000, failures) for failures in (199, 200)] == [False, True]


def test_failures_wait_longer_and_longer_up_to_ten_seconds() -> None:
    waits = [backoff_s(failures) for failures in range(10)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.0, 10.0)
