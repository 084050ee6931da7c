"""The platform that `up` seeds: what Terraform would have made, with the same names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
import redis

if TYPE_CHECKING:
    from tests.localcloud.conftest import Cloud

pytestmark = pytest.mark.docker

ENVIRONMENTS = ["staging", "production"]
SERVICES = ["backend", "web"]


@pytest.fixture(scope="module")
def platform(new_cloud: Any) -> Iterator[Cloud]:
    """An instance with the platform on it."""
    instance: Cloud = new_cloud()
    instance.cli("up")
    yield instance
    instance.cli("down")


def parameters(cloud: Cloud, environment: str) -> dict[str, str]:
    pages = cloud.client("ssm").get_paginator("get_parameters_by_path")
    prefix = f"/verificadores/{environment}/"
    return {
        parameter["Name"].removeprefix(prefix): parameter["Value"]
        for page in pages.paginate(Path=prefix, Recursive=True)
        for parameter in page["Parameters"]
    }


def secret(cloud: Cloud, name: str) -> dict[str, Any]:
    value = cloud.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    content: dict[str, Any] = json.loads(value)
    return content


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_ssm_holds_exactly_the_parameters_that_flows_read(platform: Cloud, environment: str) -> None:
    expected = {"ecs/cluster", "ledger/table", "network/subnets", "network/security_groups"}
    expected |= {f"alb/{name}" for name in ("load_balancer", "url", "test_url")}
    names = ("rule_arn", "test_rule_arn", "repository", "template_family", "family", "container", "port")
    for service in SERVICES:
        expected |= {f"services/{service}/{name}" for name in names}
        for colour in ("blue", "green"):
            expected |= {f"services/{service}/{colour}/{name}" for name in ("service", "target_group_arn")}
    assert set(parameters(platform, environment)) == expected


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_parameter_names_something_that_exists(platform: Cloud, environment: str) -> None:
    found, elb, ecs = parameters(platform, environment), platform.client("elbv2"), platform.client("ecs")
    for service in SERVICES:
        of = f"services/{service}"
        for colour in ("blue", "green"):
            group = found[f"{of}/{colour}/target_group_arn"]
            checked = elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]
            assert checked["HealthCheckPath"] == "/health/ready"
            name = found[f"{of}/{colour}/service"]
            seen = ecs.describe_services(cluster=found["ecs/cluster"], services=[name])["services"][0]
            assert (seen["status"], seen["desiredCount"]) == ("ACTIVE", 0)
            assert seen["loadBalancers"][0]["targetGroupArn"] == group
            assert seen["loadBalancers"][0]["containerPort"] == int(found[f"{of}/port"])
        template = ecs.describe_task_definition(taskDefinition=found[f"{of}/template_family"])
        container = template["taskDefinition"]["containerDefinitions"][0]
        assert container["name"] == found[f"{of}/container"]
        repository = platform.client("ecr").describe_repositories(repositoryNames=[found[f"{of}/repository"]])
        assert repository["repositories"][0]["imageTagMutability"] == "IMMUTABLE"


@pytest.mark.parametrize(("name", "blue", "green"), [("rule_arn", 100, 0), ("test_rule_arn", 0, 100)])
def test_production_traffic_goes_to_blue_and_test_traffic_to_green(
    platform: Cloud, name: str, blue: int, green: int
) -> None:
    found = parameters(platform, "production")
    for service in SERVICES:
        rule = platform.client("elbv2").describe_rules(RuleArns=[found[f"services/{service}/{name}"]])
        groups = rule["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"]
        weights = {group["TargetGroupArn"]: group["Weight"] for group in groups}
        assert weights == {
            found[f"services/{service}/blue/target_group_arn"]: blue,
            found[f"services/{service}/green/target_group_arn"]: green,
        }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_urls_of_secrets_and_endpoints_answer(platform: Cloud, environment: str) -> None:
    database = secret(platform, f"verificadores/{environment}/database")
    assert set(database) == {"host", "port", "username", "password", "dbname", "url"}
    with psycopg.connect(database["url"]) as connection:
        connection.execute("create table proof (x int)")
        connection.rollback()
    assert redis.Redis.from_url(secret(platform, f"verificadores/{environment}/redis")["url"]).ping()
    assert secret(platform, f"verificadores/{environment}/app")["session_key"]
    urls = platform.endpoints["environments"][environment]
    found = parameters(platform, environment)
    assert urls == {"url": found["alb/url"], "test_url": found["alb/test_url"]}
    for url in urls.values():
        assert httpx.get(f"{url}/api/version").status_code == 503  # no target yet


def test_the_template_of_the_backend_has_its_settings_and_secrets(platform: Cloud) -> None:
    answer = platform.client("ecs").describe_task_definition(
        taskDefinition="verificadores-staging-backend-template"
    )
    container = answer["taskDefinition"]["containerDefinitions"][0]
    assert {item["name"]: item["value"] for item in container["environment"]} == {
        "APP_ENVIRONMENT": "staging",
        "PORT": "3000",
    }
    secrets = {item["name"]: item["valueFrom"] for item in container["secrets"]}
    assert set(secrets) == {"DATABASE_URL", "REDIS_URL", "SESSION_KEY"}
    assert secrets["DATABASE_URL"].endswith(":url::")
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/verificadores/staging/backend"


def test_a_second_up_changes_nothing_even_when_the_addresses_were_forgotten(platform: Cloud) -> None:
    elb, ecs = platform.client("elbv2"), platform.client("ecs")
    rule = parameters(platform, "staging")["services/web/rule_arn"]
    groups = elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"]
    shifted = [{**group, "Weight": 50} for group in groups]
    elb.modify_rule(RuleArn=rule, Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": shifted}}])
    before = {environment: parameters(platform, environment) for environment in ENVIRONMENTS}
    password = secret(platform, "verificadores/staging/database")["password"]
    endpoints = platform.endpoints
    path = platform.state / "endpoints.json"
    path.write_text(json.dumps({**endpoints, "environments": {}}))
    platform.cli("up")
    assert platform.endpoints == endpoints
    assert {environment: parameters(platform, environment) for environment in ENVIRONMENTS} == before
    assert secret(platform, "verificadores/staging/database")["password"] == password
    after = elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"]
    assert [group["Weight"] for group in after] == [50, 50]
    assert len(ecs.list_task_definitions()["taskDefinitionArns"]) == len(ENVIRONMENTS) * len(SERVICES)
