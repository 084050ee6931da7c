"""`make demo`: a fresh stack, the story, the report; nothing left running unless asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from demo.layout import FOREIGN, Layout
from demo.report import Report, Story
from demo.stack import Stack
from demo.waiting import Say


def run_demo(layout: Layout, say: Say, show: Callable[[str], None], *, keep: bool) -> bool:
    """The story was told and `report.json`, `report.md` and `requests.png` are in `<home>/demo`.

    Args:
        layout: Of the stack; one that is up is taken down first, so that every telling starts from nothing.
        say: Told of each thing that became true.
        show: Shows the line that changes meanwhile.
        keep: Leave the stack running, to look around in it.

    Returns:
        Whether every promise held.

    Raises:
        StackFailed: The stack did not come up.
        StepFailed: A run did not end; what was reached is in the Prefect UI while the stack is kept.
    """
    began = time.monotonic()
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]  # this process is a client of the stack and of nothing else
    os.environ.update(layout.environment())
    stack = Stack(layout, say)
    stack.down()
    try:
        endpoints = stack.up()
        from demo.story import Demo  # noqa: PLC0415  # Prefect reads its environment when it is imported

        report = Demo(endpoints, layout.home / "demo", say, show).tell(began)
    finally:
        if not keep:
            say("stopping the stack")
            stack.down()
    _show(report, layout)
    return report.ok


def _show(report: Report, layout: Layout) -> None:
    table = Table("release", "version", "verdict", "requests", "failed", "seconds")
    for name in ("good_release", "bad_release", "never_ready_release"):
        told: Story = getattr(report, name)
        verdict = told.verdict.replace("_", " ")
        row = (told.version, verdict, str(told.requests), str(told.failed), f"{told.duration_s:.0f}")
        table.add_row(name.replace("_", " "), *row)
    console = Console(highlight=False)
    console.print(table)
    bad = report.bad_release
    if bad.rollback_s is not None:
        console.print(
            f"The bad version was gone {bad.rollback_s} s after its first bad answer, "
            f"{bad.decided_to_rolled_back_s} s after the decision."
        )
    for problem in report.problems:
        console.print(f"[bold red]did not hold:[/] {problem}")
    console.print(f"{report.duration_s:.0f} s in all; report, raw counts and picture: {layout.home / 'demo'}")
