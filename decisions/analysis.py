"""Is the candidate as good as what it replaces? Three outcomes: pass, fail, inconclusive."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from decisions.environment import ReleasePolicy


class Outcome(StrEnum):
    """What one look at the metrics says. Only PASS moves traffic forward."""

    PASS = "pass"  # noqa: S105  # not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Sample:
    """What one side answered in a window.

    Args:
        requests: Requests that reached the side's target group.
        errors: Of these, answered 5xx by a target or not answered at all.
        latency_s: 95th percentile of the response time in seconds; None without requests.
    """

    requests: int = 0
    errors: int = 0
    latency_s: float | None = None

    @property
    def error_rate(self) -> float:
        """Share of requests that failed, 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class Verdict:
    """An outcome and the sentence, with numbers, that the operator reads."""

    outcome: Outcome
    reason: str


def judge(baseline: Sample, candidate: Sample, policy: ReleasePolicy, looks: int) -> Verdict:
    """Whether the candidate may go on.

    Errors are tested exactly: against the ceiling (binomial) however few requests there are, and against
    the baseline side (Fisher, one-sided) with a floor on the increase, so that a difference too small to
    matter never stops a release on a busy day. Latency is compared by the ratio of the 95th percentiles.
    Looking several times at growing data finds a false alarm more often (Armitage, McPherson and Rowe 1969,
    "Repeated significance tests on accumulating data"), hence the false alarm rate is divided by the looks.

    Args:
        baseline: What the old side answered; empty on a first release, then only the ceiling counts.
        candidate: What the new side answered in the same window.
        policy: Thresholds of the environment.
        looks: Looks planned in the whole release, at least 1.
    """
    alpha = policy.false_alarm_rate / max(looks, 1)
    for finding in (
        _above_ceiling(candidate, policy, alpha),
        _worse_errors(baseline, candidate, policy, alpha),
    ):
        if finding:
            return Verdict(Outcome.FAIL, finding)
    if candidate.requests < policy.min_requests:
        return Verdict(
            Outcome.INCONCLUSIVE,
            f"{candidate.requests} requests reached the candidate, {policy.min_requests} are needed",
        )
    if finding := _slower(baseline, candidate, policy):
        return Verdict(Outcome.FAIL, finding)
    return Verdict(
        Outcome.PASS,
        f"{candidate.errors} of {candidate.requests} requests failed ({candidate.error_rate:.2%}), "
        f"on the old side {baseline.errors} of {baseline.requests} ({baseline.error_rate:.2%})",
    )


def _above_ceiling(candidate: Sample, policy: ReleasePolicy, alpha: float) -> str:
    if candidate.error_rate <= policy.max_error_rate:
        return ""
    from scipy.stats import binomtest  # noqa: PLC0415  # half a second to import, needed only on errors

    p_value = binomtest(
        candidate.errors, candidate.requests, policy.max_error_rate, alternative="greater"
    ).pvalue
    if p_value >= alpha:
        return ""
    return (
        f"{candidate.errors} of {candidate.requests} requests failed ({candidate.error_rate:.1%}), "
        f"above the ceiling of {policy.max_error_rate:.1%} (p = {p_value:.2g})"
    )


def _worse_errors(baseline: Sample, candidate: Sample, policy: ReleasePolicy, alpha: float) -> str:
    increase = candidate.error_rate - baseline.error_rate
    if not baseline.requests or increase < policy.min_error_increase:
        return ""
    from scipy.stats import fisher_exact  # noqa: PLC0415  # see above

    table = [
        [candidate.errors, candidate.requests - candidate.errors],
        [baseline.errors, baseline.requests - baseline.errors],
    ]
    p_value = fisher_exact(table, alternative="greater").pvalue
    if p_value >= alpha:
        return ""
    return (
        f"{candidate.errors} of {candidate.requests} requests failed ({candidate.error_rate:.2%}) "
        f"against {baseline.errors} of {baseline.requests} ({baseline.error_rate:.2%}) on the old side "
        f"(p = {p_value:.2g})"
    )


def _slower(baseline: Sample, candidate: Sample, policy: ReleasePolicy) -> str:
    old_s, new_s = baseline.latency_s, candidate.latency_s
    if old_s is None or new_s is None or baseline.requests < policy.min_requests:
        return ""
    if new_s < policy.min_latency_s or new_s <= old_s * policy.max_latency_ratio:
        return ""
    return (
        f"95 % of requests were answered within {new_s * 1000:.0f} ms against {old_s * 1000:.0f} ms on the "
        f"old side, more than {policy.max_latency_ratio:g} times as slow"
    )


def joint(verdicts: dict[str, Verdict]) -> Verdict:
    """The verdict of a release is that of its worst service: one bad service takes all of them back.

    Args:
        verdicts: At least one, by service.
    """
    severity = [Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL]
    name = max(sorted(verdicts), key=lambda each: severity.index(verdicts[each].outcome))
    return Verdict(verdicts[name].outcome, f"{name}: {verdicts[name].reason}")
