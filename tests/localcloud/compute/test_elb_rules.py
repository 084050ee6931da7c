"""Rules: who gets which request, and what is refused."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.docker


@pytest.fixture
def lb(world: Any, upstream: Any) -> Any:
    made = world.balanced()
    made.servers = {}
    for colour in ("blue", "green"):
        server = made.servers[colour] = upstream(colour)
        target = {"Id": server.address, "Port": server.port}
        world.elb.register_targets(TargetGroupArn=made.groups[colour], Targets=[target])
    made.wait("blue", 1)
    made.wait("green", 1)
    return made


def add(lb: Any, priority: int, action: dict[str, Any], *conditions: dict[str, Any]) -> str:
    made = lb.world.elb.create_rule(
        ListenerArn=lb.listener, Priority=priority, Conditions=list(conditions), Actions=[action]
    )
    return str(made["Rules"][0]["RuleArn"])


def green(lb: Any) -> dict[str, str]:
    return {"Type": "forward", "TargetGroupArn": lb.groups["green"]}


def to(lb: Any, path: str = "/", **headers: str) -> str:
    return str(httpx.get(lb.url + path, headers=headers).headers["x-version"])


PATHS = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api", "/api/*", "/x?z/*.js"]}}
HOST = {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}}
HEADER = {
    "Field": "http-header",
    "HttpHeaderConfig": {"HttpHeaderName": "X-Canary", "Values": ["yes", "on*"]},
}
QUERY = {
    "Field": "query-string",
    "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}, {"Value": "beta"}]},
}
METHOD = {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["POST"]}}


def test_every_condition_lets_through_what_aws_would(lb: Any) -> None:
    rule = add(lb, 1, green(lb), PATHS)
    paths = ("/api", "/api/x?y=1", "/xyz/a.js", "/apis", "/", "/xyz/a.css")
    assert [to(lb, path) for path in paths] == ["green"] * 3 + ["blue"] * 3
    for condition, yes, no in (
        (HOST, {"Host": "a.Example.com"}, {"Host": "example.com"}),
        (HEADER, {"x-canary": "ONE"}, {"x-canary": "no"}),
    ):
        lb.world.elb.modify_rule(RuleArn=rule, Conditions=[condition])
        assert (to(lb, **yes), to(lb, **no)) == ("green", "blue")
    lb.world.elb.modify_rule(RuleArn=rule, Conditions=[QUERY])
    assert [to(lb, path) for path in ("/?v=2", "/?a=1&b=beta", "/?v=22", "/v=2")] == ["green"] * 2 + [
        "blue"
    ] * 2
    lb.world.elb.modify_rule(RuleArn=rule, Conditions=[PATHS, HOST])
    assert [to(lb, "/api", Host=host) for host in ("a.example.com", "other.org")] == ["green", "blue"]
    lb.world.elb.modify_rule(RuleArn=rule, Conditions=[METHOD])
    assert to(lb) == "blue"


def test_the_lowest_number_wins_and_priorities_can_be_changed(lb: Any) -> None:
    rule = add(lb, 20, green(lb), PATHS)
    assert to(lb, "/api") == "blue", "the rule /* has priority 10"
    lb.world.elb.set_rule_priorities(RulePriorities=[{"RuleArn": rule, "Priority": 5}])
    assert to(lb, "/api") == "green"
    lb.world.elb.delete_rule(RuleArn=rule)
    assert to(lb, "/api") == "blue"


def test_fixed_responses_and_redirects(lb: Any) -> None:
    fixed = {"StatusCode": "418", "ContentType": "application/json", "MessageBody": "{}"}
    add(lb, 1, {"Type": "fixed-response", "FixedResponseConfig": fixed}, PATHS)
    answer = httpx.get(lb.url + "/api")
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
        418,
        "{}",
        "application/json",
    )
    redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    add(lb, 2, {"Type": "redirect", "RedirectConfig": redirect}, HOST)
    answer = httpx.get(lb.url + "/a?b=c", headers={"Host": "a.example.com"})
    assert answer.status_code == 301
    assert answer.headers["location"].replace(":443", "") == "https://a.example.com/a?b=c"
    assert answer.headers["server"] == "awselb/2.0"


def test_weights_share_requests_and_zero_is_nothing(lb: Any) -> None:
    lb.shift(30, 70)
    with httpx.Client() as client:
        seen = Counter(client.get(lb.url).headers["x-version"] for _ in range(1000))
    assert 620 < seen["green"] < 780
    lb.shift(0, 1)
    assert {to(lb) for _ in range(20)} == {"green"}
    lb.shift(0, 0)
    assert httpx.get(lb.url).status_code == 503


def test_a_group_without_healthy_targets_keeps_its_share_as_in_aws(lb: Any) -> None:
    server = lb.servers["green"]
    target = {"Id": server.address, "Port": server.port}
    lb.world.elb.deregister_targets(TargetGroupArn=lb.groups["green"], Targets=[target])
    time.sleep(0.5)
    lb.shift(50, 50)
    codes = Counter(httpx.get(lb.url).status_code for _ in range(100))
    assert 20 < codes[503] < 80, "the other group does not step in"


def test_sticky_sessions_stay_with_their_group_and_their_target(lb: Any) -> None:
    sticky = {"Enabled": True, "DurationSeconds": 60}
    actions = lb.forward(50, 50)
    actions[0]["ForwardConfig"]["TargetGroupStickinessConfig"] = sticky
    lb.world.elb.modify_rule(RuleArn=lb.rule, Actions=actions)
    for _ in range(8):
        with httpx.Client() as client:
            assert len({client.get(lb.url).headers["x-version"] for _ in range(6)}) == 1
            assert "AWSALBTG" in client.cookies
    on = [{"Key": "stickiness.enabled", "Value": "true"}, {"Key": "stickiness.type", "Value": "lb_cookie"}]
    lb.world.elb.modify_target_group_attributes(TargetGroupArn=lb.groups["blue"], Attributes=on)
    lb.shift(1, 0)
    assert "AWSALB" in httpx.get(lb.url).cookies


def test_targets_learn_who_asked(lb: Any) -> None:
    httpx.get(lb.url + "/who")
    seen = lb.servers["blue"].seen[-1]
    assert ipaddress.ip_address(seen["x-forwarded-for"])  # of a client on loopback Envoy gives the host's own
    assert (seen["x-forwarded-port"], seen["x-forwarded-proto"]) == ("8080", "http")
    assert not [name for name in seen if name.startswith("x-envoy")]


def test_what_aws_refuses_is_refused_and_changes_nothing(lb: Any) -> None:
    elb = lb.world.elb
    before = elb.describe_rules(RuleArns=[lb.rule])["Rules"]
    unknown = lb.forward(1, 1)
    unknown[0]["ForwardConfig"]["TargetGroups"][1]["TargetGroupArn"] += "0"
    for actions, code in (
        (lb.forward(1000, 0), "ValidationError"),
        (lb.forward(-1, 0), "ValidationError"),
        (unknown, "TargetGroupNotFound"),
    ):
        with pytest.raises(ClientError) as refused:
            elb.modify_rule(RuleArn=lb.rule, Actions=actions)
        assert refused.value.response["Error"]["Code"] == code
    assert elb.describe_rules(RuleArns=[lb.rule])["Rules"] == before
    with pytest.raises(elb.exceptions.DuplicateListenerException):
        elb.create_listener(LoadBalancerArn=lb.arn, Protocol="HTTP", Port=8080, DefaultActions=[green(lb)])
    with pytest.raises(elb.exceptions.PriorityInUseException):
        add(lb, 10, green(lb), PATHS)
    with pytest.raises(elb.exceptions.RuleNotFoundException):
        elb.delete_rule(RuleArn=lb.rule + "0")
    default = next(r for r in elb.describe_rules(ListenerArn=lb.listener)["Rules"] if r["IsDefault"])
    with pytest.raises(elb.exceptions.OperationNotPermittedException):
        elb.delete_rule(RuleArn=default["RuleArn"])


def test_a_hundred_rules_stay_cheap(lb: Any) -> None:
    for number in range(100):
        path = {"Field": "path-pattern", "Values": [f"/service-{number}/*"]}
        add(lb, 100 + number, green(lb), path)
    begun = time.monotonic()
    for _ in range(10):
        lb.shift(0, 100)
        lb.shift(100, 0)
    assert (time.monotonic() - begun) / 20 < 0.5


def test_a_killed_envoy_comes_back_with_everything_it_knew(lb: Any) -> None:
    lb.shift(0, 100)
    assert "killed" in lb.world.cloud.cli("break", "balancer").stdout
    until = time.monotonic() + 20
    while True:
        try:
            assert to(lb) == "green"
            break
        except httpx.TransportError:
            assert time.monotonic() < until
            time.sleep(0.1)
    lb.shift(100, 0)
    assert to(lb) == "blue"
