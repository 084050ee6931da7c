"""Verifications and verifiers, as PostgreSQL keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

Verdict = Literal["true", "false", "misleading", "unproven"]
State = Literal["open", "answered"]

# Columns by name, never *: the next version's expand adds some that this one does not know.
_ASK = """
    INSERT INTO verifications (claim, source_url, asked_by) VALUES (%s, %s, %s)
    RETURNING id, claim, source_url, asked_by, asked_at, verdict, explanation, answered_by, answered_at
"""
_FIND = """
    SELECT id, claim, source_url, asked_by, asked_at, verdict, explanation, answered_by, answered_at
    FROM verifications WHERE id = %s
"""
_NEWEST = """
    SELECT id, claim, source_url, asked_by, asked_at, verdict, explanation, answered_by, answered_at
    FROM verifications
    WHERE (%(before)s::bigint IS NULL OR id < %(before)s)
      AND (%(state)s::text IS NULL OR (verdict IS NOT NULL) = (%(state)s = 'answered'))
    ORDER BY id DESC LIMIT %(limit)s
"""
_ANSWER = """
    UPDATE verifications SET verdict = %s, explanation = %s, answered_by = %s, answered_at = now()
    WHERE id = %s AND verdict IS NULL
    RETURNING id, claim, source_url, asked_by, asked_at, verdict, explanation, answered_by, answered_at
"""


@dataclass(frozen=True)
class Verification:
    """A claim somebody wants to be verified, and the answer once there is one."""

    id: int
    claim: str
    source_url: str | None
    asked_by: str | None
    asked_at: datetime
    verdict: Verdict | None = None
    explanation: str | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True)
class Question:
    """What a person asks."""

    claim: str
    source_url: str | None = None
    asked_by: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a verifier found out."""

    verdict: Verdict
    explanation: str
    answered_by: str


def open_pool(url: str) -> ConnectionPool[Connection]:
    """A pool that connects in the background: the process starts whether or not the database is there."""
    pool: ConnectionPool[Connection] = ConnectionPool(
        url,
        min_size=1,
        max_size=8,
        timeout=2.0,
        reconnect_timeout=10.0,
        check=ConnectionPool.check_connection,  # a failover must not cost one failed request a connection
        kwargs={
            "connect_timeout": 2,
            "tcp_user_timeout": 3000,
            "application_name": "backend",
            "options": "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=10000",
        },
        open=False,
    )
    pool.open(wait=False)
    return pool


class Verifications:
    """Reads and writes them. Every method raises psycopg.OperationalError when the database is away."""

    def __init__(self, pool: ConnectionPool[Connection]) -> None:
        self._pool = pool

    def ask(self, question: Question) -> Verification:
        """The question is stored."""
        return self._rows(_ASK, (question.claim, question.source_url, question.asked_by))[0]

    def find(self, verification_id: int) -> Verification | None:
        """The verification of that id, if there is one."""
        return next(iter(self._rows(_FIND, (verification_id,))), None)

    def newest(self, limit: int, before: int | None, state: State | None) -> list[Verification]:
        """Newest first, at most `limit`, older than the id `before`, in that state."""
        return self._rows(_NEWEST, {"before": before, "state": state, "limit": limit})

    def answer(self, verification_id: int, answer: Answer) -> Verification | None:
        """The answer is stored; None if there is no open verification of that id."""
        values = (answer.verdict, answer.explanation, answer.answered_by, verification_id)
        return next(iter(self._rows(_ANSWER, values)), None)

    def password_of(self, name: str) -> str | None:
        """The stored password hash of a verifier, if there is one of that name."""
        with self._pool.connection() as connection:
            row = connection.execute("SELECT password FROM verifiers WHERE name = %s", (name,)).fetchone()
        return str(row[0]) if row else None

    def _rows(self, query: LiteralString, values: Mapping[str, Any] | Sequence[Any]) -> list[Verification]:
        with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(Verification)) as cursor,
        ):
            return cursor.execute(query, values).fetchall()
