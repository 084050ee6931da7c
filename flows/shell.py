"""`python -m flows`: the same releases from a shell, also when the Prefect server is down."""

from __future__ import annotations

import getpass
import json
import time
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from decisions.errors import DeliveryError, Halted
from decisions.history import require_staging_evidence
from decisions.release import COLOURS, Release, State
from decisions.steps import Step
from flows.delivery import Order, deliver
from flows.runner import InShell
from flows.turning_back import roll_back
from tasks.environments import find_platform
from tasks.images import resolve_image
from tasks.ledger import list_releases
from tasks.status import EnvironmentStatus, read_status

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True, highlight=False)

Environment = Annotated[str, typer.Argument(help="staging or production")]
By = Annotated[str, typer.Option("--by", help="Who asks for it; goes into the ledger")]


@app.command()
def status(
    environment: Annotated[str, typer.Argument(help="staging or production")] = "production",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For machines")] = False,
) -> None:
    """Show what serves: versions, weights, health, the release under way, the lock, last good."""
    seen = read_status.fn(find_platform.fn(environment))
    if as_json:
        typer.echo(json.dumps(asdict(seen), indent=2))
    else:
        _show(seen)


@app.command()
def release(
    environment: Environment,
    version: Annotated[str, typer.Argument(help="Version as pushed by CI, e.g. 1.4.2")],
    *,
    service: Annotated[list[str] | None, typer.Option(help="Only this service; may be repeated")] = None,
    by: By = "",
    without_staging: Annotated[bool, typer.Option(help="Emergency: production without evidence")] = False,
) -> None:
    """Release a version to one environment; production wants a fresh staging release of the same images."""
    platform = find_platform.fn(environment)
    names = service or list(platform.environment.services)
    images = tuple(resolve_image.fn(platform, name, version) for name in names)
    if environment == "production" and not without_staging:
        history = list_releases.fn(find_platform.fn("staging"), 100)
        max_age_s = platform.environment.policy.staging_evidence_max_age_s
        require_staging_evidence(images, history, time.time(), max_age_s)
    order = Order(f"{version}-{uuid.uuid4().hex[:8]}", images, version, by or getpass.getuser())
    _end(deliver(platform, order, InShell(), _say))


@app.command()
def rollback(environment: Annotated[str, typer.Argument()] = "production", *, by: By = "") -> None:
    """Go back to the last good version; stops a release that is under way."""
    platform = find_platform.fn(environment)
    back = roll_back(platform, by or getpass.getuser(), InShell(), _say)
    _end(back, good={State.SUCCEEDED, State.ROLLED_BACK})


@app.command()
def approve(
    version: Annotated[str, typer.Argument(help="Version that waits at the gate")],
    *,
    approver: Annotated[str, typer.Option("--as", help="One of the environment's approvers")],
    note: Annotated[str, typer.Option(help="Why, in a sentence")] = "",
    reject: Annotated[bool, typer.Option("--reject", help="Say no")] = False,
) -> None:
    """Answer the UAT gate of a release."""
    from flows.approvals import Answer, answer_gate  # noqa: PLC0415  # only this verb needs Prefect's API

    decision: Literal["approve", "reject"] = "reject" if reject else "approve"
    run = answer_gate(version, Answer(decision, approver, note))
    console.print(f"{run.name}: answered “{decision}” as {approver}; the run goes on")


@app.command()
def deploy(
    file: Annotated[Path, typer.Argument(help="The deployments to register")] = Path("prefect.yaml"),
) -> None:
    """Check prefect.yaml strictly and register its deployments with the Prefect server."""
    from flows.deployments import register  # noqa: PLC0415  # only this verb needs it

    register(file)
    console.print(f"{file}: all deployments are registered")


def main() -> int:
    """Run the command line; a DeliveryError becomes its message and its exit code."""
    try:
        app()
    except DeliveryError as error:
        console.print(f"[bold red]{type(error).__name__}[/] {escape(str(error))}", soft_wrap=True)
        return error.exit_code
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def _say(release: Release, step: Step) -> None:
    moment = time.strftime("%H:%M:%S")
    console.print(
        f"{moment} {release.environment} {release.version} [dim]{type(step).__name__:<14}[/] {step.why}"
    )


def _end(release: Release, good: frozenset[State] | set[State] = frozenset({State.SUCCEEDED})) -> None:
    where = f"{release.environment} {release.version}"
    if release.state in good:
        console.print(f"[bold green]{release.state.replace('_', ' ')}[/] {where}: {release.reason}")
        return
    if release.state is State.HALTED:
        raise Halted(where, release.reason, "traffic stays where it is", "a person is needed")
    raise DeliveryError(where, release.reason, "the version before serves all traffic", f"{release.state}")


def _show(seen: EnvironmentStatus) -> None:
    table = Table("service", "colour", "weight", "version", "healthy", title=f"{seen.environment} {seen.url}")
    for service in seen.services:
        for colour in COLOURS:
            side = service.side(colour)
            healthy = f"{side.healthy} of {side.desired}"
            table.add_row(service.name, colour, f"{side.weight_pct} %", side.version or "-", healthy)
    Console().print(table)
    release = f"{seen.under_way.version} ({seen.under_way.release_id})" if seen.under_way else "none"
    lock = (
        f"{seen.lock.owner}, {seen.lock.seconds_left:.0f} s left unless renewed" if seen.lock.held else "free"
    )
    good = ", ".join(f"{name} {version}" for name, version in seen.last_good.items()) or "none"
    typer.echo(f"release under way: {release}\nlock: {lock}\nlast good: {good}")
