"""`python -m localcloud up|down|status|env|break`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from localcloud import control
from localcloud.errors import LocalCloudError
from localcloud.state import Instance

DEFAULT_STATE = Path(".local/cloud")
HIGHEST_BLOCK = 254


def main(arguments: Sequence[str]) -> int:
    """Do what was asked. Exit status 0, 1 for what could not be done, 2 for what was not understood."""
    options = _parser().parse_args(arguments)
    instance = Instance(options.name, options.block, options.state.resolve())
    try:
        return int(options.action(instance, options))
    except LocalCloudError as error:
        sys.stderr.write(f"localcloud: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localcloud", description="AWS for people without AWS.")
    commands = parser.add_subparsers(required=True, metavar="up|down|status|env|break")
    up = _command(commands, "up", "start it and wait until it is ready; harmless when it runs already")
    up.add_argument("--no-platform", action="store_true", help="leave it empty")
    up.set_defaults(action=_up)
    _command(commands, "down", "stop it; nothing is left running").set_defaults(action=_down)
    status = _command(commands, "status", "services, tasks, targets, weights, databases")
    status.add_argument("--json", action="store_true")
    status.set_defaults(action=_status)
    _command(commands, "env", "environment for clients, as export lines").set_defaults(action=_env)
    broken = _command(commands, "break", "break something; `break none` mends")
    broken.add_argument("what")
    broken.add_argument("target", nargs="*")
    broken.set_defaults(action=_break)
    serve = _command(commands, "serve", "")
    serve.add_argument("--ready", type=int, required=True)
    serve.set_defaults(action=_serve)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary) if summary else commands.add_parser(name)
    command.add_argument("--name", default="local", type=_name, help="name of the instance (local)")
    command.add_argument("--block", default=10, type=_block, help="it listens on 127.<block>.x.y (10)")
    command.add_argument("--state", default=DEFAULT_STATE, type=Path, help=f"its directory ({DEFAULT_STATE})")
    return command


def _name(text: str) -> str:
    if not text.replace("-", "").isalnum() or text != text.lower() or not text.isascii():
        raise argparse.ArgumentTypeError(f"{text!r}: lower-case letters, digits and hyphens only")
    return text


def _block(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= HIGHEST_BLOCK:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 1 to {HIGHEST_BLOCK}")
    return int(text)


def _up(instance: Instance, options: argparse.Namespace) -> int:
    seeded = not options.no_platform
    say(control.up(instance, platform=seeded))
    return 0


def _down(instance: Instance, _: argparse.Namespace) -> int:
    say(control.down(instance))
    return 0


def _status(instance: Instance, options: argparse.Namespace) -> int:
    from localcloud.report import as_text, observe  # noqa: PLC0415  # boto3 takes half a second to import

    seen = observe(control.running(instance))
    say(json.dumps(seen, indent=2) if options.json else as_text(seen))
    return 0


def _env(instance: Instance, _: argparse.Namespace) -> int:
    for name, value in control.environment(control.running(instance)).items():
        say(f"export {name}={value}")
    return 0


def _break(instance: Instance, options: argparse.Namespace) -> int:
    say(control.break_(control.running(instance), options.what, " ".join(options.target)))
    return 0


def _serve(instance: Instance, options: argparse.Namespace) -> int:
    from localcloud.server import serve  # noqa: PLC0415  # only the server itself needs it

    serve(instance, options.ready)


def say(text: str) -> None:
    """Text for the person who asked."""
    sys.stdout.write(text + "\n")
