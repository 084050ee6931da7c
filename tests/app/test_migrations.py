"""The backend's migrations as one-off containers against a real PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest

from tests.app.conftest import Launcher, Running, eventually

pytestmark = pytest.mark.docker
MIGRATE = ("python", "-m", "backend.migrate")


@pytest.fixture
def fresh(launcher: Launcher) -> str:
    return launcher.platform.new_database()


def columns(database: str) -> set[str]:
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'verifications'"
        ).fetchall()
    return {row[0] for row in rows}


def start(launcher: Launcher, database: str, *command: str, **env: str) -> Running:
    return launcher.run("backend", {"DATABASE_URL": database, **env}, command=[*MIGRATE, *command])


def test_up_down_and_up_again_says_what_was_done(launcher: Launcher, fresh: str) -> None:
    assert launcher.command(*MIGRATE, "upgrade", database=fresh) == (0, "upgraded from nothing to 0002\n")
    assert "verdict" in columns(fresh)
    assert launcher.command(*MIGRATE, "downgrade", "0001", database=fresh) == (
        0,
        "downgraded from 0002 to 0001\n",
    )
    assert "verdict" not in columns(fresh)
    assert launcher.command(*MIGRATE, "upgrade", database=fresh) == (0, "upgraded from 0001 to 0002\n")
    assert launcher.command(*MIGRATE, "upgrade", database=fresh) == (0, "already at 0002: nothing to do\n")
    assert launcher.command(*MIGRATE, "downgrade", "base", database=fresh) == (
        0,
        "downgraded from 0002 to nothing\n",
    )
    assert columns(fresh) == set()


def test_two_at_once_do_the_work_once(launcher: Launcher, fresh: str) -> None:
    both = [start(launcher, fresh, "upgrade") for _ in range(2)]
    assert [one.exit_code() for one in both] == [0, 0]
    assert sorted(one.log() for one in both) == [
        "already at 0002: nothing to do\n",
        "upgraded from nothing to 0002\n",
    ]


def test_a_lock_held_by_another_migration_is_waited_for_and_then_told(launcher: Launcher, fresh: str) -> None:
    with psycopg.connect(fresh, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (0x76657269,))
        refused = start(launcher, fresh, "upgrade", MIGRATE_WAIT_S="1")
        assert refused.exit_code() == 3
        assert "another one has been running" in refused.log()
        waiting = start(launcher, fresh, "upgrade")
        eventually(lambda: _waits(fresh), "the second migration waits")
    assert waiting.exit_code() == 0
    assert "verdict" in columns(fresh)


def _waits(database: str) -> bool:
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'migrate'"
        ).fetchone()
    return found is not None


def test_a_table_in_use_is_not_queued_for_and_nothing_of_the_migration_stays(
    launcher: Launcher, fresh: str
) -> None:
    assert launcher.command(*MIGRATE, "upgrade", "0001", database=fresh)[0] == 0
    with psycopg.connect(fresh) as user:
        user.execute("SELECT * FROM verifications")  # an open transaction holds the table
        refused = start(launcher, fresh, "upgrade", LOCK_TIMEOUT_S="0.5")
        assert refused.exit_code() == 1
    assert "lock timeout" in refused.log()
    assert launcher.command(*MIGRATE, "current", database=fresh) == (0, "0001\n")
    assert "verdict" not in columns(fresh)


def test_a_wrong_command_changes_nothing(launcher: Launcher, fresh: str) -> None:
    cases = {
        ("upgrade", "7777"): "known: 0001, 0002",
        ("downgrade",): "required: revision",
        ("up",): "invalid choice",
    }
    started = [(start(launcher, fresh, *command), said) for command, said in cases.items()]
    for refused, said in started:
        assert refused.exit_code() == 2
        assert said in refused.log()
    assert columns(fresh) == set()


def test_the_version_before_keeps_working_while_the_schema_is_ahead_of_it(
    launcher: Launcher, fresh: str
) -> None:
    assert launcher.command(*MIGRATE, "upgrade", "0001", database=fresh)[0] == 0
    insert = "INSERT INTO verifications (claim, source_url, asked_by) VALUES ('a', NULL, NULL)"
    with psycopg.connect(fresh, autocommit=True) as old_code:
        old_code.execute(insert)
        assert launcher.command(*MIGRATE, "upgrade", database=fresh)[0] == 0
        old_code.execute(insert)
        assert old_code.execute("SELECT count(*) FROM verifications").fetchone() == (2,)
