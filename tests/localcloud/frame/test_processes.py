"""Children are on record before they are anything else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from localcloud import processes, reaper
from localcloud.processes import Program
from localcloud.state import Instance


def instance(tmp_path: Path) -> Instance:
    return Instance("t-processes", 98, tmp_path)


def test_a_child_is_recorded_with_its_start_time_and_ended_by_a_sweep(tmp_path: Path) -> None:
    child = processes.start(instance(tmp_path), Program(["sleep", "60"], tmp_path / "log"))
    deadline = time.monotonic() + 10
    while not list(reaper.recorded(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [known.pid for known in reaper.recorded(tmp_path)] == [child.pid]
    assert reaper.end_processes(tmp_path) == 1
    assert child.wait(10) != 0


def test_a_process_that_got_the_pid_of_a_dead_child_is_left_alone(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        stat = Path(f"/proc/{bystander.pid}/stat").read_text()
        head, _, tail = stat.rpartition(")")
        fields = tail.split()
        fields[19] = str(int(fields[19]) - 1)
        (tmp_path / "children").write_text(f"{head}) {' '.join(fields)}\n")
        assert reaper.end_processes(tmp_path) == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_child_that_ignores_quit_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGQUIT, signal.SIG_IGN); print(1, flush=True)"
    stubborn += "; time.sleep(60)"
    child = processes.start(instance(tmp_path), Program([sys.executable, "-c", stubborn], tmp_path / "log"))
    deadline = time.monotonic() + 20
    while not (tmp_path / "log").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    reaper.end_processes(tmp_path)
    assert child.wait(10) == -9


def test_a_child_whose_parent_is_gone_before_it_begins_does_not_begin(tmp_path: Path) -> None:
    never = str(os.getpid() + 10_000_000)
    shell = ["sh", "-c", processes._RECORD_THEN_BECOME, "sh", never, "touch", str(tmp_path / "begun")]
    assert subprocess.run(shell, check=False, capture_output=True).returncode == 75
    assert not (tmp_path / "begun").exists()


def test_a_record_that_was_cut_short_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "children").write_text("123 (sh) S 1 1\n")
    assert list(reaper.recorded(tmp_path)) == []
