import logging
from collections.abc import Iterator
from typing import Any

import pytest
from moto_platform import client, register_targets

from decisions.errors import Conflict, NotFound, StepFailed
from decisions.release import Colour
from decisions.steps import Move
from tasks import aws
from tasks.target_health import count_targets
from tasks.topology import Platform
from tasks.traffic import point_test_listener, read_weights, shift_traffic

BLUE: dict[Colour, int] = {"blue": 100, "green": 0}
QUARTER: dict[Colour, int] = {"blue": 75, "green": 25}
GREEN: dict[Colour, int] = {"blue": 0, "green": 100}


@pytest.fixture
def serving(platform: Platform) -> Platform:
    """Both sides of both services have a healthy target."""
    for service in platform.services:
        for colour in ("blue", "green"):
            register_targets(platform, service, colour)
    return platform


@pytest.fixture
def changes() -> Iterator[list[str]]:
    """Rules that were modified."""
    made: list[str] = []

    def note(**_arguments: Any) -> None:
        made.append("modified")

    events, name = aws.client("elbv2").meta.events, "before-call.elastic-load-balancing-v2.ModifyRule"
    events.register(name, note)
    yield made
    events.unregister(name, note)


def set_rule(arn: str, **forward: Any) -> None:
    client("elbv2").modify_rule(RuleArn=arn, Actions=[{"Type": "forward", **forward}])


def test_weights_are_read_in_percent(platform: Platform) -> None:
    names = platform.service("web")
    set_rule(
        names.rule_arn,
        ForwardConfig={
            "TargetGroups": [
                {"TargetGroupArn": names.blue.target_group_arn, "Weight": 3},
                {"TargetGroupArn": names.green.target_group_arn, "Weight": 1},
            ]
        },
    )
    assert read_weights.fn(platform, "web") == QUARTER


def test_a_rule_without_any_weight_sends_nothing_anywhere(platform: Platform) -> None:
    names = platform.service("web")
    groups = [{"TargetGroupArn": s.target_group_arn, "Weight": 0} for s in (names.blue, names.green)]
    set_rule(names.rule_arn, ForwardConfig={"TargetGroups": groups})
    assert read_weights.fn(platform, "web") == {"blue": 0, "green": 0}


def test_a_rule_with_one_target_group_sends_it_all(platform: Platform) -> None:
    names = platform.service("web")
    set_rule(names.rule_arn, TargetGroupArn=names.green.target_group_arn)
    assert read_weights.fn(platform, "web") == GREEN


def test_a_rule_that_forwards_elsewhere_is_told(platform: Platform) -> None:
    other = platform.service("backend").blue.target_group_arn
    set_rule(platform.service("web").rule_arn, TargetGroupArn=other)
    with pytest.raises(NotFound, match="forwards to neither side"):
        read_weights.fn(platform, "web")


def test_a_rule_that_is_gone_is_told(platform: Platform) -> None:
    client("elbv2").delete_rule(RuleArn=platform.service("web").rule_arn)
    with pytest.raises(NotFound):
        read_weights.fn(platform, "web")


def test_traffic_moves_and_is_read_back(serving: Platform) -> None:
    shift_traffic.fn(serving, {"web": Move(BLUE, QUARTER), "backend": Move(BLUE, GREEN)})
    assert read_weights.fn(serving, "web") == QUARTER
    assert read_weights.fn(serving, "backend") == GREEN


def test_a_second_shift_changes_nothing(serving: Platform, changes: list[str]) -> None:
    for _ in range(2):
        shift_traffic.fn(serving, {"web": Move(BLUE, QUARTER)})
    assert changes == ["modified"]


def test_traffic_that_somebody_else_moved_is_left_alone(serving: Platform) -> None:
    shift_traffic.fn(serving, {"web": Move(BLUE, GREEN)})
    with pytest.raises(
        Conflict, match="the rule has blue 0 %, green 100 %, blue 100 %, green 0 % was expected"
    ):
        shift_traffic.fn(serving, {"web": Move(BLUE, QUARTER)})
    assert read_weights.fn(serving, "web") == GREEN


def test_a_side_without_a_healthy_target_gets_no_traffic(platform: Platform) -> None:
    register_targets(platform, "web", "blue")
    with pytest.raises(
        StepFailed, match=r"green shall get 25 % and has no healthy target \(no target at all\)"
    ):
        shift_traffic.fn(platform, {"web": Move(BLUE, QUARTER)})
    assert read_weights.fn(platform, "web") == BLUE


def test_the_error_tells_which_services_moved_and_which_did_not(platform: Platform) -> None:
    register_targets(platform, "backend", "green")
    with pytest.raises(StepFailed) as caught:
        shift_traffic.fn(platform, {"web": Move(BLUE, GREEN), "backend": Move(BLUE, GREEN)})
    assert caught.value.left == "moved: backend; not moved: web"
    assert read_weights.fn(platform, "backend") == GREEN


def test_stickiness_of_the_rule_stays(serving: Platform) -> None:
    names = serving.service("web")
    sticky = {"Enabled": True, "DurationSeconds": 60}
    groups = [
        {"TargetGroupArn": names.blue.target_group_arn, "Weight": 100},
        {"TargetGroupArn": names.green.target_group_arn, "Weight": 0},
    ]
    set_rule(names.rule_arn, ForwardConfig={"TargetGroups": groups, "TargetGroupStickinessConfig": sticky})
    shift_traffic.fn(serving, {"web": Move(BLUE, QUARTER)})
    rule = client("elbv2").describe_rules(RuleArns=[names.rule_arn])["Rules"][0]
    assert rule["Actions"][0]["ForwardConfig"]["TargetGroupStickinessConfig"] == sticky


def test_a_change_that_does_not_stay_is_told(serving: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.traffic._modify", lambda *_arguments: None)
    with pytest.raises(Conflict, match="read back blue 100 %, green 0 %"):
        shift_traffic.fn(serving, {"web": Move(BLUE, QUARTER)})


def test_a_bug_is_not_dressed_up_as_an_error_of_ours(
    serving: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.traffic._modify", lambda *_arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        shift_traffic.fn(serving, {"web": Move(BLUE, QUARTER), "backend": Move(BLUE, QUARTER)})


def test_the_test_listener_points_to_one_side_only(platform: Platform, changes: list[str]) -> None:
    rule = platform.service("web").test_rule_arn
    for _ in range(2):
        point_test_listener.fn(platform, "web", "blue")
    actions = client("elbv2").describe_rules(RuleArns=[rule])["Rules"][0]["Actions"]
    weights = [group["Weight"] for group in actions[0]["ForwardConfig"]["TargetGroups"]]
    assert weights == [100, 0]
    assert changes == ["modified"]
    assert read_weights.fn(platform, "web") == BLUE


def test_nothing_to_move_is_done_at_once(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        shift_traffic.fn(platform, {})
    assert not caplog.records


def test_targets_are_counted_by_state_with_reasons(platform: Platform, stub: Any) -> None:
    def target(number: int, state: str, reason: str = "") -> dict[str, Any]:
        health = {"State": state, **({"Reason": reason, "Description": "as said"} if reason else {})}
        return {"Target": {"Id": f"127.0.1.{number}"}, "TargetHealth": health}

    states = [
        target(1, "healthy"),
        target(2, "healthy"),
        target(3, "unhealthy", "Target.ResponseCodeMismatch"),
        target(4, "initial", "Elb.RegistrationInProgress"),
        target(5, "draining", "Target.DeregistrationInProgress"),
        target(6, "unused", "Target.NotInUse"),
    ]
    stub("elbv2", ("describe_target_health", {"TargetHealthDescriptions": states}))
    counts = count_targets.fn(platform, "web", "blue")
    assert (counts.healthy, counts.unhealthy, counts.initial, counts.draining) == (2, 2, 1, 1)
    assert counts.reasons[0] == "127.0.1.3: unhealthy Target.ResponseCodeMismatch as said"
