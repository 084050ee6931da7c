"""The platform that Terraform makes, made in moto: control plane only, so its lies are those of moto.

Target health in moto is `healthy` for whatever is registered; percentiles of metrics are not answered.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from typing import Any

import boto3

from decisions.release import COLOURS, Image, Release
from tasks.environments import read_environment
from tasks.topology import Platform, ServiceNames, SideNames

client: Any = lru_cache(boto3.client)
"""Clients are dear to make; moto is behind all of them, whenever they were made."""

PROJECT = "verificadores"
SERVICES = {"backend": 3000, "web": 8080}


def seed(environment: str = "production") -> None:
    """Everything that a release of this environment touches exists, and serves nobody."""
    subnet = _subnets()
    balancer = _balancer(environment, subnet)
    parameters = {
        "ecs/cluster": f"{PROJECT}-{environment}",
        "ledger/table": f"{PROJECT}-ledger",
        "alb/load_balancer": balancer["LoadBalancerArn"].split("loadbalancer/")[1],
        "alb/url": "http://127.0.0.1:8080",
        "alb/test_url": "http://127.0.0.1:8081",
        "network/subnets": ",".join(subnet),
        "network/security_groups": "sg-1",
    }
    client("ecs").create_cluster(clusterName=parameters["ecs/cluster"])
    create_table(parameters["ledger/table"])
    listeners = [_listener(balancer["LoadBalancerArn"], port) for port in (8080, 8081)]
    for priority, service in enumerate(SERVICES, start=1):
        parameters |= _service(environment, service, priority, listeners)
    ssm = client("ssm")
    for name, value in parameters.items():
        several = name.startswith("network/")
        ssm.put_parameter(
            Name=f"/{PROJECT}/{environment}/{name}",
            Value=value,
            Type="StringList" if several else "String",
        )


def _subnets() -> list[str]:
    found = client("ec2").describe_subnets()["Subnets"]
    return [subnet["SubnetId"] for subnet in found][:2]


def _balancer(environment: str, subnets: list[str]) -> Any:
    elbv2 = client("elbv2")
    return elbv2.create_load_balancer(Name=f"{PROJECT}-{environment}", Subnets=subnets)["LoadBalancers"][0]


def _listener(balancer: str, port: int) -> str:
    refuse: Any = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    made = client("elbv2").create_listener(
        LoadBalancerArn=balancer, Port=port, Protocol="HTTP", DefaultActions=[refuse]
    )
    return str(made["Listeners"][0]["ListenerArn"])


def create_table(name: str) -> None:
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )


def _service(environment: str, service: str, priority: int, listeners: list[str]) -> dict[str, str]:
    elbv2, ecs = client("elbv2"), client("ecs")
    vpc = client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    template = f"{PROJECT}-{environment}-{service}-template"
    register_template(environment, service)
    client("ecr").create_repository(repositoryName=f"{PROJECT}/{service}", imageTagMutability="IMMUTABLE")
    at = f"services/{service}"
    parameters = {
        f"{at}/repository": f"{PROJECT}/{service}",
        f"{at}/template_family": template,
        f"{at}/family": f"{PROJECT}-{environment}-{service}",
        f"{at}/container": service,
        f"{at}/port": str(SERVICES[service]),
    }
    groups = {}
    for colour in COLOURS:
        made = elbv2.create_target_group(
            Name=f"{environment}-{service}-{colour}",
            Protocol="HTTP",
            Port=SERVICES[service],
            VpcId=vpc,
            TargetType="ip",
        )
        groups[colour] = made["TargetGroups"][0]["TargetGroupArn"]
        ecs.create_service(
            cluster=f"{PROJECT}-{environment}",
            serviceName=f"{service}-{colour}",
            taskDefinition=template,
            desiredCount=0,
        )
        parameters[f"{at}/{colour}/service"] = f"{service}-{colour}"
        parameters[f"{at}/{colour}/target_group_arn"] = groups[colour]
    for name, listener, weights in zip(
        ("rule_arn", "test_rule_arn"), listeners, ((100, 0), (0, 100)), strict=True
    ):
        rule = elbv2.create_rule(
            ListenerArn=listener,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": [f"/{service}/*"]}],
            Actions=[
                {
                    "Type": "forward",
                    "ForwardConfig": {
                        "TargetGroups": [
                            {"TargetGroupArn": groups[colour], "Weight": weight}
                            for colour, weight in zip(COLOURS, weights, strict=True)
                        ]
                    },
                }
            ],
        )
        parameters[f"{at}/{name}"] = rule["Rules"][0]["RuleArn"]
    return parameters


def register_template(environment: str, service: str, container: str = "", secret: str = "") -> str:
    """A new revision of Terraform's template."""
    made = client("ecs").register_task_definition(
        family=f"{PROJECT}-{environment}-{service}-template",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        executionRoleArn="arn:aws:iam::123456789012:role/execution",
        containerDefinitions=[
            {
                "name": container or service,
                "image": "public.ecr.aws/docker/library/busybox:stable",
                "memory": 512,
                "essential": True,
                "environment": [
                    {"name": "APP_ENVIRONMENT", "value": environment},
                    {"name": "APP_VERSION", "value": "none"},
                ],
                "secrets": [{"name": "DATABASE_URL", "valueFrom": secret}] if secret else [],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": f"/{PROJECT}/{environment}/{service}",
                        "awslogs-region": "eu-central-1",
                        "awslogs-stream-prefix": "app",
                    },
                },
            }
        ],
    )
    return str(made["taskDefinition"]["taskDefinitionArn"])


def push(service: str, version: str, config: str = "") -> Image:
    """An image of that version is in the registry; `config` is what its content depends on."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "c", "size": 1, "digest": config or f"sha256:config-{version}"},
        "layers": [{"mediaType": "l", "size": 1, "digest": f"sha256:layer-{service}-{version}"}],
    }
    made = client("ecr").put_image(
        repositoryName=f"{PROJECT}/{service}", imageManifest=json.dumps(manifest), imageTag=version
    )
    return Image(service, f"{PROJECT}/{service}", made["image"]["imageId"]["imageDigest"], version)


def register_targets(platform: Platform, service: str, colour: Any, count: int = 1) -> None:
    """That side has so many targets, which moto calls healthy."""
    client("elbv2").register_targets(
        TargetGroupArn=platform.service(service).side(colour).target_group_arn,
        Targets=[{"Id": f"127.0.1.{number}"} for number in range(1, count + 1)],
    )


def with_policy(platform: Platform, **changes: Any) -> Platform:
    """The platform with other numbers in its policy."""
    policy = platform.environment.policy.model_copy(update=changes)
    return replace(platform, environment=platform.environment.model_copy(update={"policy": policy}))


def a_release(release_id: str = "r1", started: float = 1.0, **changes: Any) -> Release:
    """A release of version 2 of both services."""
    images = tuple(Image(name, f"{PROJECT}/{name}", f"sha256:{name}2", "2") for name in SERVICES)
    return replace(
        Release(release_id, "production", "2", images, requested_by="ana", started=started), **changes
    )


def imagined(environment: str = "production") -> Platform:
    """A platform of names alone, for whatever asks AWS for little: nothing of it exists."""
    arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012"

    def side(service: str, colour: str) -> SideNames:
        group = f"targetgroup/{environment}-{service}-{colour}/1"
        return SideNames(f"{service}-{colour}", f"{arn}:{group}", group)

    def names(service: str) -> ServiceNames:
        family = f"{PROJECT}-{environment}-{service}"
        return ServiceNames(
            name=service,
            rule_arn=f"{arn}:listener-rule/{service}",
            test_rule_arn=f"{arn}:listener-rule/{service}-test",
            repository=f"{PROJECT}/{service}",
            template_family=f"{family}-template",
            family=family,
            container=service,
            port=SERVICES[service],
            blue=side(service, "blue"),
            green=side(service, "green"),
        )

    return Platform(
        environment=read_environment(environment),
        cluster=f"{PROJECT}-{environment}",
        ledger_table=f"{PROJECT}-ledger",
        load_balancer=f"app/{PROJECT}-{environment}/1",
        url="http://127.0.0.1:8080",
        test_url="http://127.0.0.1:8081",
        subnets=("subnet-1", "subnet-2"),
        security_groups=("sg-1",),
        services={service: names(service) for service in SERVICES},
    )
