"""What runs containers in one environment: cluster, roles, logs, templates, and a service per colour."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from localcloud import REGION
from localcloud.seeding.clients import Clients, once, unless_missing
from localcloud.seeding.plan import Plan, Service
from localcloud.seeding.traffic import Network, Traffic

ECS_MAY_ASSUME = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@dataclass(frozen=True)
class Template:
    """What the template task definition of a service refers to. Secrets by name."""

    family: str
    execution_role: str
    task_role: str
    log_group: str
    secrets: dict[str, str]


def seed_repositories(clients: Clients, plan: Plan) -> None:
    """The repositories exist; a tag in them never changes its meaning."""
    for service in plan.services:
        name = plan.repository(service)
        once(
            lambda name=name: clients.ecr.create_repository(  # type: ignore[misc]
                repositoryName=name, imageTagMutability="IMMUTABLE"
            ),
            lambda name=name: unless_missing(  # type: ignore[misc]
                lambda: clients.ecr.describe_repositories(repositoryNames=[name])
            ),
        )


def seed_templates(clients: Clients, plan: Plan, environment: str, secrets: dict[str, str]) -> None:
    """Cluster, roles and log groups exist, and a template task definition per service."""
    clients.ecs.create_cluster(clusterName=plan.stack(environment))  # answers the existing one when it exists
    execution = _role(clients, f"{plan.stack(environment)}-execution")
    for service in plan.services:
        family = plan.family(environment, service)
        template = Template(
            family=f"{family}-template",
            execution_role=execution,
            task_role=_role(clients, family),
            log_group=_log_group(clients, f"/{plan.path(environment, service.name)}"),
            secrets=secrets if service.uses_data else {},
        )
        once(
            lambda: clients.ecs.register_task_definition(**_definition(plan, environment, service, template)),  # noqa: B023
            lambda: _registered(clients, template.family),  # noqa: B023
        )


def _registered(clients: Clients, family: str) -> Any:
    found = clients.ecs.list_task_definitions(familyPrefix=family)["taskDefinitionArns"]
    return found or None


def _definition(plan: Plan, environment: str, service: Service, template: Template) -> dict[str, Any]:
    variables = {"APP_ENVIRONMENT": environment, "PORT": str(service.port)}
    keys = {
        "DATABASE_URL": ("database", "url"),
        "REDIS_URL": ("redis", "url"),
        "SESSION_KEY": ("app", "session_key"),
    }
    container = {
        "name": service.name,
        "image": plan.placeholder_image,
        "essential": True,
        "portMappings": [{"containerPort": service.port, "protocol": "tcp"}],
        "environment": [{"name": name, "value": value} for name, value in variables.items()],
        "secrets": [
            {"name": name, "valueFrom": f"{template.secrets[secret]}:{key}::"}
            for name, (secret, key) in keys.items()
            if template.secrets
        ],
        "stopTimeout": service.stop_timeout_s,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": template.log_group,
                "awslogs-region": REGION,
                "awslogs-stream-prefix": service.name,
            },
        },
    }
    return {
        "family": template.family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": service.cpu,
        "memory": service.memory,
        "executionRoleArn": template.execution_role,
        "taskRoleArn": template.task_role,
        "containerDefinitions": [container],
    }


def _role(clients: Clients, name: str) -> str:
    policy = json.dumps(ECS_MAY_ASSUME)
    arn: str = once(
        lambda: clients.iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy),
        lambda: unless_missing(lambda: clients.iam.get_role(RoleName=name)),
    )["Role"]["Arn"]
    return arn


def _log_group(clients: Clients, name: str) -> str:
    found = clients.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    if name not in {group["logGroupName"] for group in found}:
        clients.logs.create_log_group(logGroupName=name)
    return name


def seed_services(clients: Clients, plan: Plan, environment: str, placed: tuple[Network, Traffic]) -> None:
    """A service per colour, with no task: what runs, and how much of it, belongs to releases."""
    network, traffic = placed
    cluster = plan.stack(environment)
    names = {
        f"{service.name}-{colour}": (service, colour) for service in plan.services for colour in plan.colours
    }
    described = clients.ecs.describe_services(cluster=cluster, services=list(names))["services"]
    existing = {service["serviceName"] for service in described if service["status"] == "ACTIVE"}
    for name in sorted(set(names) - existing):
        service, colour = names[name]
        group = traffic.groups[service.name, colour]
        clients.ecs.create_service(
            cluster=cluster,
            serviceName=name,
            taskDefinition=f"{plan.family(environment, service)}-template",
            desiredCount=0,
            launchType="FARGATE",
            loadBalancers=[
                {"targetGroupArn": group, "containerName": service.name, "containerPort": service.port}
            ],
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": network.subnets,
                    "securityGroups": [network.security_group],
                    "assignPublicIp": "DISABLED",
                }
            },
            healthCheckGracePeriodSeconds=plan.health_check.grace_s,
            deploymentConfiguration={"minimumHealthyPercent": 100, "maximumPercent": 200},
        )
