"""Whether what the demo promises was true."""

from __future__ import annotations

from demo.report import Story

RATE_PER_S = 200.0
BAD_SHARE = 0.02
ROLLBACK_S = 10.0


def problems(good: Story, bad: Story, never: Story) -> list[str]:
    """Every promise that did not hold, in a sentence with numbers; empty if all did."""
    found = [*_good(good), *_bad(bad)]
    if never.verdict != "failed":
        found.append(f"the version that never becomes ready ended as {never.verdict}")
    if never.failed:
        found.append(
            f"{never.failed} of {never.requests} requests failed because of a version without traffic"
        )
    if never.version in _versions(never):
        found.append(f"{_versions(never)[never.version]} requests met the version that never becomes ready")
    return found


def _good(good: Story) -> list[str]:
    found = []
    if good.verdict != "succeeded":
        found.append(f"the good release ended as {good.verdict}: {good.reason}")
    if good.failed:
        found.append(f"{good.failed} of {good.requests} requests failed during the good release")
    if good.version not in _versions(good):
        found.append("no request was answered by the new version")
    found += [
        f"only {seen['rate_per_s']} requests/s with {mode} connections, {RATE_PER_S:g} are promised"
        for mode, seen in good.by_mode.items()
        if seen["rate_per_s"] < RATE_PER_S
    ]
    return found


def _bad(bad: Story) -> list[str]:
    found = []
    if bad.verdict != "rolled_back":
        found.append(f"the bad release ended as {bad.verdict}: {bad.reason}")
    if not bad.failed:
        found.append("the bad release showed no failed request: nothing was proved")
    if bad.failed > BAD_SHARE * bad.requests:
        share = bad.failed / bad.requests
        found.append(f"{bad.failed} of {bad.requests} requests failed during the bad release ({share:.1%})")
    if bad.decided_to_rolled_back_s is None or bad.decided_to_rolled_back_s > ROLLBACK_S:
        found.append(
            f"rolled back {bad.decided_to_rolled_back_s} s after the decision, {ROLLBACK_S:g} are promised"
        )
    return found


def _versions(told: Story) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, count in told.by_version.items():
        version = name.split("/")[-1]
        counts[version] = counts.get(version, 0) + count
    return counts
