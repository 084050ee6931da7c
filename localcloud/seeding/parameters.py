"""The SSM parameters of one environment: how flows find what Terraform made."""

from __future__ import annotations

from localcloud.seeding.clients import Clients
from localcloud.seeding.plan import Plan
from localcloud.seeding.traffic import Network, Traffic


def seed_parameters(clients: Clients, plan: Plan, environment: str, placed: tuple[Network, Traffic]) -> None:
    """Every parameter holds its value; those that did already are not written again."""
    network, traffic = placed
    prefix = f"/{plan.project}/{environment}"
    lists = {"network/subnets": network.subnets, "network/security_groups": [network.security_group]}
    wanted = {
        f"{prefix}/{name}": (value, "String") for name, value in _values(plan, environment, traffic).items()
    }
    wanted |= {f"{prefix}/{name}": (",".join(values), "StringList") for name, values in lists.items()}
    known = _known(clients, prefix)
    for name, (value, kind) in wanted.items():
        if known.get(name) != value:
            clients.ssm.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)


def _known(clients: Clients, prefix: str) -> dict[str, str]:
    pages = clients.ssm.get_paginator("get_parameters_by_path").paginate(Path=prefix, Recursive=True)
    return {parameter["Name"]: parameter["Value"] for page in pages for parameter in page["Parameters"]}


def urls(plan: Plan, traffic: Traffic) -> dict[str, str]:
    """Where people and tests reach the environment."""
    balancer = plan.load_balancer
    return {
        "url": f"http://{traffic.address}:{balancer.port}",
        "test_url": f"http://{traffic.address}:{balancer.test_port}",
    }


def _values(plan: Plan, environment: str, traffic: Traffic) -> dict[str, str]:
    reached = urls(plan, traffic)
    values = {
        "ecs/cluster": plan.stack(environment),
        "ledger/table": plan.ledger,
        "alb/load_balancer": traffic.load_balancer_arn.rpartition("loadbalancer/")[2],
        "alb/url": reached["url"],
        "alb/test_url": reached["test_url"],
    }
    for service in plan.services:
        family, of = plan.family(environment, service), f"services/{service.name}"
        values |= {
            f"{of}/rule_arn": traffic.rules[service.name],
            f"{of}/test_rule_arn": traffic.test_rules[service.name],
            f"{of}/repository": plan.repository(service),
            f"{of}/template_family": f"{family}-template",
            f"{of}/family": family,
            f"{of}/container": service.name,
            f"{of}/port": str(service.port),
        }
        for colour in plan.colours:
            values[f"{of}/{colour}/service"] = f"{service.name}-{colour}"
            values[f"{of}/{colour}/target_group_arn"] = traffic.groups[service.name, colour]
    return values
