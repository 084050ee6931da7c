from typing import Any

import pytest
from moto_platform import imagined

from decisions.errors import StepFailed
from decisions.release import Image
from tasks import migrations
from tasks.migrations import migrate
from tasks.one_off import Command, OneOff

IMAGE = Image("backend", "verificadores/backend", "sha256:1", "2")
LOCKED = "upgrade head: canceling statement due to lock timeout"
MEND = "run again if it was a lock timeout, else mend the migration"


class Runs:
    """One-off tasks that end as scripted."""

    def __init__(self, *ends: tuple[int, str]) -> None:
        self.ends = list(ends)
        self.commands: list[Command] = []

    def fn(self, _platform: Any, _service: str, _definition: str, command: Command) -> OneOff:
        self.commands.append(command)
        exit_code, logs = self.ends.pop(0)
        return OneOff(exit_code, logs, "Essential container in task exited", "arn:task")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "_FIRST_PAUSE_S", 0.0)


def run(monkeypatch: pytest.MonkeyPatch, runs: Runs, service: str = "backend") -> OneOff:
    monkeypatch.setattr(migrations, "run_one_off", runs)
    return migrate.fn(imagined(), service, IMAGE, "arn:definition", "r1")


def test_the_services_own_command_is_run_for_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs((0, "done"))
    assert run(monkeypatch, runs).exit_code == 0
    assert runs.commands[0].words == ("python", "-m", "backend.migrate", "upgrade")
    assert "r1" in runs.commands[0].purpose


def test_a_service_without_migrations_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, Runs(), "web").stopped_reason == "nothing to migrate"


def test_a_failed_migration_is_told_with_its_last_lines_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = Runs((1, "\n".join([*(f"line {number}" for number in range(40)), MEND])))
    with pytest.raises(StepFailed) as caught:
        run(monkeypatch, runs)
    assert "exit code 1 after 1 tries" in caught.value.seen
    assert "line 39" in caught.value.seen
    assert "line 20" not in caught.value.seen
    assert caught.value.left == "no traffic has moved"


def test_a_lock_that_frees_itself_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs((1, LOCKED), (1, LOCKED), (0, "done"))
    assert run(monkeypatch, runs).exit_code == 0
    assert runs.ends == []


@pytest.mark.parametrize("exit_code", [3, 4])
def test_another_migration_and_an_absent_database_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, exit_code: int
) -> None:
    assert run(monkeypatch, Runs((exit_code, ""), (0, "done"))).exit_code == 0


def test_a_lock_that_never_frees_itself_fails_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StepFailed, match="after 4 tries"):
        run(monkeypatch, Runs(*[(1, LOCKED)] * 4))
