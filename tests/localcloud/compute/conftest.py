"""A small world for tests of ECS, ELB and CloudWatch: an image, a cluster, and builders that clean up."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker
import pytest

APP = Path(__file__).with_name("app.py")
BASE = "localcloud/base:latest"
REPOSITORY = Path(__file__).parents[3]
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    engine = docker.from_env()
    try:
        engine.images.get(BASE)
    except docker.errors.ImageNotFound:
        subprocess.run([REPOSITORY / "setup" / "base-image.sh"], check=True)
    tag = f"localcloud-tests/app:{hashlib.sha256(APP.read_bytes()).hexdigest()[:12]}"
    context = tmp_path_factory.mktemp("image")
    shutil.copy(APP, context)
    dockerfile = f'FROM {BASE}\nCOPY app.py /app.py\nCMD ["python3", "-u", "/app.py"]\n'
    (context / "Dockerfile").write_text(dockerfile)
    engine.images.build(path=str(context), tag=tag, rm=True)
    return tag


def eventually(check: Callable[[], Any], within_s: float = 60, every_s: float = 0.1) -> Any:
    """The first truthy answer of `check`; fails with its last answer when there is none in time."""
    until = time.monotonic() + within_s
    while True:
        answer = check()
        if answer:
            return answer
        assert time.monotonic() < until, f"still {answer!r} after {within_s} s"
        time.sleep(every_s)


@dataclass
class Balanced:
    """A load balancer with one listener and one rule over a blue and a green target group."""

    world: World
    arn: str
    address: str
    listener: str
    rule: str
    groups: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://{self.address}:8080"

    def shift(self, blue: int, green: int) -> None:
        self.world.elb.modify_rule(RuleArn=self.rule, Actions=self.forward(blue, green))

    def forward(self, blue: int, green: int) -> list[dict[str, Any]]:
        weights = [(self.groups["blue"], blue), (self.groups["green"], green)]
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]

    def states(self, colour: str) -> list[str]:
        found = self.world.elb.describe_target_health(TargetGroupArn=self.groups[colour])
        return sorted(each["TargetHealth"]["State"] for each in found["TargetHealthDescriptions"])

    def wait(self, colour: str, count: int) -> None:
        eventually(lambda: self.states(colour) == ["healthy"] * count)

    def dimensions(self, colour: str | None = None) -> list[dict[str, str]]:
        found = [{"Name": "LoadBalancer", "Value": self.arn.partition(":loadbalancer/")[2]}]
        if colour:
            found.append({"Name": "TargetGroup", "Value": self.groups[colour].rpartition(":")[2]})
        return found


@dataclass
class World:
    """boto3 clients of one cloud, and builders."""

    cloud: Any
    image: str
    cluster: str = "tests"
    subnets: list[str] = field(default_factory=list)
    vpc: str = ""
    ecs: Any = None
    elb: Any = None
    ec2: Any = None
    cloudwatch: Any = None
    logs: Any = None
    ssm: Any = None
    secretsmanager: Any = None
    ecr: Any = None

    def __post_init__(self) -> None:
        for name in ("ecs", "elbv2", "ec2", "cloudwatch", "logs", "ssm", "secretsmanager", "ecr"):
            setattr(self, "elb" if name == "elbv2" else name, self.cloud.client(name))
        found = self.ec2.describe_subnets()["Subnets"]
        self.vpc, self.subnets = found[0]["VpcId"], [each["SubnetId"] for each in found][:2]
        self.ecs.create_cluster(clusterName=self.cluster)

    @property
    def network(self) -> dict[str, Any]:
        return {"awsvpcConfiguration": {"subnets": self.subnets}}

    def name(self, kind: str) -> str:
        return f"{kind}-{next(NUMBERS)}"

    def definition(
        self, family: str | None = None, *, container: dict[str, Any] | None = None, **env: str
    ) -> str:
        main = {
            "name": "app",
            "image": self.image,
            "portMappings": [{"containerPort": 3000}],
            "environment": [{"name": key, "value": value} for key, value in env.items()],
            "stopTimeout": 10,
            **(container or {}),
        }
        registered = self.ecs.register_task_definition(
            family=family or self.name("family"),
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="256",
            containerDefinitions=[main],
        )
        return str(registered["taskDefinition"]["taskDefinitionArn"])

    def run(self, definition: str, **overrides: Any) -> str:
        extra = {"overrides": {"containerOverrides": [{"name": "app", **overrides}]}} if overrides else {}
        where = {"cluster": self.cluster, "launchType": "FARGATE", "networkConfiguration": self.network}
        tasks = self.ecs.run_task(taskDefinition=definition, **where, **extra)["tasks"]
        return str(tasks[0]["taskArn"])

    def task(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ecs.describe_tasks(cluster=self.cluster, tasks=[arn])["tasks"][0]
        return found

    def stopped(self, arn: str) -> dict[str, Any]:
        waiter = self.ecs.get_waiter("tasks_stopped")
        waiter.wait(cluster=self.cluster, tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        return self.task(arn)

    def running(self, arn: str) -> dict[str, Any]:
        return dict(eventually(lambda: self.task(arn)["lastStatus"] == "RUNNING" and self.task(arn)))

    def group(self, name: str, *, drain_s: int = 5) -> str:
        made = self.elb.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=3000,
            VpcId=self.vpc,
            TargetType="ip",
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": str(drain_s)}
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
        return arn

    def balanced(self, *, drain_s: int = 5) -> Balanced:
        name = self.name("lb")
        balancer = self.elb.create_load_balancer(Name=name, Subnets=self.subnets)["LoadBalancers"][0]
        groups = {colour: self.group(f"{name}-{colour}", drain_s=drain_s) for colour in ("blue", "green")}
        nothing = {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no rule"}
        listener = self.elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=8080,
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": nothing}],
        )["Listeners"][0]["ListenerArn"]
        made = Balanced(self, balancer["LoadBalancerArn"], balancer["DNSName"], listener, "", groups)
        paths = [{"Field": "path-pattern", "Values": ["/*"]}]
        rule = self.elb.create_rule(
            ListenerArn=listener, Priority=10, Conditions=paths, Actions=made.forward(100, 0)
        )
        made.rule = rule["Rules"][0]["RuleArn"]
        return made

    def service(self, definition: str, count: int, group: str | None = None, **extra: Any) -> str:
        name = self.name("service")
        balanced = [{"targetGroupArn": group, "containerName": "app", "containerPort": 3000}] if group else []
        self.ecs.create_service(
            cluster=self.cluster,
            serviceName=name,
            taskDefinition=definition,
            desiredCount=count,
            launchType="FARGATE",
            networkConfiguration=self.network,
            loadBalancers=balanced,
            **extra,
        )
        return name

    def describe(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ecs.describe_services(cluster=self.cluster, services=[service])[
            "services"
        ][0]
        return found

    def completed(self, service: str) -> dict[str, Any]:
        def done() -> dict[str, Any] | None:
            seen = self.describe(service)
            only = len(seen["deployments"]) == 1 and seen["deployments"][0]["rolloutState"] == "COMPLETED"
            return seen if only else None

        return dict(eventually(done))

    def container(self, task_arn: str) -> Any:
        return docker.from_env().containers.get(self.task(task_arn)["containers"][0]["runtimeId"])

    def metric(
        self, name: str, stat: str, dimensions: list[dict[str, str]], since: float, period_s: int = 1
    ) -> list[float]:
        asked = {"Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions}
        query = {"Id": "a", "MetricStat": {"Metric": asked, "Period": period_s, "Stat": stat}}
        answer = self.cloudwatch.get_metric_data(
            MetricDataQueries=[query],
            StartTime=datetime.fromtimestamp(int(since), UTC),
            EndTime=datetime.fromtimestamp(time.time() + 1, UTC),
            ScanBy="TimestampAscending",
        )
        return list(answer["MetricDataResults"][0]["Values"])

    def close(self) -> None:
        for arn in self.ecs.list_services(cluster=self.cluster)["serviceArns"]:
            if self.describe(arn.rpartition("/")[2])["status"] == "ACTIVE":
                self.ecs.delete_service(cluster=self.cluster, service=arn, force=True)
        for arn in self.ecs.list_tasks(cluster=self.cluster)["taskArns"]:
            self.ecs.stop_task(cluster=self.cluster, task=arn)
        for balancer in self.elb.describe_load_balancers()["LoadBalancers"]:
            self.elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])


@pytest.fixture
def world(cloud: Any, image: str) -> Iterator[World]:
    """Clients and builders; what a test built is taken down after it."""
    made = World(cloud, image)
    yield made
    made.close()


class Upstream:
    """An HTTP server in this process, as a target on an address of the cloud's own block."""

    def __init__(self, address: str, port: int, version: str) -> None:
        self.address, self.port = address, port
        self.status = 200
        self.seen: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path != "/health":
                    outer.seen.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
                self.send_response(outer.status if self.path == "/health" else 200)
                self.send_header("X-Version", version)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def upstream(cloud: Any) -> Iterator[Callable[[str], Upstream]]:
    """Makes servers that end with the test."""
    made: list[Upstream] = []

    def make(version: str) -> Upstream:
        made.append(Upstream(f"127.{cloud.block}.255.1", 7000 + next(NUMBERS), version))
        return made[-1]

    yield make
    for each in made:
        each.close()
