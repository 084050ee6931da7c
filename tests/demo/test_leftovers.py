from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from demo import leftovers

RUN = "test-of-leftovers"
SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other work on this machine has containers and addresses of its own: only processes are looked at."""
    monkeypatch.setenv(leftovers.MARKER, RUN)
    for kind in ("_containers", "_networks", "_addresses"):
        monkeypatch.setattr(leftovers, kind, dict)


def start(argv: list[str]) -> subprocess.Popen[str]:
    started = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert started.stdout
    assert started.stdout.readline() == "up\n"
    return started


@pytest.mark.usefixtures("alone")
def test_nothing_is_left_where_nothing_was_started() -> None:
    assert leftovers.check({}, settle_s=0) == {}


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("argv", [SLEEPER, [sys.executable, "-c", DEAF]])
def test_a_process_of_this_run_is_told_and_ended(argv: list[str]) -> None:
    left = start(argv)
    found = leftovers.check({}, settle_s=0.5)
    assert list(found) == [f"process {left.pid}"]
    assert argv[-1][:40] in found[f"process {left.pid}"]
    assert left.wait(10) < 0
    assert leftovers.check({}, settle_s=0) == {}


@pytest.mark.usefixtures("alone")
def test_a_process_of_another_run_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    other = start(SLEEPER)
    monkeypatch.setenv(leftovers.MARKER, "another")
    try:
        assert leftovers.check({}, settle_s=0) == {}
        assert other.poll() is None
    finally:
        other.kill()
        other.communicate()


def test_an_address_that_somebody_listens_on_is_told() -> None:
    with socket.create_server(("127.74.0.9", 0)) as server:
        assert f"address 127.74.0.9:{server.getsockname()[1]}" in leftovers.seen()


def test_what_was_there_before_is_no_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = {"container a": "docker rm -f a", "container b": "docker rm -f b"}
    monkeypatch.setattr(leftovers, "seen", lambda: now)
    before = tmp_path / "before.json"
    assert leftovers.main("remember", before) == 0
    assert leftovers.main("check", before) == 0
    before.write_text(json.dumps({"container a": ""}))
    monkeypatch.setattr(leftovers, "check", lambda seen: {"container b": "docker rm -f b"})
    assert leftovers.main("check", before) == 1
    assert "left behind: container b: docker rm -f b" in capsys.readouterr().err
