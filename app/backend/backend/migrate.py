"""`python -m backend.migrate upgrade [REV] | downgrade REV | current`: alembic, one at a time.

Exit codes: 0 done (or nothing to do), 1 a migration failed, 2 wrong usage, settings or revision,
3 another migration holds the lock, 4 the database does not answer. Safe to repeat, also concurrently.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from backend.errors import ApplicationError
from backend.settings import number, required

LOCK_KEY = 0x76657269  # "veri": any number that only this application's migrations use
LOCK_TIMEOUT_S = 5.0
"""A migration that waits for a table lock makes every later query on it wait too: give up soon instead."""
UNREACHABLE_S = 30.0


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config


def current(connection: Connection) -> str:
    """The revision the database is at; "nothing" before the first."""
    revision = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()  # reading began a transaction
    return revision or "nothing"


def connect(url: str, patience_s: float = UNREACHABLE_S) -> Connection:
    """A connection, waiting for a database that is late.

    Raises:
        ApplicationError: It did not answer in `patience_s`.
    """

    def dial() -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(url, connect_timeout=5, application_name="migrate")

    engine = create_engine("postgresql+psycopg://", creator=dial, poolclass=NullPool)
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return engine.connect()
        except DBAPIError as error:
            if time.monotonic() >= deadline:
                seen = f"no connection in {patience_s:.0f} s ({first_line(error)})"
                do = "check DATABASE_URL and the database"
                raise ApplicationError("database", seen, "nothing was changed", do, 4) from error
        time.sleep(0.5)


def lock(connection: Connection, patience_s: float, lock_timeout_s: float) -> None:
    """Holds the migration lock until the connection is closed (so not beyond a killed process).

    Raises:
        ApplicationError: Another migration held it for `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    while True:
        held = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY})
        connection.commit()
        if held:
            break
        if time.monotonic() >= deadline:
            seen = f"another one has been running for {patience_s:.0f} s"
            raise ApplicationError(
                "migration lock", seen, "nothing was changed", "run again when it is over", 3
            )
        time.sleep(0.2)
    connection.execute(text(f"SET lock_timeout = {max(1, int(lock_timeout_s * 1000))}"))
    connection.commit()


def move(connection: Connection, direction: str, target: str) -> str:
    """The database is at `target`. Returns what was done, in words.

    Raises:
        ApplicationError: No such revision, or a migration failed; the message says where that left it.
    """
    config = configuration(connection)
    before = current(connection)
    try:
        if direction == "upgrade":
            command.upgrade(config, target)
        else:
            command.downgrade(config, target)
    except CommandError as error:
        known = ", ".join(
            sorted(script.revision for script in ScriptDirectory.from_config(config).walk_revisions())
        )
        raise ApplicationError(
            f"revision {target}", str(error), f"still at {before}", f"known: {known}", 2
        ) from error
    except DBAPIError as error:
        connection.rollback()
        left = f"the failed step was undone whole; the database is at {current(connection)} (was {before})"
        do = "run again if it was a lock timeout, else mend the migration"
        raise ApplicationError(f"{direction} {target}", first_line(error), left, do, 1) from error
    connection.commit()
    after = current(connection)
    return (
        f"already at {after}: nothing to do" if after == before else f"{direction}d from {before} to {after}"
    )


def first_line(error: DBAPIError) -> str:
    """What the database said, in a line."""
    return str(error.orig).strip().splitlines()[0]


def arguments(argv: list[str]) -> argparse.Namespace:
    """The parsed command line; argparse ends wrong usage with exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m backend.migrate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("upgrade").add_argument("revision", nargs="?", default="head")
    commands.add_parser("downgrade").add_argument("revision", help="a revision, -1, or base")
    commands.add_parser("current")
    return parser.parse_args(argv)


def run(argv: list[str]) -> str:
    """Do what the command line says. Returns what was done, in words."""
    asked = arguments(argv)
    with connect(required(os.environ, "DATABASE_URL")) as connection:
        if asked.command == "current":
            return current(connection)
        patience_s = number(os.environ, "MIGRATE_WAIT_S", 60.0)
        lock(connection, patience_s, number(os.environ, "LOCK_TIMEOUT_S", LOCK_TIMEOUT_S))
        return move(connection, asked.command, asked.revision)


def main() -> int:
    """Run and print. Returns the exit code."""
    try:
        print(run(sys.argv[1:]), flush=True)  # noqa: T201 - a command's answer
    except ApplicationError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
