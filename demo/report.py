"""What the demo saw: report.json for machines, report.md for people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from decisions.release import Release
from demo.load_records import Record, Summary


@dataclass(frozen=True)
class Step:
    """One step of a release; times in epoch seconds."""

    name: str
    started: float
    ended: float
    why: str = ""


@dataclass(frozen=True)
class Story:
    """One release, what happened to it and to the requests that were sent meanwhile."""

    version: str
    verdict: str
    reason: str
    requests: int
    failed: int
    duration_s: float
    steps: tuple[Step, ...]
    run: str
    by_mode: dict[str, dict[str, Any]] = field(default_factory=dict)
    by_version: dict[str, int] = field(default_factory=dict)
    rollback_s: float | None = None
    decided_to_rolled_back_s: float | None = None


@dataclass(frozen=True)
class Report:
    """The whole demo."""

    ok: bool
    duration_s: float
    good_release: Story
    bad_release: Story
    never_ready_release: Story
    problems: tuple[str, ...] = ()
    setup: dict[str, float] = field(default_factory=dict)
    ci: tuple[dict[str, Any], ...] = ()

    def write(self, folder: Path) -> None:
        """report.json and report.md are in the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(asdict(self), indent=2) + "\n")
        (folder / "report.md").write_text(self.markdown())

    def markdown(self) -> str:
        """The report for people."""
        told = [
            _tell("The good release", self.good_release),
            _tell("The bad release", self.bad_release),
            _tell("The release that never becomes ready", self.never_ready_release),
        ]
        problems = "".join(f"- **{problem}**\n" for problem in self.problems)
        return (
            f"# {'Everything held' if self.ok else 'Something did not hold'}\n\n"
            f"{problems}The whole demo took {self.duration_s:.0f} s.\n\n![requests](requests.png)\n\n"
            + "\n".join(told)
        )


def story(release: Release, traffic: list[Record], by_mode: dict[str, Summary], run: str) -> Story:
    """A release record and what the load client saw, as one story."""
    failed = [record for record in traffic if record.failed]
    reverted = release.marks.get("reverted")
    turned = release.marks.get("failed")
    return Story(
        version=release.version,
        verdict=str(release.state),
        reason=release.reason,
        requests=len(traffic),
        failed=len(failed),
        duration_s=round((release.ended or release.started) - release.started, 2),
        steps=tuple(Step(step.name, step.started, step.ended, step.why) for step in release.steps),
        run=run,
        by_mode={
            mode: {
                "requests": seen.requests,
                "failed": seen.failed,
                "rate_per_s": round(seen.rate, 1),
                "p50_ms": round(seen.p50_ms, 1),
                "p99_ms": round(seen.p99_ms, 1),
                "by_status": seen.by_status,
            }
            for mode, seen in by_mode.items()
        },
        by_version=_versions(traffic),
        rollback_s=round(reverted.at - failed[0].start, 2) if reverted and failed else None,
        decided_to_rolled_back_s=round(reverted.at - turned.at, 2) if reverted and turned else None,
    )


def _versions(traffic: list[Record]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for record in traffic:
        counts[record.version or "no answer"] = counts.get(record.version or "no answer", 0) + 1
    return counts


def _tell(title: str, told: Story) -> str:
    modes = "".join(
        f"| {mode} | {seen['requests']} | {seen['failed']} | {seen['rate_per_s']} | {seen['p50_ms']} | "
        f"{seen['p99_ms']} |\n"
        for mode, seen in told.by_mode.items()
    )
    steps = "".join(
        f"| {step.name} | {step.ended - step.started:.1f} | {step.why} |\n" for step in told.steps
    )
    back = (
        f"From the first bad answer to all traffic on the old version: {told.rollback_s} s; from the "
        f"decision: {told.decided_to_rolled_back_s} s.\n\n"
        if told.rollback_s is not None
        else ""
    )
    return (
        f"## {title}: {told.version}, {told.verdict.replace('_', ' ')}\n\n{told.reason}.\n\n"
        f"{told.requests} requests were sent, {told.failed} failed; it took {told.duration_s:.0f} s. {back}"
        f"[The run in the Prefect UI]({told.run})\n\n"
        "| connections | requests | failed | per second | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|---:|\n"
        f"{modes}\n| step | seconds | why |\n|---|---:|---|\n{steps}"
    )
