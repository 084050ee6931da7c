from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Machine

ENGINE = """
while [ $# -gt 0 ]; do [ "$1" = --pidfile ] && echo $$ >"$2"; shift; done
trap 'rm -f {home}/answers; exit 0' TERM
touch {home}/answers
i=0
while [ $i -lt 1200 ]; do sleep 0.05 || exit 1; i=$((i + 1)); done  # a minute, whatever becomes of the test
"""
CLIENT = """
[ -e {home}/answers ] || {{ echo 'Cannot connect to the Docker daemon'; exit 1; }}
[ "$1" != ps ] || cat {home}/containers 2>/dev/null
"""


def eventually(condition: Callable[[], object], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def without_engine(machine: Machine) -> Machine:
    """A machine with Docker, whose engine does not run."""
    machine.has("dockerd", ENGINE.format(home=machine.home))
    machine.has("docker", CLIENT.format(home=machine.home))
    return machine


@pytest.fixture
def with_engine(without_engine: Machine) -> Machine:
    (without_engine.home / "answers").touch()
    return without_engine


def run(machine: Machine, *arguments: str, **env: str) -> tuple[int, str, str]:
    done = machine.run("engine.sh", *arguments, SYSTEMD="/nowhere", **env)
    return done.returncode, done.stdout, done.stderr


def answers(machine: Machine) -> bool:
    return (machine.home / "answers").exists()


def started(machine: Machine) -> int:
    return sum(call.startswith("dockerd") for call in machine.calls)


def test_an_engine_that_answers_is_used_and_left_running(with_engine: Machine) -> None:
    assert run(with_engine, "sh", "-c", "echo done; exit 3") == (3, "done\n", "")
    assert answers(with_engine)
    assert started(with_engine) == 0


def test_an_engine_that_had_to_be_started_is_stopped_again(without_engine: Machine) -> None:
    code, out, err = run(without_engine, "sh", "-c", f"test -e {without_engine.home}/answers && echo answers")
    assert (code, out) == (0, "answers\n"), err
    assert started(without_engine) == 1
    assert not answers(without_engine)
    assert not list((without_engine.home / ".local").glob("engine.*"))


def test_the_exit_code_of_the_command_survives_the_stop(without_engine: Machine) -> None:
    assert run(without_engine, "sh", "-c", "exit 7")[0] == 7
    assert not answers(without_engine)


@pytest.mark.parametrize(
    ("number", "signals"),
    [(signal.SIGINT, "default"), (signal.SIGTERM, "default"), (signal.SIGTERM, "ignore")],
)
def test_an_interrupted_command_gets_int_and_the_engine_stops(
    without_engine: Machine, number: signal.Signals, signals: str
) -> None:
    here = without_engine.home
    tidies = f"trap 'touch {here}/tidied; exit 130' INT; touch {here}/began; while :; do sleep 0.05; done"
    interrupted = without_engine.start("engine.sh", "bash", "-c", tidies, signals=signals, SYSTEMD="/nowhere")
    assert eventually((here / "began").exists)
    os.kill(interrupted.pid, number)
    out, err = interrupted.communicate(timeout=30)
    assert interrupted.returncode == 130, out + err
    assert (here / "tidied").exists()
    assert not answers(without_engine)


def test_a_kept_engine_runs_until_it_is_stopped(without_engine: Machine) -> None:
    assert run(without_engine, "true", KEEP="1")[0] == 0
    assert answers(without_engine)
    assert run(without_engine, "true")[0] == 0
    assert answers(without_engine), "a later run found it running and must leave it so"
    assert run(without_engine, "--stop")[0] == 0
    assert not answers(without_engine)
    assert run(without_engine, "--stop")[0] == 0


def test_an_engine_of_a_killed_run_is_stopped_by_the_next(without_engine: Machine) -> None:
    here = without_engine.home
    killed = without_engine.start(
        "engine.sh", "bash", "-c", f"echo $$ >{here}/command; exec sleep 60", SYSTEMD="/nowhere"
    )
    assert eventually(lambda: (here / "command").exists() and (here / "command").read_text())
    killed.kill()
    os.kill(int((here / "command").read_text()), signal.SIGKILL)
    killed.communicate()
    assert answers(without_engine)
    assert run(without_engine, "true")[0] == 0
    assert not answers(without_engine)


def test_an_engine_that_others_use_by_now_is_left_running(without_engine: Machine) -> None:
    code, _, err = run(without_engine, "sh", "-c", f"echo c0ffee >{without_engine.home}/containers")
    assert code == 0
    assert answers(without_engine)
    assert "1 containers use it" in err
    (without_engine.home / "containers").unlink()
    assert run(without_engine, "--stop")[0] == 0
    assert not answers(without_engine)


def test_an_engine_that_ends_by_itself_is_an_error_with_the_end_of_its_log(without_engine: Machine) -> None:
    without_engine.has("dockerd", "echo 'no iptables here'; exit 1")
    code, _, err = run(without_engine, "touch", str(without_engine.home / "ran"))
    assert code == 2
    assert "no iptables here" in err
    assert "error: engine: dockerd ended by itself" in err
    assert not (without_engine.home / "ran").exists()
    assert not list((without_engine.home / ".local").glob("engine.*"))


def test_an_engine_that_never_answers_is_stopped_at_the_time_limit(without_engine: Machine) -> None:
    without_engine.has(
        "dockerd", ENGINE.format(home=without_engine.home).replace("touch", "echo waiting for")
    )
    code, _, err = run(without_engine, "true", ENGINE_TIMEOUT_S="2")
    assert code == 2
    assert "does not answer after 2 s" in err
    assert not list((without_engine.home / ".local").glob("engine.*"))


def test_a_machine_without_docker_is_told_so(without_engine: Machine) -> None:
    without_engine.lacks("dockerd")
    code, _, err = run(without_engine, "true")
    assert code == 2
    assert "error: engine: no Docker engine answers and there is no dockerd; nothing was changed" in err


def test_another_engine_that_was_asked_for_is_not_replaced_by_ours(without_engine: Machine) -> None:
    code, _, err = run(without_engine, "true", DOCKER_HOST="tcp://127.0.0.1:1")
    assert code == 2
    assert "nothing answers at DOCKER_HOST=tcp://127.0.0.1:1" in err
    assert started(without_engine) == 0


def test_systemd_starts_and_stops_the_service_where_it_runs(without_engine: Machine, tmp_path: Path) -> None:
    here = without_engine.home
    without_engine.has(
        "systemctl", f'if [ "$1" = start ]; then touch {here}/answers; else rm {here}/answers; fi'
    )
    done = without_engine.run("engine.sh", "true", SYSTEMD=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [call for call in without_engine.calls if call.startswith("systemctl")] == [
        "systemctl start docker",
        "systemctl stop docker.socket docker.service",
    ]
    assert started(without_engine) == 0
