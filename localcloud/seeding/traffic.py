"""One environment's load balancer: target groups per colour, listeners, a weighted rule per service."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from localcloud.seeding.clients import Clients, once, unless_missing
from localcloud.seeding.plan import Plan, Service


@dataclass(frozen=True)
class Network:
    """Where the environment's tasks live."""

    vpc: str
    subnets: list[str]
    security_group: str


@dataclass
class Traffic:
    """ARNs and addresses of what was seeded. Target groups by (service, colour), rules by service."""

    load_balancer_arn: str
    address: str
    groups: dict[tuple[str, str], str] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    test_rules: dict[str, str] = field(default_factory=dict)


def seed_network(clients: Clients, plan: Plan, environment: str) -> Network:
    """The default VPC with its subnets, and a security group of the environment's own."""
    vpc = clients.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    inside = [{"Name": "vpc-id", "Values": [vpc]}]
    subnets = clients.ec2.describe_subnets(Filters=inside)["Subnets"]
    name = plan.stack(environment)
    named = [*inside, {"Name": "group-name", "Values": [name]}]
    groups = clients.ec2.describe_security_groups(Filters=named)["SecurityGroups"]
    group = (
        groups[0]
        if groups
        else clients.ec2.create_security_group(GroupName=name, Description=f"tasks of {name}", VpcId=vpc)
    )
    return Network(vpc, sorted(subnet["SubnetId"] for subnet in subnets), group["GroupId"])


def seed_traffic(clients: Clients, plan: Plan, environment: str, network: Network) -> Traffic:
    """Both listeners answer: 503 where a rule has no target yet, 404 where no rule matches."""
    balancer = seed_load_balancer(clients, plan, environment, network)
    traffic = Traffic(balancer["LoadBalancerArn"], balancer["DNSName"])
    for service in plan.services:
        for colour in plan.colours:
            name = f"{environment}-{service.name}-{colour}"
            traffic.groups[service.name, colour] = _target_group(clients, plan, name, (service, network))
    first, second = plan.colours
    ports = (
        (plan.load_balancer.port, traffic.rules, first),
        (plan.load_balancer.test_port, traffic.test_rules, second),
    )
    for port, rules, serving in ports:
        listener = _listener(clients, traffic.load_balancer_arn, port)
        for service in plan.services:
            weights = {
                traffic.groups[service.name, colour]: 100 if colour == serving else 0
                for colour in plan.colours
            }
            rules[service.name] = _rule(clients, listener, service, weights)
    return traffic


def seed_load_balancer(clients: Clients, plan: Plan, environment: str, network: Network) -> dict[str, Any]:
    """The load balancer exists; as AWS describes it."""
    name, elb = plan.stack(environment), clients.elbv2
    answer = once(
        lambda: elb.create_load_balancer(
            Name=name,
            Subnets=network.subnets,
            SecurityGroups=[network.security_group],
            Type="application",
            Scheme="internet-facing",
        ),
        lambda: unless_missing(lambda: elb.describe_load_balancers(Names=[name])),
    )
    balancer: dict[str, Any] = answer["LoadBalancers"][0]
    timeout = {"Key": "idle_timeout.timeout_seconds", "Value": str(plan.load_balancer.idle_timeout_s)}
    elb.modify_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"], Attributes=[timeout])
    return balancer


def _target_group(clients: Clients, plan: Plan, name: str, owner: tuple[Service, Network]) -> str:
    service, network = owner
    elb, check = clients.elbv2, plan.health_check
    arn: str = once(
        lambda: elb.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=service.port,
            VpcId=network.vpc,
            TargetType="ip",
            HealthCheckPath=check.path,
            HealthCheckIntervalSeconds=check.interval_s,
            HealthCheckTimeoutSeconds=check.timeout_s,
            HealthyThresholdCount=check.healthy_threshold,
            UnhealthyThresholdCount=check.unhealthy_threshold,
            Matcher={"HttpCode": "200"},
        ),
        lambda: unless_missing(lambda: elb.describe_target_groups(Names=[name])),
    )["TargetGroups"][0]["TargetGroupArn"]
    delay = {
        "Key": "deregistration_delay.timeout_seconds",
        "Value": str(plan.load_balancer.deregistration_delay_s),
    }
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
    return arn


def _listener(clients: Clients, balancer: str, port: int) -> str:
    elb = clients.elbv2

    def find() -> str | None:
        listeners = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        return next((listener["ListenerArn"] for listener in listeners if listener["Port"] == port), None)

    nothing_here = {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "not found\n"}
    return once(
        lambda: str(
            elb.create_listener(
                LoadBalancerArn=balancer,
                Protocol="HTTP",
                Port=port,
                DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": nothing_here}],
            )["Listeners"][0]["ListenerArn"]
        ),
        find,
    )


def _rule(clients: Clients, listener: str, service: Service, weights: dict[str, int]) -> str:
    """The service's rule; weights of one that exists are left alone, for they belong to releases."""
    elb = clients.elbv2

    def find() -> str | None:
        rules = elb.describe_rules(ListenerArn=listener)["Rules"]
        return next((rule["RuleArn"] for rule in rules if rule["Priority"] == str(service.priority)), None)

    targets = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    return once(
        lambda: str(
            elb.create_rule(
                ListenerArn=listener,
                Priority=service.priority,
                Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": list(service.paths)}}],
                Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}],
            )["Rules"][0]["RuleArn"]
        ),
        find,
    )
