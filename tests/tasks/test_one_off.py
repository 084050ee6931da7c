from typing import Any

import pytest
from moto_platform import imagined, with_policy

from decisions.errors import StepFailed
from tasks import one_off
from tasks.one_off import Command, run_one_off
from tasks.topology import Platform

ARN = "arn:aws:ecs:eu-central-1:1:task/verificadores-production/abc"
DEFINITION = "arn:aws:ecs:eu-central-1:1:task-definition/verificadores-production-backend:7"
ONCE = Command(("python", "-m", "backend.migrate"), timeout_s=5)
FOR_R1 = Command(("python", "-m", "backend.migrate"), timeout_s=5, purpose="r1")


@pytest.fixture
def quick() -> Platform:
    return with_policy(imagined(), poll_s=0.01)


@pytest.fixture(autouse=True)
def no_patience_for_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_off, "_LOGS_SETTLE_S", 0.0)


def task(status: str = "STOPPED", exit_code: int | None = 0, **changes: Any) -> dict[str, Any]:
    container = {"name": "backend", **({} if exit_code is None else {"exitCode": exit_code})}
    return {
        "taskArn": ARN,
        "taskDefinitionArn": DEFINITION,
        "lastStatus": status,
        "containers": [container],
        "stoppedReason": "Essential container in task exited" if status == "STOPPED" else "",
        **changes,
    }


def described(*tasks: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return ("describe_tasks", {"tasks": list(tasks)})


def started() -> tuple[str, dict[str, Any]]:
    return ("run_task", {"tasks": [task("PROVISIONING", None)], "failures": []})


def definition(**options: str) -> tuple[str, dict[str, Any]]:
    container: dict[str, Any] = {"name": "backend", "image": "x@sha256:1"}
    if options:
        container["logConfiguration"] = {"logDriver": "awslogs", "options": options}
    return (
        "describe_task_definition",
        {"taskDefinition": {"taskDefinitionArn": DEFINITION, "containerDefinitions": [container]}},
    )


LOGGED = {"awslogs-group": "/verificadores/production/backend", "awslogs-stream-prefix": "app"}


@pytest.mark.parametrize("exit_code", [0, 7])
def test_the_exit_code_is_told_whatever_it_is(quick: Platform, stub: Any, exit_code: int) -> None:
    stub("ecs", started(), described(task(exit_code=exit_code)), definition())
    ended = run_one_off.fn(quick, "backend", DEFINITION, ONCE)
    assert (ended.exit_code, ended.task_arn, ended.logs) == (exit_code, ARN, "")
    assert ended.stopped_reason == "Essential container in task exited"


def test_it_is_waited_for_until_it_has_ended(quick: Platform, stub: Any) -> None:
    # Just after the start ECS may not know the task yet.
    stub("ecs", started(), described(), described(task("RUNNING", None)), described(task()), definition())
    assert run_one_off.fn(quick, "backend", DEFINITION, ONCE).exit_code == 0


def test_one_that_never_ends_is_stopped(quick: Platform, stub: Any) -> None:
    stub("ecs", started(), described(task("RUNNING", None)), ("stop_task", {}))
    with pytest.raises(StepFailed, match="not ended after 0 s, last status RUNNING"):
        run_one_off.fn(quick, "backend", DEFINITION, Command(ONCE.words, timeout_s=0))


def test_one_that_cannot_be_stopped_is_still_told_as_too_slow(quick: Platform, stub: Any) -> None:
    stub("ecs", started(), described(task("RUNNING", None)), ("stop_task", "InvalidParameterException"))
    with pytest.raises(StepFailed, match="not ended"):
        run_one_off.fn(quick, "backend", DEFINITION, Command(ONCE.words, timeout_s=0))


def test_its_last_lines_are_fetched(quick: Platform, stub: Any) -> None:
    stub("ecs", started(), described(task()), definition(**LOGGED))
    events = [{"message": "upgrade 1\n"}, {"message": "done"}]
    logs = stub("logs", ("get_log_events", {"events": events}))
    assert run_one_off.fn(quick, "backend", DEFINITION, ONCE).logs == "upgrade 1\ndone"
    logs.assert_no_pending_responses()


def test_a_task_without_a_log_stream_has_no_lines(quick: Platform, stub: Any) -> None:
    stub("ecs", started(), described(task()), definition(**LOGGED))
    stub("logs", ("get_log_events", "ResourceNotFoundException"))
    assert run_one_off.fn(quick, "backend", DEFINITION, ONCE).logs == ""


def test_lines_that_come_late_are_waited_for(
    quick: Platform, stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_off, "_LOGS_SETTLE_S", 5.0)
    stub("ecs", started(), described(task()), definition(**LOGGED))
    stub(
        "logs",
        ("get_log_events", "ResourceNotFoundException"),
        ("get_log_events", {"events": [{"message": "late"}]}),
    )
    assert run_one_off.fn(quick, "backend", DEFINITION, ONCE).logs == "late"


def test_a_task_that_ecs_refuses_is_told_with_its_reason(quick: Platform, stub: Any) -> None:
    failure = {"reason": "RESOURCE:CPU", "detail": "too big"}
    stub("ecs", ("run_task", {"tasks": [], "failures": [failure]}))
    with pytest.raises(StepFailed, match="ECS started no task: RESOURCE:CPU too big"):
        run_one_off.fn(quick, "backend", DEFINITION, ONCE)


def test_a_task_that_never_started_is_told_with_its_reason(quick: Platform, stub: Any) -> None:
    stopped = task(exit_code=None, stoppedReason="Task failed to start")
    stopped["containers"][0]["reason"] = "CannotPullContainerError"
    stub("ecs", started(), described(stopped))
    with pytest.raises(
        StepFailed, match="without an exit code: Task failed to start, CannotPullContainerError"
    ):
        run_one_off.fn(quick, "backend", DEFINITION, ONCE)


def mark() -> str:
    return one_off._mark(DEFINITION, FOR_R1)


def test_one_of_the_same_purpose_that_ended_well_is_not_run_again(quick: Platform, stub: Any) -> None:
    stub(
        "ecs",
        ("list_tasks", {"taskArns": []}),
        ("list_tasks", {"taskArns": [ARN]}),
        described(task(startedBy=mark())),
        definition(),
    )
    assert run_one_off.fn(quick, "backend", DEFINITION, FOR_R1).exit_code == 0


def test_one_of_the_same_purpose_under_way_is_waited_for(quick: Platform, stub: Any) -> None:
    stub(
        "ecs",
        ("list_tasks", {"taskArns": [ARN]}),
        described(task("RUNNING", None, startedBy=mark())),
        ("list_tasks", {"taskArns": []}),
        described(task()),
        definition(),
    )
    assert run_one_off.fn(quick, "backend", DEFINITION, FOR_R1).exit_code == 0


def test_one_of_the_same_purpose_that_failed_is_run_again_with_another_token(
    quick: Platform, stub: Any
) -> None:
    stub(
        "ecs",
        ("list_tasks", {"taskArns": []}),
        ("list_tasks", {"taskArns": [ARN]}),
        described(task(exit_code=1, startedBy=mark()), task(startedBy="somebody else")),
        started(),
        described(task()),
        definition(),
    )
    assert run_one_off.fn(quick, "backend", DEFINITION, FOR_R1).exit_code == 0


def test_the_mark_and_its_tokens_fit_the_limits_of_run_task() -> None:
    assert len(mark()) <= 36  # startedBy, before it was raised to 128
    assert len(f"{mark()}-{10**19}") <= 64  # clientToken
