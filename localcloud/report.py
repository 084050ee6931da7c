"""What `status` shows, asked as any client would ask: services, tasks, targets, weights, databases."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from localcloud import ACCESS_KEY, REGION
from localcloud.errors import LocalCloudError
from localcloud.state import Instance

Rows = list[dict[str, Any]]


def observe(instance: Instance) -> dict[str, Any]:
    """Everything that is there now, as JSON can hold it.

    Raises:
        LocalCloudError: the instance does not answer, or says no (a fault is on).
    """
    config = Config(retries={"total_max_attempts": 1})
    session = boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=REGION)

    def client(name: str) -> Any:
        return session.client(name, endpoint_url=instance.aws_url, config=config)  # type: ignore[call-overload]

    try:
        seen = {"name": instance.name, "aws": instance.aws_url}
        ecs, elb = client("ecs"), client("elbv2")
        return seen | {
            "services": _services(ecs),
            "tasks": _tasks(ecs),
            "targets": _targets(elb),
            "weights": _weights(elb),
            "databases": _databases(client("rds")) + _caches(client("elasticache")),
        }
    except (BotoCoreError, ClientError) as error:
        where = f"local cloud {instance.name}"
        raise LocalCloudError(where, f"does not say: {error}", "nothing was changed", "break none") from error


def _services(ecs: Any) -> Rows:
    rows: Rows = []
    for cluster in ecs.list_clusters()["clusterArns"]:
        arns = ecs.list_services(cluster=cluster, maxResults=100)["serviceArns"]
        for start in range(0, len(arns), 10):  # DescribeServices takes ten
            found = ecs.describe_services(cluster=cluster, services=arns[start : start + 10])
            rows += [
                {
                    "cluster": _last(cluster),
                    "service": service["serviceName"],
                    "task_definition": _last(service["taskDefinition"]),
                    "desired": service["desiredCount"],
                    "running": service["runningCount"],
                    "pending": service["pendingCount"],
                }
                for service in found["services"]
            ]
    return rows


def _tasks(ecs: Any) -> Rows:
    rows: Rows = []
    for cluster in ecs.list_clusters()["clusterArns"]:
        arns = ecs.list_tasks(cluster=cluster)["taskArns"]
        if not arns:
            continue
        rows += [
            {
                "cluster": _last(cluster),
                "task": _last(task["taskArn"]),
                "group": task.get("group", ""),
                "status": task["lastStatus"],
                "task_definition": _last(task["taskDefinitionArn"]),
            }
            for task in ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
        ]
    return rows


def _targets(elb: Any) -> Rows:
    rows: Rows = []
    for group in elb.describe_target_groups()["TargetGroups"]:
        health = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
        rows += [
            {
                "group": group["TargetGroupName"],
                "target": f"{target['Target']['Id']}:{target['Target']['Port']}",
                "state": target["TargetHealth"]["State"],
                "reason": target["TargetHealth"].get("Reason", ""),
            }
            for target in health["TargetHealthDescriptions"]
        ]
    return rows


def _weights(elb: Any) -> Rows:
    rows: Rows = []
    for balancer in elb.describe_load_balancers()["LoadBalancers"]:
        for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
            for rule in elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]:
                groups = [
                    group
                    for action in rule["Actions"]
                    for group in action.get("ForwardConfig", {}).get("TargetGroups", [])
                ]
                where = {"load_balancer": balancer["LoadBalancerName"], "port": listener["Port"]}
                rows += [
                    {**where, "group": group["TargetGroupArn"].split("/")[-2], "weight": group["Weight"]}
                    for group in groups
                ]
    return rows


def _databases(rds: Any) -> Rows:
    return [
        {
            "engine": f"postgres {database['EngineVersion']}",
            "name": database["DBInstanceIdentifier"],
            "status": database["DBInstanceStatus"],
            "address": _address(database.get("Endpoint")),
        }
        for database in rds.describe_db_instances()["DBInstances"]
    ]


def _caches(elasticache: Any) -> Rows:
    return [
        {
            "engine": group["Engine"],
            "name": group["ReplicationGroupId"],
            "status": group["Status"],
            "address": _address(group["NodeGroups"][0].get("PrimaryEndpoint")),
        }
        for group in elasticache.describe_replication_groups()["ReplicationGroups"]
    ]


def _address(endpoint: dict[str, Any] | None) -> str:
    return f"{endpoint['Address']}:{endpoint['Port']}" if endpoint else ""


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]


def as_text(seen: dict[str, Any]) -> str:
    """The same for people."""
    console = Console(width=120)
    with console.capture() as text:
        console.print(f"local cloud {seen['name']}   {seen['aws']}")
        for name, rows in seen.items():
            if isinstance(rows, list):
                console.print(_table(name, rows) if rows else f"{name}: none")
    return text.get().rstrip()


def _table(name: str, rows: Rows) -> Table:
    table = Table(title=name, title_justify="left", box=None)
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(str, row.values()))
    return table
