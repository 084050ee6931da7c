"""The main job, told once with real parts: a good release, a bad one, and one that never becomes ready."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from decisions.errors import StepFailed
from decisions.release import Release
from demo.live import Show, Watch
from demo.load_records import Record
from demo.person import Run, start, wait_until_over
from demo.picture import draw
from demo.report import Report, Story, story
from demo.traffic import steady_load
from demo.verdict import problems
from demo.waiting import Say
from tasks.environments import find_platform
from tasks.ledger import list_releases

RUN_S = 240.0
FIRST, GOOD, BAD, NEVER = "1.0.0", "1.1.0", "1.2.0", "1.3.0"
PATHS = ("/api/verifications", "/", "/version.json")
FAULTS = {BAD: "errors:0.5,after=20@production", NEVER: "never_ready@production"}
"""Both versions are sound in staging, or they would never come to production."""


@dataclass
class Demo:
    """One telling.

    Args:
        endpoints: Of the stack that is up.
        folder: Where records, report and picture go.
        say: Told of each thing that became true.
        show: Shows the line that changes meanwhile.
    """

    endpoints: dict[str, str]
    folder: Path
    say: Say
    show: Show
    took_s: dict[str, float] = field(default_factory=dict)
    traffic: dict[str, list[Record]] = field(default_factory=dict)

    def tell(self, began: float) -> Report:
        """Everything happened; the report says whether it held.

        Args:
            began: Monotonic seconds at which the set-up began.
        """
        with self._timed("first version: ci"):
            self._wait(self._ci(FIRST), Watch(FIRST, (), self.show))
        with self._timed("next versions: ci, and the first release"):
            building = {version: self._ci(version) for version in (GOOD, BAD, NEVER)}
            self._wait(self._release(FIRST), Watch(FIRST, (), self.show))
            images = {
                version: self._wait(run, Watch(version, (), self.show)) for version, run in building.items()
            }
        good = self._told("good", GOOD)
        bad = self._told("bad", BAD)
        never = self._told("never ready", NEVER)
        found = problems(good, bad, never)
        draw(
            {f"{name} release": records for name, records in self.traffic.items()},
            self.folder / "requests.png",
        )
        report = Report(
            ok=not found,
            duration_s=round(time.monotonic() - began, 1),
            good_release=good,
            bad_release=bad,
            never_ready_release=never,
            problems=tuple(found),
            setup=self.took_s,
            ci=tuple({"version": version, "run": run.name} for version, run in images.items()),
        )
        report.write(self.folder)
        return report

    def _told(self, name: str, version: str) -> Story:
        urls = tuple(self.endpoints["production"] + path for path in PATHS)
        with self._timed(f"{name} release"):
            with steady_load(urls, self.folder, name.replace(" ", "_")) as traffic:
                run = self._release(version)
                files = tuple(client.out for client in traffic.clients.values())
                self._wait(run, Watch(version, files, self.show), must_succeed=name == "good")
            self.traffic[name] = traffic.records()
        told = story(self._record(version), self.traffic[name], traffic.summaries(), run.url)
        self.say(
            f"{name} release {version}: {told.verdict.replace('_', ' ')}; "
            f"{told.requests} requests, {told.failed} failed"
        )
        return told

    def _ci(self, version: str) -> Run:
        fault = FAULTS.get(version)
        arguments = {"APP_FAULT": fault} if fault else {}
        return start("ci", {"version": version, "build_args": arguments}, self.endpoints["prefect_ui"])

    def _release(self, version: str) -> Run:
        asked = {"version": version, "requested_by": "the demo"}
        return start("release", asked, self.endpoints["prefect_ui"])

    def _wait(self, run: Run, watch: Watch, *, must_succeed: bool = True) -> Any:
        over = wait_until_over(run, self.say, RUN_S, watch, "looks right in staging")
        if must_succeed and over.state is not None and not over.state.is_completed():
            raise StepFailed(over.name, f"{over.state.name}: {over.state.message}", "the run stays", run.url)
        return over

    def _record(self, version: str) -> Release:
        for release in list_releases.fn(find_platform.fn("production"), 20):
            if release.version == version:
                return release
        raise StepFailed("ledger", f"no release of {version} in production", "the stack is up", "see the run")

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.took_s[what] = round(time.monotonic() - began, 1)
