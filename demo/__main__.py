"""`python -m demo up|down|demo`: the stack from a shell. Exit code 0 only if what was asked for is true."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from decisions.errors import DeliveryError
from demo.layout import Layout
from demo.run import run_demo
from demo.stack import Stack

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(stderr=True, highlight=False)
began = time.monotonic()

Name = Annotated[str, typer.Option(help="Name of the stack")]
Block = Annotated[int, typer.Option(min=1, max=254, help="It listens on 127.<block>.x.y")]
Home = Annotated[Path, typer.Option(help="Folder of everything it writes")]
PrefectFile = Annotated[Path, typer.Option(help="The deployments that it registers")]
DEFAULT = Layout()


def say(text: str) -> None:
    """One line of progress, with the seconds since the start."""
    console.print(f"  [dim]{time.monotonic() - began:6.1f} s[/]  {text}")


@app.command()
def up(
    *,
    name: Name = DEFAULT.name,
    block: Block = DEFAULT.block,
    home: Home = DEFAULT.home,
    prefect_file: PrefectFile = DEFAULT.prefect_file,
) -> None:
    """Local cloud, Prefect server and workers are up; endpoints.json says where."""
    stack = Stack(Layout(name, block, home.resolve(), prefect_file.resolve()), say)
    with console.status("starting"):
        endpoints = stack.up()
    table = Table(box=None, show_header=False)
    for what, where in endpoints.items():
        table.add_row(what, where)
    Console(highlight=False).print(table)
    say('for this shell: eval "$(.venv/bin/python -m demo env)", then .venv/bin/python -m flows status')


@app.command()
def down(*, name: Name = DEFAULT.name, block: Block = DEFAULT.block, home: Home = DEFAULT.home) -> None:
    """Nothing of the stack runs, also when whoever started it was killed."""
    with console.status("stopping"):
        Stack(Layout(name, block, home.resolve()), say).down()
    say("the stack is down")


@app.command()
def demo(*, name: Name = DEFAULT.name, block: Block = DEFAULT.block, home: Home = DEFAULT.home) -> None:
    """The main job, told once with real parts; KEEP=1 leaves the stack running."""
    layout = Layout(name, block, home.resolve())
    with console.status("starting the stack") as status:
        held = run_demo(layout, say, status.update, keep=os.environ.get("KEEP") == "1")
    raise typer.Exit(0 if held else 1)


@app.command()
def env(*, name: Name = DEFAULT.name, block: Block = DEFAULT.block, home: Home = DEFAULT.home) -> None:
    """Print what a shell needs to speak to the stack: `eval "$(python -m demo env)"`."""
    for variable, value in Layout(name, block, home.resolve()).environment().items():
        typer.echo(f"export {variable}={shlex.quote(value)}")


def _interrupted(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> int:
    """Runs the command; an error is one line that says where, what, what is left and what to do."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)  # tidied up like Ctrl-C
    try:
        app()
    except DeliveryError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
