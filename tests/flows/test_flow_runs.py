"""The flows as Prefect runs them, against a real Prefect server; only AWS is acted."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from acted_world import ActedRunner
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import Artifact
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness
from small_world import NEW, OLD, World, images

from decisions.approval import digests
from decisions.errors import DeliveryError
from decisions.release import State
from flows import ci as ci_module
from flows import gate
from flows import release as release_module
from flows import rollback as rollback_module
from flows.delivery import Order, deliver
from flows.gate import UatDecision
from flows.runner import InPrefect, InShell
from tasks.ledger import list_releases
from tasks.topology import Platform

VERSIONS = {"1": OLD, "2": NEW}


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    quiet = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_TO_API_ENABLED: False}
    with prefect_test_harness(server_startup_timeout=180), temporary_settings(updates=quiet):
        yield


@pytest.fixture
def acted(monkeypatch: pytest.MonkeyPatch, platform: Platform, run: ActedRunner) -> ActedRunner:
    """Staging and production are the same acted environment; versions 1 and 2 are in the registry."""

    def resolve(_: Platform, name: str, version: str) -> Any:
        return next(image for image in images(VERSIONS[version], version) if image.service == name)

    monkeypatch.setattr(run, "_find_platform", lambda name: platform, raising=False)
    monkeypatch.setattr(run, "_resolve_image", resolve, raising=False)
    for module in (release_module, rollback_module):
        monkeypatch.setattr(module, "InPrefect", lambda: run)
    return run


def say(monkeypatch: pytest.MonkeyPatch, decision: str) -> None:
    answer = UatDecision(decision=decision, approver="ana", note="n", images=digests(images()))  # type: ignore[arg-type]
    monkeypatch.setattr(gate, "suspend_flow_run", lambda **question: answer)


def artifacts() -> dict[str, Artifact]:
    with get_client(sync_client=True) as client:
        return {str(artifact.key): artifact for artifact in client.read_artifacts()}


def test_an_approved_release_leaves_a_report_a_table_links_and_progress(
    monkeypatch: pytest.MonkeyPatch, acted: ActedRunner
) -> None:
    say(monkeypatch, "approve")
    state = release_module.release("2", requested_by="ana", commit="abc", return_state=True)
    assert state.is_completed()
    found = artifacts()
    assert {"release-production", "steps-production", "serves-production", "image-web"} <= set(found)
    assert "succeeded" in str(found["release-production"].data)
    assert found["traffic-production"].data == 100.0


def test_a_rejected_release_never_reaches_production_and_the_ledger_says_who_said_no(
    monkeypatch: pytest.MonkeyPatch, acted: ActedRunner, platform: Platform
) -> None:
    say(monkeypatch, "reject")
    state = release_module.release("2", return_state=True)
    assert state.is_failed()
    assert "rejected by ana" in str(state.message)
    assert list_releases.fn(platform)[0].reason == "rejected by ana: n"


def test_a_version_that_fails_in_staging_is_never_asked_about(
    monkeypatch: pytest.MonkeyPatch, acted: ActedRunner
) -> None:
    monkeypatch.setattr(gate, "suspend_flow_run", lambda **question: pytest.fail("the gate was reached"))
    acted.bad = {NEW}
    state = release_module.release("2", return_state=True)
    assert (state.name, state.is_failed()) == ("Rolled back", True)


def test_a_rollback_run_goes_back_and_publishes_it(
    acted: ActedRunner, platform: Platform, here: World
) -> None:
    for number, version in enumerate(VERSIONS):
        order = Order(f"r{number}", images(VERSIONS[version], version), version, "ana")
        deliver(platform, order, acted, lambda release, step: None)
    state = rollback_module.rollback("production", return_state=True)
    assert state.is_completed()
    assert list_releases.fn(platform)[0].state is State.SUCCEEDED
    assert {side.digest for side in here.sides.values() if side.weight_pct} == {OLD}


def test_a_rollback_run_that_cannot_go_back_fails_with_the_reason(acted: ActedRunner) -> None:
    state = rollback_module.rollback("production", return_state=True)
    assert state.is_failed()
    assert "no earlier good release" in str(state.message)


def test_ci_pushes_every_service_once_it_is_tested_scanned_and_built(
    monkeypatch: pytest.MonkeyPatch, platform: Platform
) -> None:
    calls: list[tuple[str, str]] = []
    monkeypatch.setattr(ci_module, "find_platform", lambda name: platform)
    monkeypatch.setattr(ci_module, "locate_source", lambda environment, name: Named(name))

    def act(task: str, answer: Any) -> None:
        def acted_task(first: Any, *rest: Any, **more: Any) -> Any:
            calls.append((task, first.service if isinstance(first, Named) else rest[0]))
            return answer(first, *rest)

        monkeypatch.setattr(getattr(ci_module, task), "fn", acted_task)

    monkeypatch.setattr(ci_module.remove_leftovers, "fn", lambda: 0)
    act("run_test_stage", lambda source: "tested")
    act("scan", lambda source: "clean")
    act("build_image", lambda source, version, arguments: f"sha256:{source.service}")
    act("push_image", lambda platform, name, built, version: next(i for i in images() if i.service == name))
    pushed = ci_module.ci("2", commit="abc")
    assert [row["service"] for row in pushed] == ["backend", "web"]
    for name in ("backend", "web"):
        order = [task for task, service in calls if service == name]
        assert order == ["run_test_stage", "scan", "build_image", "push_image"]


class Named:
    """A source with nothing but a name."""

    def __init__(self, service: str) -> None:
        self.service = service


@pytest.mark.parametrize("runner", [InPrefect(), InShell()])
def test_both_ways_to_call_tasks_return_results_in_order_and_raise_errors(runner: Any) -> None:
    from prefect import flow, task  # noqa: PLC0415

    @task
    def echo(wait_s: float, text: str) -> str:
        time.sleep(wait_s)
        return text

    @task
    def fail(text: str) -> None:
        raise DeliveryError("here", text)

    @flow
    def use() -> list[str]:
        assert runner(echo, 0.0, "a") == runner.look(echo, 0.0, "a") == "a"
        with pytest.raises(DeliveryError, match="boom"):
            runner.each(fail, [("boom",)])
        return list(runner.each(echo, [(0.01, "b"), (0.0, "c")]))

    assert use() == ["b", "c"]
