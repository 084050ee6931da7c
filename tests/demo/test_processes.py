from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo import proc, processes

SLEEPER = [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(600)"]
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
STUBBORN = [sys.executable, "-c", DEAF]
STARTER = (
    "import os, pathlib, time; from demo import processes; "
    "processes.start('started', {argv!r}, pathlib.Path({folder!r}), os.environ)"
)
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("up", flush=True)
time.sleep(600)
"""


def eventually(condition: Callable[[], object], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    processes.sweep(tmp_path)


def wrote(child: processes.Child, text: str) -> bool:
    return text in Path(child.log).read_text()


def test_a_child_runs_in_a_session_of_its_own_and_writes_to_its_log(folder: Path) -> None:
    child = processes.start("sleeper", SLEEPER, folder, os.environ)
    seen = proc.status(child.pid)
    assert child.alive()
    assert seen is not None
    assert seen.session == child.pid
    assert eventually(lambda: child.end_of_log() == "hello")


def test_a_stopped_child_is_gone_with_its_record(folder: Path) -> None:
    child = processes.start("sleeper", SLEEPER, folder, os.environ)
    processes.stop(child)
    assert not child.alive()
    assert processes.recorded(folder) == []


def test_a_child_that_ignores_term_is_killed_when_patience_ends(folder: Path) -> None:
    child = processes.start("stubborn", STUBBORN, folder, os.environ)
    assert eventually(lambda: wrote(child, "up"))
    began = time.monotonic()
    processes.stop(child, patience_s=0.5)
    assert not child.alive()
    assert time.monotonic() - began >= 0.5


def test_what_a_child_started_in_another_session_ends_with_it(folder: Path) -> None:
    child = processes.start("parent", [sys.executable, "-c", PARENT], folder, os.environ)
    assert eventually(lambda: wrote(child, "up"))
    assert len(child.family()) == 2
    os.kill(child.pid, signal.SIGKILL)
    assert eventually(lambda: not child.alive())
    assert len(child.family()) == 1
    processes.stop(child)
    assert child.family() == []


def test_children_of_a_killed_program_are_swept_by_the_next(folder: Path) -> None:
    program = STARTER.format(argv=SLEEPER, folder=str(folder)) + "; time.sleep(600)"
    killed = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    assert eventually(lambda: processes.recorded(folder))
    killed.kill()
    killed.wait()
    (orphan,) = processes.recorded(folder)
    assert orphan.alive()
    assert processes.sweep(folder) == [orphan]
    assert orphan.family() == []
    assert processes.sweep(folder) == []


def test_a_number_that_another_process_has_by_now_is_left_alone(folder: Path) -> None:
    bystander = processes.start("bystander", SLEEPER, folder, os.environ)
    old = processes.Child(
        "old", bystander.pid, bystander.started - 1, str(folder / "old.log"), "DELIVERY_CHILD=x"
    )
    assert not old.alive()
    assert old.family() == []
    processes.stop(old)
    assert bystander.alive()


def test_sigint_is_back_to_default_where_the_caller_ignores_it(folder: Path) -> None:
    program = STARTER.format(argv=SLEEPER, folder=str(folder))
    subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        check=True,
    )
    (child,) = processes.recorded(folder)
    assert eventually(lambda: wrote(child, "hello"))
    os.kill(child.pid, signal.SIGINT)
    assert eventually(lambda: not child.alive())


def test_a_half_written_record_counts_as_none(folder: Path) -> None:
    (folder / "torn.json").write_text('{"name": "torn"')
    (folder / "other.json").write_text(json.dumps({"name": "other"}))
    assert processes.recorded(folder) == []


def test_a_program_that_does_not_exist_is_an_error_and_leaves_no_record(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        processes.start("none", ["/nowhere/at/all"], folder, os.environ)
    assert processes.recorded(folder) == []
