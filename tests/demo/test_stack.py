"""The whole stack with real parts, on a block of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from demo import proc, processes
from demo.errors import AddressTaken, StackFailed
from demo.layout import PREFECT_PORT, ROOT, Layout
from demo.stack import Stack

BLOCK = 76
KEYS = {
    "aws", "prefect_ui", "prefect_api", "staging", "production", "staging_test", "production_test",
}  # fmt: skip


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    made = Layout("t-whole", BLOCK, tmp_path)
    yield made
    Stack(made).down()


def demo(layout: Layout, verb: str) -> subprocess.Popen[str]:
    where = ["--name", layout.name, "--block", str(layout.block), "--home", str(layout.home)]
    return subprocess.Popen(
        [sys.executable, "-m", "demo", verb, *where],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def listening() -> set[tuple[str, int]]:
    return {each for each in proc.listening() if each[0].startswith(f"127.{BLOCK}.")}


def containers(layout: Layout) -> str:
    argv = ["docker", "ps", "-aq", "--filter", f"label=localcloud={layout.name}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def eventually(condition: Callable[[], object], seconds: float = 120) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.docker
def test_up_serves_what_endpoints_json_says_and_down_leaves_nothing(layout: Layout) -> None:
    up = demo(layout, "up")
    output, _ = up.communicate(timeout=240)
    assert up.returncode == 0, output
    endpoints = json.loads(layout.endpoints.read_text())
    assert set(endpoints) == KEYS
    with httpx.Client(trust_env=False, timeout=30) as client:
        assert client.get(f"{endpoints['prefect_api']}/health").status_code == 200
        assert client.get(endpoints["aws"]).status_code < 500
        workers = client.post(f"{endpoints['prefect_api']}/work_pools/cd/workers/filter", json={}).json()
    assert [worker["status"] for worker in workers] == ["ONLINE"]

    again = Stack(layout)
    pids = [child.pid for child in processes.recorded(layout.run)]
    assert again.up() == endpoints
    assert [child.pid for child in processes.recorded(layout.run)] == pids

    down = demo(layout, "down")
    output, _ = down.communicate(timeout=120)
    assert down.returncode == 0, output
    assert listening() == set()
    assert containers(layout) == ""
    assert not layout.endpoints.exists()


@pytest.mark.docker
def test_an_interrupted_start_leaves_nothing(layout: Layout) -> None:
    up = demo(layout, "up")
    assert eventually(lambda: ("127.76.0.1", PREFECT_PORT) in listening())
    up.send_signal(signal.SIGTERM)
    output, _ = up.communicate(timeout=120)
    assert up.returncode == 130, output
    assert listening() == set()
    assert containers(layout) == ""


@pytest.mark.docker
def test_down_stops_a_stack_whose_starter_was_killed(layout: Layout) -> None:
    up = demo(layout, "up")
    assert eventually(lambda: ("127.76.0.1", PREFECT_PORT) in listening())
    up.kill()
    up.communicate()
    down = demo(layout, "down")
    output, _ = down.communicate(timeout=120)
    assert down.returncode == 0, output
    assert eventually(lambda: listening() == set(), 10)
    assert containers(layout) == ""


def test_a_taken_address_is_an_error_and_nothing_is_started(tmp_path: Path) -> None:
    layout = Layout("t-taken", 75, tmp_path)
    taken = pytest.raises(AddressTaken, match=r"127\.75\.0\.1:4200: Prefect's address is taken")
    with socket.create_server((layout.address, PREFECT_PORT)), taken as caught:
        Stack(layout).up()
    assert "nothing was started" in str(caught.value)
    assert processes.recorded(layout.run) == []


def test_no_endpoints_without_a_stack(tmp_path: Path) -> None:
    with pytest.raises(StackFailed, match="the stack is not up; nothing was changed; make up"):
        Stack(Layout("t-none", 75, tmp_path)).endpoints()


def test_no_part_of_the_stack_sees_another_account_or_server(tmp_path: Path) -> None:
    outer = {
        "AWS_PROFILE": "real",
        "AWS_SESSION_TOKEN": "x",
        "PREFECT_API_KEY": "x",
        "PATH": os.environ["PATH"],
    }
    seen = Layout(home=tmp_path).child_environment(outer)
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "PREFECT_API_KEY"} & set(seen)
    assert seen["PATH"] == os.environ["PATH"]
