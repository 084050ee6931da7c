"""The ECS API: what was asked for is written down, the scheduler and the launcher do it.

Errors and defaults from the API reference of each action.
"""

from __future__ import annotations

from typing import Any

from localcloud.ecs import services
from localcloud.ecs.halt import halt
from localcloud.ecs.scheduler import Scheduler
from localcloud.elb.targets import TARGETS
from localcloud.seams_compute import (
    EC2ContainerServiceBackend,
    InvalidParameterException,
    Service,
    ServiceNotFoundException,
    TaskDefinition,
    find_target_group,
)

SCHEDULER = Scheduler()
MOST_TASKS_A_CALL = 10
_CHANGEABLE = (
    "desired_count",
    "network_configuration",
    "load_balancers",
    "health_check_grace_period_seconds",
    "enable_execute_command",
    "propagate_tags",
    "capacity_provider_strategy",
)
_DEPLOYED_ANEW = ("network_configuration", "load_balancers")


class Backend(EC2ContainerServiceBackend):
    """Moto's ECS, whose tasks run."""

    @staticmethod
    def _calculate_task_resource_requirements(task_definition: TaskDefinition) -> dict[str, Any]:
        """Nothing is placed on instances, and moto's sum needs a memory limit that Fargate does not."""
        del task_definition
        return {}

    def describe_tasks(self, cluster_str: str, tasks: list[str]) -> list[Any]:
        """The tasks as they are. Nothing changes by asking."""
        cluster = self._get_cluster(cluster_str)
        if not tasks:
            raise InvalidParameterException("Tasks cannot be empty.")
        wanted = {name.rpartition("/")[2] for name in tasks}
        return [task for task in self.tasks.get(cluster.name, {}).values() if task.id in wanted]

    def missing_tasks(self, names: list[str]) -> list[dict[str, str]]:
        """The failures of DescribeTasks."""
        known = {task.id for task in services.all_tasks(self)}
        prefix = f"arn:aws:ecs:{self.region_name}:{self.account_id}:task/"
        missing = [name for name in names if name.rpartition("/")[2] not in known]
        return [{"arn": n if n.startswith("arn:") else prefix + n, "reason": "MISSING"} for n in missing]

    def list_tasks(  # noqa: PLR0917  # moto's  # moto's
        self,
        cluster_str: str | None = None,
        container_instance: str | None = None,
        family: str | None = None,
        started_by: str | None = None,
        service_name: str | None = None,
        desiredStatus: str | None = None,  # noqa: N803  # moto's
    ) -> list[Any]:
        """Tasks of one cluster that all filters let through; those meant to run unless asked otherwise."""
        del container_instance
        cluster = self._get_cluster(cluster_str or "default")
        group = f"service:{service_name.rpartition('/')[2]}" if service_name else None
        if service_name and f"{cluster.name}:{service_name.rpartition('/')[2]}" not in self.services:
            raise ServiceNotFoundException
        return [
            task
            for task in self.tasks.get(cluster.name, {}).values()
            if task.desired_status == (desiredStatus or "RUNNING")
            and group in {None, task.group}
            and started_by in {None, task.started_by}
            and family in {None, _family(task)}
        ]

    def run_task(self, *args: Any, **kwargs: Any) -> list[Any]:
        """The tasks are being started; they are PROVISIONING."""
        launch_type = args[6] if len(args) > 6 else kwargs.get("launch_type")  # noqa: PLR2004  # moto's order
        if launch_type == "EC2" or not self._on_fargate(args, launch_type):
            raise InvalidParameterException("No Container Instances were found in your cluster.")
        if not 1 <= int(args[2]) <= MOST_TASKS_A_CALL:
            raise InvalidParameterException(f"Count must be between 1 and {MOST_TASKS_A_CALL}.")
        tasks: list[Any] = super().run_task(*args, **kwargs)
        for task in tasks:
            SCHEDULER.run(task)
        return tasks

    def _on_fargate(self, args: tuple[Any, ...], launch_type: str | None) -> bool:
        strategy = args[10] if len(args) > 10 else None  # noqa: PLR2004  # moto's order
        return bool(launch_type or strategy or self._get_cluster(args[0]).default_capacity_provider_strategy)

    def stop_task(self, cluster_str: str, task_str: str, reason: str) -> Any:
        """The task has been told to stop; it is DEACTIVATING."""
        for task in self.describe_tasks(cluster_str, [task_str]):
            halt(task, reason or "Task stopped by user", "UserInitiated")
            return task
        raise InvalidParameterException("The referenced task was not found.")

    def create_service(self, *args: Any, **kwargs: Any) -> Service:
        """The service is ACTIVE and its first deployment IN_PROGRESS."""
        cluster, name = self._get_cluster(args[0]), args[1]
        before = self.services.get(f"{cluster.name}:{name}")
        if before and before.status != "INACTIVE":
            raise InvalidParameterException("Creation of service was not idempotent.")
        (kwargs.get("network_configuration") or {}).get("awsvpcConfiguration", {}).setdefault(
            "securityGroups", []
        )
        return super().create_service(*args, **kwargs)

    def update_service(self, service_properties: dict[str, Any]) -> Service:
        """What was given holds; another task definition, network or load balancer is a new deployment."""
        given = service_properties
        service: Any = self._find_service(given.get("cluster", "default"), given["service"])
        named = given.get("task_definition")
        definition = self.describe_task_definition(named).arn if named else service.task_definition
        for name in _CHANGEABLE:
            if given.get(name) is not None:
                setattr(service, name, given[name])
        if configuration := given.get("deployment_configuration"):
            _refuse_strategy(configuration)
            service.deployment_configuration = {**service.deployment_configuration, **configuration}
        anew = any(given.get(name) is not None for name in _DEPLOYED_ANEW) or given.get(
            "force_new_deployment"
        )
        if anew or definition != service.task_definition:
            services.new_deployment(service, definition)
        service.steady = False
        services.count(service, services.tasks_of(self, service))
        SCHEDULER.wake()
        return service  # type: ignore[no-any-return]

    def delete_service(self, cluster_name: str, service_name: str, force: bool) -> Service:  # noqa: FBT001  # moto's
        """The service is DRAINING until its last task has stopped."""
        service: Any = self._find_service(cluster_name, service_name)
        if service.desired_count > 0 and not force:
            raise InvalidParameterException("The service cannot be stopped while it is scaled above 0.")
        service.status, service.desired_count = "DRAINING", 0
        SCHEDULER.wake()
        return service  # type: ignore[no-any-return]

    def _find_service(self, cluster: str, name: str) -> Service:
        service = self._get_service(cluster, name.rpartition("/")[2])
        if service.status != "ACTIVE":
            raise ServiceNotFoundException
        return service


def keep(service: Any, given: dict[str, Any]) -> None:
    """What moto drops of CreateService is kept, what is not emulated is refused."""
    try:
        _refuse_what_is_not_emulated(service, given)
        _check_containers(service)
        _check_target_groups(service)
    except InvalidParameterException:
        del service._backend.services[f"{service.cluster_name}:{service.name}"]  # noqa: SLF001
        raise
    services.prepare(service, given)
    SCHEDULER.wake()


def _refuse_what_is_not_emulated(service: Any, given: dict[str, Any]) -> None:
    _refuse_strategy(given.get("deploymentConfiguration") or {})
    if service.deployment_controller["type"] != "ECS":
        raise InvalidParameterException("Only the deployment controller ECS is emulated here.")


def _refuse_strategy(configuration: dict[str, Any]) -> None:
    strategy = configuration.get("strategy", "ROLLING")
    if strategy != "ROLLING":
        raise InvalidParameterException(f"Deployment strategy {strategy} is not emulated here, only ROLLING.")


def _check_containers(service: Any) -> None:
    """Load balancers name containers and ports of the task definition (CreateService)."""
    definition = service._backend.describe_task_definition(service.task_definition)  # noqa: SLF001
    known = {
        (each["name"], int(mapping["containerPort"]))
        for each in definition.container_definitions
        for mapping in each.get("portMappings") or []
    }
    for balanced in service.load_balancers:
        name, port = balanced.get("containerName"), int(balanced.get("containerPort") or 0)
        if (name, port) not in known:
            text = f"The container {name} does not exist in the task definition"
            raise InvalidParameterException(f"{text}, or has no container port {port}.")


def _check_target_groups(service: Any) -> None:
    """A service joins only target groups of addresses that a load balancer forwards to (CreateService)."""
    for arn in [each["targetGroupArn"] for each in service.load_balancers if each.get("targetGroupArn")]:
        group = find_target_group(arn)
        if group is None:
            raise InvalidParameterException(f"The specified target group does not exist: {arn}")
        if group.target_type != "ip":
            text = f"The provided target group {arn} has target type {group.target_type}"
            raise InvalidParameterException(f"{text}, which is incompatible with the awsvpc network mode.")
        if arn not in TARGETS.used:
            text = f"The target group with targetGroupArn {arn} does not have an associated load balancer."
            raise InvalidParameterException(text)


def _family(task: Any) -> str:
    return str(task.task_definition_arn).rpartition("/")[2].partition(":")[0]
