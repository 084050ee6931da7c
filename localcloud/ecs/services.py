"""What a service is beyond moto's: deployments, events, counters, and the tasks it has.

Members as in the API reference (Service, Deployment, ServiceEvent). Read and written under state.LOCK.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from localcloud.ecs.tasks import BEFORE_RUNNING, Task, now
from localcloud.elb.targets import TARGETS
from localcloud.seams_compute import EC2ContainerServiceBackend, Service, ecs_backends

Deployment = dict[str, Any]
DEFAULT_CONFIGURATION = {
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "strategy": "ROLLING",
}
_EVENTS_KEPT = 100


def prepare(service: Any, given: dict[str, Any]) -> None:
    """A new service knows everything it was created with, also what moto drops."""
    service.created_at = now()
    service.running_count = service.pending_count = 0
    configuration = given.get("deploymentConfiguration") or {}
    service.deployment_configuration = {**DEFAULT_CONFIGURATION, **configuration}
    service.health_check_grace_period_seconds = given.get("healthCheckGracePeriodSeconds")
    service.enable_execute_command = bool(given.get("enableExecuteCommand"))
    service.capacity_provider_strategy = given.get("capacityProviderStrategy")
    service.platform_family = "Linux"
    service.last_good = None
    service.retry_at = 0.0
    service.deployments = []
    service.steady = False
    new_deployment(service, service.task_definition)


def new_deployment(service: Any, task_definition: str, reason: str = "") -> None:
    """A deployment of that task definition is the primary one; those before it are being replaced."""
    for deployment in service.deployments:
        deployment["status"] = "ACTIVE"
    name = f"ecs-svc/{uuid.uuid4().int % 10**19}"
    service.task_definition = task_definition
    service.retry_at = 0.0
    service.steady = False
    service.deployments.insert(
        0,
        {
            "id": name,
            "status": "PRIMARY",
            "taskDefinition": task_definition,
            "desiredCount": service.desired_count,
            "pendingCount": 0,
            "runningCount": 0,
            "failedTasks": 0,
            "createdAt": now(),
            "updatedAt": now(),
            "launchType": service.launch_type,
            "platformVersion": "1.4.0",
            "platformFamily": "Linux",
            "networkConfiguration": service.network_configuration or None,
            "rolloutState": "IN_PROGRESS",
            "rolloutStateReason": reason or f"ECS deployment {name} in progress.",
        },
    )


def finish(deployment: Deployment, state: str, reason: str) -> None:
    """The deployment has come to an end."""
    deployment["rolloutState"] = state
    deployment["rolloutStateReason"] = reason
    deployment["updatedAt"] = now()


def say(service: Any, message: str) -> None:
    """An event of the service, newest first."""
    event = {"id": str(uuid.uuid4()), "createdAt": now(), "message": f"(service {service.name}) {message}"}
    service.events.insert(0, event)
    del service.events[_EVENTS_KEPT:]


def all_tasks(backend: EC2ContainerServiceBackend) -> Iterator[Task]:
    """Every task of a region, stopped ones too."""
    for tasks in list(backend.tasks.values()):
        yield from (task for task in list(tasks.values()) if isinstance(task, Task))


def every_task() -> Iterator[Task]:
    """Every task of every region."""
    for backend in ecs_backends():
        yield from all_tasks(backend)


def tasks_of(backend: EC2ContainerServiceBackend, service: Service) -> list[Task]:
    """The service's tasks that have not stopped."""
    return [task for task in all_tasks(backend) if task.belongs_to(service) and task.last_status != "STOPPED"]


def is_healthy(task: Task) -> bool:
    """Running, its container checks passed, and healthy in every target group that is in use."""
    if task.last_status != "RUNNING" or task.stopping:
        return False
    if any(container.checked for container in task.containers) and task.health_status != "HEALTHY":
        return False
    healths = [TARGETS.health(arn, task.address, port) for arn, port in task.targets]
    if any(each.state != "healthy" and each.reason != "Target.NotInUse" for each in healths):
        return False
    task.was_healthy = True
    return True


def count(service: Any, tasks: Iterable[Task]) -> None:
    """The service's and its deployments' counters are true."""
    known = list(tasks)
    for deployment in service.deployments:
        own = [task for task in known if task.started_by == deployment["id"]]
        deployment["runningCount"] = _running(own)
        deployment["pendingCount"] = _pending(own)
        deployment["desiredCount"] = service.desired_count if deployment["status"] == "PRIMARY" else 0
    service.running_count, service.pending_count = _running(known), _pending(known)


def count_clusters(backend: EC2ContainerServiceBackend) -> None:
    """The clusters' counters are true."""
    for cluster in backend.clusters.values():
        tasks = [task for task in backend.tasks.get(cluster.name, {}).values() if isinstance(task, Task)]
        cluster.running_tasks_count, cluster.pending_tasks_count = _running(tasks), _pending(tasks)
        active = [s for s in backend.services.values() if s.cluster_name == cluster.name]
        cluster.active_services_count = sum(service.status == "ACTIVE" for service in active)


def _running(tasks: Iterable[Task]) -> int:
    return sum(task.last_status == "RUNNING" for task in tasks)


def _pending(tasks: Iterable[Task]) -> int:
    return sum(task.last_status in BEFORE_RUNNING and not task.stopping for task in tasks)


def may_try(service: Any) -> bool:
    """Whether the back-off after failed tasks is over."""
    return bool(time.monotonic() >= service.retry_at)
