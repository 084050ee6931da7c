from dataclasses import replace
from typing import Any

import pytest
from moto_platform import PROJECT, a_release, client, push, register_template

from decisions.errors import CloudUnavailable, StepFailed
from decisions.release import Release
from tasks import preflight as preflight_module
from tasks.preflight import preflight
from tasks.topology import Platform


@pytest.fixture
def release(platform: Platform) -> Release:
    return replace(a_release(), images=(push("backend", "2"), push("web", "2")))


def alarm(name: str, state: str) -> None:
    client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName="x",
        Namespace="x",
        Period=60,
        Statistic="Sum",
        Threshold=1,
    )
    client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")


def test_all_is_well_on_a_platform_that_is_whole(platform: Platform, release: Release) -> None:
    checks = preflight.fn(platform, release)
    assert [check.name for check in checks] == [
        "alarms",
        "backend: image",
        "backend: template",
        "backend: rules",
        "web: image",
        "web: template",
        "web: rules",
    ]
    assert all(check.ok for check in checks)


def test_an_image_that_is_gone_is_named(platform: Platform, release: Release) -> None:
    image = release.image("web")
    client("ecr").batch_delete_image(
        repositoryName=image.repository, imageIds=[{"imageDigest": image.digest}]
    )
    with pytest.raises(StepFailed, match=rf"1 of 7 checks say no: web: image.*{image.digest}"):
        preflight.fn(platform, release)


def test_secrets_and_parameters_of_the_template_are_looked_for(platform: Platform, release: Release) -> None:
    secret = client("secretsmanager").create_secret(Name="db", SecretString="{}")["ARN"]
    register_template("production", "web", secret=f"{secret}:url::")
    client("ssm").put_parameter(Name="/flags", Value="x", Type="SecureString")
    register_template("production", "backend", secret="arn:aws:ssm:eu-central-1:1:parameter/flags")
    assert {check.detail for check in preflight.fn(platform, release) if "template" in check.name} == {
        f"{PROJECT}-production-web-template, 1 secrets",
        f"{PROJECT}-production-backend-template, 1 secrets",
    }


def test_missing_secrets_and_parameters_are_all_named(platform: Platform, release: Release) -> None:
    gone = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:gone-abcdef"
    register_template("production", "web", secret=f"{gone}:url::")
    register_template("production", "backend", secret="/no/such")
    with pytest.raises(StepFailed) as caught:
        preflight.fn(platform, release)
    assert caught.value.seen.startswith("2 of 7 checks say no")
    assert gone in caught.value.seen
    assert "parameter /no/such: does not exist" in caught.value.seen


def test_a_secret_that_is_being_deleted_is_not_there(platform: Platform, release: Release) -> None:
    secret = client("secretsmanager").create_secret(Name="db", SecretString="{}")["ARN"]
    client("secretsmanager").delete_secret(SecretId=secret)
    register_template("production", "web", secret=secret)
    with pytest.raises(StepFailed, match="is being deleted since"):
        preflight.fn(platform, release)


def test_a_rule_that_lost_a_side_is_named(platform: Platform, release: Release) -> None:
    names = platform.service("web")
    client("elbv2").modify_rule(
        RuleArn=names.test_rule_arn,
        Actions=[{"Type": "forward", "TargetGroupArn": names.blue.target_group_arn}],
    )
    with pytest.raises(StepFailed, match=rf"test rule .*does not forward to {names.green.target_group_arn}"):
        preflight.fn(platform, release)


def test_a_red_guard_alarm_stops_the_release_and_others_do_not(platform: Platform, release: Release) -> None:
    alarm("verificadores-staging-errors", "ALARM")
    alarm("verificadores-production-latency", "OK")
    preflight.fn(platform, release)
    alarm("verificadores-production-errors", "ALARM")
    with pytest.raises(StepFailed, match="alarms: red already: verificadores-production-errors"):
        preflight.fn(platform, release)


def test_a_hiccup_of_aws_is_not_a_no(
    platform: Platform, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(*_arguments: Any) -> None:
        raise CloudUnavailable("x", "throttled")

    monkeypatch.setattr(preflight_module, "find_image", throttled)
    with pytest.raises(CloudUnavailable):
        preflight.fn(platform, release)
