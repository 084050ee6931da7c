"""`python -m backend.accounts NAME < password`: a verifier exists with that password. Safe to repeat.

A command rather than an endpoint: who may verify is decided by those who run the platform.
"""

from __future__ import annotations

import os
import sys

import psycopg

from backend import passwords
from backend.errors import ApplicationError
from backend.settings import required

SHORTEST = 8


def add(name: str, password: str) -> None:
    """The verifier exists with that password.

    Raises:
        ApplicationError: The password is too short, or the database does not answer.
    """
    if len(password) < SHORTEST:
        seen = f"{len(password)} characters, at least {SHORTEST} are needed"
        raise ApplicationError("password", seen, "nothing was changed", "choose a longer one", 2)
    try:
        with psycopg.connect(required(os.environ, "DATABASE_URL"), connect_timeout=5) as connection:
            connection.execute(
                "INSERT INTO verifiers (name, password) VALUES (%s, %s)"
                " ON CONFLICT (name) DO UPDATE SET password = excluded.password",
                (name, passwords.hashed(password)),
            )
    except psycopg.Error as error:
        seen = str(error).strip().splitlines()[0]
        raise ApplicationError(
            "database", seen, "nothing was changed", "migrate first, or check it", 4
        ) from error


def main() -> int:
    """Read the password from stdin and add. Returns the exit code."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the command and one name
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        add(sys.argv[1], sys.stdin.readline().rstrip("\n"))
    except ApplicationError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    print(f"{sys.argv[1]} may verify")  # noqa: T201 - a command's answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
