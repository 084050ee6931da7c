"""Target health: real probes, AWS's states and reasons."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.docker


def health(lb: Any, colour: str = "blue", **target: Any) -> dict[str, str]:
    asked = {"Targets": [target]} if target else {}
    found = lb.world.elb.describe_target_health(TargetGroupArn=lb.groups[colour], **asked)
    said: dict[str, str] = found["TargetHealthDescriptions"][0]["TargetHealth"]
    return said


def register(lb: Any, server: Any, colour: str = "blue") -> None:
    target = {"Id": server.address, "Port": server.port}
    lb.world.elb.register_targets(TargetGroupArn=lb.groups[colour], Targets=[target])


def wait_for(lb: Any, state: str, colour: str = "blue") -> dict[str, str]:
    until = time.monotonic() + 30
    while health(lb, colour)["State"] != state:
        assert time.monotonic() < until, health(lb, colour)
        time.sleep(0.05)
    return health(lb, colour)


def test_a_new_target_is_initial_until_it_passes_and_unhealthy_when_it_fails_as_in_aws(
    world: Any, upstream: Any
) -> None:
    lb, server = world.balanced(), upstream("1")
    server.status = 500
    register(lb, server)
    assert health(lb)["State"] == "initial"
    assert health(lb)["Reason"] in {"Elb.RegistrationInProgress", "Elb.InitialHealthChecking"}
    said = wait_for(lb, "unhealthy")
    assert said["Reason"] == "Target.ResponseCodeMismatch"
    assert said["Description"] == "Health checks failed with these codes: [500]"
    server.status = 200
    begun = time.monotonic()
    assert wait_for(lb, "healthy") == {"State": "healthy"}
    assert time.monotonic() - begun > 5, "an unhealthy target needs two passes, an interval apart"


def test_a_target_of_a_group_that_no_rule_uses_is_unused(world: Any, upstream: Any) -> None:
    lb, server = world.balanced(), upstream("1")
    alone = world.group(world.name("alone"))
    target = {"Id": server.address, "Port": server.port}
    world.elb.register_targets(TargetGroupArn=alone, Targets=[target])
    lb.groups["alone"] = alone
    assert health(lb, "alone")["Reason"] == "Target.NotInUse"
    action = {"Type": "forward", "TargetGroupArn": alone}
    world.elb.modify_listener(ListenerArn=lb.listener, DefaultActions=[action])
    wait_for(lb, "healthy", "alone")
    assert health(lb, "blue", Id="127.0.0.9", Port=1)["Reason"] == "Target.NotRegistered"


def test_a_deregistered_target_drains_and_is_gone_as_in_aws(world: Any, upstream: Any) -> None:
    lb, server = world.balanced(), upstream("1")
    register(lb, server)
    wait_for(lb, "healthy")
    target = {"Id": server.address, "Port": server.port}
    world.elb.deregister_targets(TargetGroupArn=lb.groups["blue"], Targets=[target])
    assert health(lb)["Reason"] == "Target.DeregistrationInProgress"
    assert httpx.get(lb.url).status_code == 503
    time.sleep(2)
    assert (
        world.elb.describe_target_health(TargetGroupArn=lb.groups["blue"])["TargetHealthDescriptions"] == []
    )
    with pytest.raises(world.elb.exceptions.InvalidTargetException):
        world.elb.deregister_targets(TargetGroupArn=lb.groups["blue"], Targets=[target])


def test_a_target_that_went_away_answers_502_until_it_is_unhealthy_as_in_aws(
    world: Any, upstream: Any
) -> None:
    lb, gone, stays = world.balanced(), upstream("1"), upstream("2")
    register(lb, gone)
    register(lb, stays)
    lb.wait("blue", 2)
    begun = time.time()
    gone.close()
    codes = [httpx.get(lb.url).status_code for _ in range(20)]
    assert codes.count(502) == 10, "round robin, and nothing is retried"
    time.sleep(1.5)
    errors = world.metric("TargetConnectionErrorCount", "Sum", lb.dimensions("blue"), begun)
    assert sum(errors) == 10
    assert sum(world.metric("HTTPCode_ELB_502_Count", "Sum", lb.dimensions(), begun)) == 10
    assert world.metric("HTTPCode_ELB_5XX_Count", "Sum", lb.dimensions("blue"), begun) == []
    until = time.monotonic() + 30
    while lb.states("blue") != ["healthy", "unhealthy"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(0.3)
    assert {httpx.get(lb.url).headers["x-version"] for _ in range(10)} == {"2"}


def test_a_program_that_does_not_listen_is_502_at_once_and_never_a_hang(world: Any) -> None:
    lb = world.balanced()
    arn = world.run(world.definition(START_S="600"))
    address = world.running(arn)["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    world.elb.register_targets(TargetGroupArn=lb.groups["blue"], Targets=[{"Id": address, "Port": 3000}])
    assert httpx.get(lb.url).status_code == 503, "an initial target gets nothing"
    assert wait_for(lb, "unhealthy")["Reason"] == "Target.FailedHealthChecks"
    time.sleep(0.5)
    begun = time.monotonic()
    assert httpx.get(lb.url).status_code == 502, "only unhealthy targets: all of them get requests"
    assert time.monotonic() - begun < 5
