"""The same releases as people start them: deployments, workers and the gate of a real Prefect server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from platform_town import ROOT, free_block
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.flow_runs import resume_flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings

from decisions.errors import NotFound, Refused
from decisions.release import Release, State
from demo.layout import Layout
from demo.stack import Stack
from demo.traffic import steady_load
from flows.approvals import Answer, answer_gate, waiting_releases
from tasks.environments import find_platform
from tasks.ledger import list_releases, lock_status

pytestmark = pytest.mark.docker
ANA = Answer("approve", "ana@verificadores.example", "looks right")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything that `make up` starts, with version 1.0.0 in production and 1.1.0 in the registry."""
    block = free_block()
    layout = Layout(f"t-prefect-{block}", block, tmp_path_factory.mktemp("stack"))
    built = Stack(layout, lambda text: None)
    url = {PREFECT_API_URL: layout.api_url}
    try:
        built.up()
        with mock.patch.dict(os.environ, layout.environment()), temporary_settings(url):
            ended([start("ci", "1.0.0"), start("ci", "1.1.0")])
            first = wait_for(start("release", "1.0.0"), "Suspended")
            answer_gate("1.0.0", ANA)
            assert wait_for(first, "Completed").state is not None
            yield built
    finally:
        built.down()


def start(flow: str, version: str, **job_variables: object) -> FlowRun:
    run = run_deployment(
        f"{flow}/main", parameters={"version": version}, timeout=0, as_subflow=False,
        job_variables=dict(job_variables) or None,
    )  # fmt: skip
    assert isinstance(run, FlowRun)
    return run


def wait_for(run: FlowRun, state: str, timeout_s: float = 120) -> FlowRun:
    with get_client(sync_client=True) as client:
        for _ in range(int(timeout_s / 0.3)):
            seen = client.read_flow_run(run.id)
            assert seen.state is not None
            if seen.state.name == state:
                return seen
            assert not seen.state.is_final(), f"{seen.state.name}: {seen.state.message}"
            time.sleep(0.3)
    raise AssertionError(f"{run.name} is {seen.state.name} after {timeout_s} s, not {state}")


def ended(runs: list[FlowRun]) -> None:
    for run in runs:
        wait_for(run, "Completed")


def newest() -> Release:
    return list_releases.fn(find_platform.fn("production"), 1)[0]


def shell(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows", *words], cwd=ROOT, env=stack.layout.child_environment(),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_gate_asks_again_until_an_approver_answers_and_the_ledger_knows_who(stack: Stack) -> None:
    run = wait_for(start("release", "1.1.0"), "Suspended")
    answer_gate("1.1.0", Answer("approve", "mallory", "let me in"))
    time.sleep(2)
    wait_for(run, "Suspended")
    assert newest().version == "1.0.0"

    approved = shell(stack, "approve", "1.1.0", "--as", ANA.approver, "--note", "tested on Android")

    assert approved.returncode == 0, approved.stderr
    wait_for(run, "Completed")
    record = newest()
    assert (record.version, record.state) == ("1.1.0", State.SUCCEEDED)
    with get_client(sync_client=True) as client:
        only = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
        told = [log.message for log in client.read_logs(only, limit=200) if log.name == "flows.publish"]
    assert any("production 1.1.0: backend, web: 0 % → 5 % of traffic" in message for message in told)
    assert record.approval is not None
    assert (record.approval.approver, record.approval.note) == (ANA.approver, "tested on Android")


def test_an_answer_that_prefect_does_not_accept_is_refused(stack: Stack) -> None:
    run = wait_for(start("release", "1.0.0"), "Suspended")
    with pytest.raises(Refused, match="Prefect refused the answer"):
        answer_gate("1.0.0", Answer("approve", "", ""))
    with pytest.raises(NotFound, match=r"waiting: 1\.0\.0"):
        answer_gate("7.7.7", ANA)
    assert [each.id for each in waiting_releases()] == [run.id]
    answer_gate("1.0.0", Answer("reject", "mallory", "not today"))
    rejected = wait_for(run, "Failed")
    assert rejected.state is not None
    assert "rejected by mallory: not today" in str(rejected.state.message)
    assert newest().reason == "rejected by mallory: not today"


def test_kill_9_of_the_run_in_production_is_marked_and_the_next_run_finishes_the_job(
    stack: Stack, tmp_path: Path
) -> None:
    version = "1.0.0"
    production = stack.endpoints()["production"]
    with steady_load((f"{production}/api/verifications", f"{production}/"), tmp_path, "load", 40) as traffic:
        run = wait_for(start("release", version), "Suspended")
        answer_gate(version, ANA)
        while newest().version != version or "started" not in newest().marks:
            time.sleep(0.2)
        with get_client(sync_client=True) as client:
            pid = str(client.read_flow_run(run.id).infrastructure_pid).rsplit(":", 1)[-1]
        os.kill(int(pid), signal.SIGKILL)
        wait_for(run, "Crashed")
        again = wait_for(start("release", version), "Suspended")
        answer_gate(version, ANA)
        wait_for(again, "Completed")
    assert traffic.total().failed == 0, traffic.total().by_status
    assert (newest().version, newest().state) == (version, State.SUCCEEDED)
    assert not lock_status.fn(find_platform.fn("production")).held


def test_a_worker_without_aws_credentials_fails_the_run_with_what_to_do(stack: Stack) -> None:
    before = newest()
    nothing = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    run = start("release", "1.1.0", env={"PYTHONPATH": str(ROOT), **nothing})
    failed = wait_for(run, "Failed")
    assert failed.state is not None
    assert "credentials" in str(failed.state.message)
    assert newest() == before


def test_a_run_of_a_version_that_does_not_exist_fails_with_those_that_do(stack: Stack) -> None:
    failed = wait_for(start("release", "9.9.9"), "Failed")
    assert failed.state is not None
    assert "9.9.9" in str(failed.state.message)
    assert "1.1.0" in str(failed.state.message)


def test_an_answer_without_its_form_fails_safe(stack: Stack) -> None:
    run = wait_for(start("release", "1.1.0"), "Suspended")
    with pytest.raises(RuntimeError, match="Cannot resume"):
        resume_flow_run(run.id, run_input={"decision": "maybe"})
    answer_gate("1.1.0", Answer("reject", "ana", "only looking"))
    wait_for(run, "Failed")
