import random

import pytest

from decisions.analysis import Outcome, Sample, Verdict, joint, judge
from decisions.environment import ReleasePolicy

POLICY = ReleasePolicy(min_requests=100, max_error_rate=0.05, false_alarm_rate=0.01, max_latency_ratio=2)
CLEAN = Sample(2000, 0, 0.02)


@pytest.mark.parametrize(
    ("baseline", "candidate", "outcome"),
    [
        (CLEAN, Sample(200, 0, 0.02), Outcome.PASS),
        (CLEAN, Sample(200, 100, 0.02), Outcome.FAIL),
        (CLEAN, Sample(99, 0, 0.02), Outcome.INCONCLUSIVE),
        (CLEAN, Sample(), Outcome.INCONCLUSIVE),
        (CLEAN, Sample(10, 10, 0.02), Outcome.FAIL),
        (CLEAN, Sample(200, 6, 0.02), Outcome.FAIL),
        (Sample(2000, 60, 0.02), Sample(200, 6, 0.02), Outcome.PASS),
        (Sample(2000, 400, 0.02), Sample(2000, 400, 0.02), Outcome.FAIL),
        (Sample(), Sample(200, 1, 0.02), Outcome.PASS),
        (Sample(), Sample(200, 60, 0.02), Outcome.FAIL),
        (Sample(2000, 0, 0.2), Sample(200, 0, 0.5), Outcome.FAIL),
        (Sample(2000, 0, 0.2), Sample(200, 0, 0.39), Outcome.PASS),
        (Sample(2000, 0, 0.01), Sample(200, 0, 0.09), Outcome.PASS),
        (Sample(2000, 0, None), Sample(200, 0, 0.9), Outcome.PASS),
    ],
)
def test_a_look_ends_in_the_right_one_of_three_outcomes(
    baseline: Sample, candidate: Sample, outcome: Outcome
) -> None:
    assert judge(baseline, candidate, POLICY, looks=4).outcome is outcome


def test_the_reason_tells_the_numbers_of_both_sides() -> None:
    reason = judge(CLEAN, Sample(200, 6, 0.02), POLICY, looks=4).reason
    assert "6 of 200" in reason
    assert "0 of 2000" in reason


def test_an_increase_too_small_to_matter_never_stops_a_busy_day() -> None:
    busy = judge(Sample(10**7, 1000), Sample(10**7, 1300), POLICY, looks=4)
    assert busy.outcome is Outcome.PASS


def test_many_looks_at_an_equal_candidate_seldom_raise_a_false_alarm() -> None:
    dice, releases, alarms = random.Random(7), 300, 0  # noqa: S311  # a seeded simulation
    for _ in range(releases):
        old = new = bad_old = bad_new = 0
        for _ in range(10):
            old, new = old + 200, new + 60
            bad_old += sum(dice.random() < 0.01 for _ in range(200))
            bad_new += sum(dice.random() < 0.01 for _ in range(60))
            if judge(Sample(old, bad_old), Sample(new, bad_new), POLICY, looks=10).outcome is Outcome.FAIL:
                alarms += 1
                break
    assert alarms / releases <= 0.01


def test_the_worst_service_decides_for_all() -> None:
    verdicts = {"web": Verdict(Outcome.PASS, "fine"), "backend": Verdict(Outcome.FAIL, "5 of 9 failed")}
    assert joint(verdicts) == Verdict(Outcome.FAIL, "backend: 5 of 9 failed")
    verdicts["backend"] = Verdict(Outcome.INCONCLUSIVE, "2 requests")
    assert joint(verdicts).outcome is Outcome.INCONCLUSIVE
