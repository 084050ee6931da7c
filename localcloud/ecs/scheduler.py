"""The service scheduler: makes every service's tasks what its deployments ask for."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from localcloud.ecs import rollout, services
from localcloud.ecs.environment import LaunchError
from localcloud.ecs.halt import bury, halt
from localcloud.ecs.launch import FOLLOWERS, Stopped, launch
from localcloud.ecs.tasks import Task, now
from localcloud.ecs.watch import Events, look
from localcloud.elb.targets import TARGETS
from localcloud.seams_compute import EC2ContainerServiceBackend, ecs_backends
from localcloud.state import LOCK, Instance

log = logging.getLogger(__name__)

_TICK_S = 0.2
_LOOK_S = 1.0
_LAUNCHES_AT_ONCE = 8
_LOOKS_AFTER_EVENT = 3  # Docker tells that a container died before its list shows it
STOPPED_TASKS_KEPT_S = 3600  # "Stopped tasks appear for at least one hour", DescribeTasks
_FAILED = frozenset({"EssentialContainerExited", "TaskFailedToStart"})


class Scheduler:
    """Steps through all services four times a second, and at once when a container ends."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._events: Events | None = None
        self._launches = ThreadPoolExecutor(_LAUNCHES_AT_ONCE, thread_name_prefix="ecs-launch")
        self._thread: threading.Thread | None = None
        self._looked = 0.0
        self._looks_due = 0

    def start(self, instance: Instance) -> None:
        """Services are being looked after."""
        self._events = Events(instance, self.wake)
        self._events.start()
        self._thread = threading.Thread(
            target=self._loop, args=(instance,), name="ecs-scheduler", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Nothing more is started."""
        self._launches.shutdown(wait=False, cancel_futures=True)
        self.wake()
        if self._thread:
            self._thread.join(5)
        if self._events:
            self._events.stop()

    def wake(self) -> None:
        """The next step comes now."""
        self._looks_due = _LOOKS_AFTER_EVENT
        self._wake.set()

    def run(self, task: Task) -> None:
        """The task is being started."""
        self._launches.submit(self._launch, task)

    def _launch(self, task: Task) -> None:
        failure = ""
        try:
            launch(task, Instance.current())
        except Stopped:
            log.info("task %s was stopped while it started", task.id)
        except LaunchError as error:
            failure = str(error)
        except Exception as error:
            log.exception("task %s did not start", task.id)
            failure = f"ResourceInitializationError: {type(error).__name__}: {error}"
        task.launched.set()
        if failure:
            with LOCK:
                first = task.condemn(failure, "TaskFailedToStart")
            if first:
                bury(task)
        self.wake()

    def _loop(self, instance: Instance) -> None:
        while not instance.stopping.is_set():
            self._wake.wait(_TICK_S)
            self._wake.clear()
            try:
                self._look(instance)
                for follower in list(FOLLOWERS.values()):
                    follower.flush()
                with LOCK:
                    for backend in ecs_backends():
                        self._step(backend)
            except Exception:
                log.exception("the scheduler stumbles, and goes on")

    def _look(self, instance: Instance) -> None:
        """Docker is asked when it said that something happened, and once a second in case it did not."""
        if not self._looks_due and time.monotonic() < self._looked + _LOOK_S:
            return
        self._looks_due, self._looked = max(0, self._looks_due - 1), time.monotonic()
        with LOCK:
            tasks = list(services.every_task())
        look(tasks, instance)

    def _step(self, backend: EC2ContainerServiceBackend) -> None:
        for service in list(backend.services.values()):
            if service.status != "INACTIVE":
                self._serve(backend, service)
        services.count_clusters(backend)
        forget_before = now() - timedelta(seconds=STOPPED_TASKS_KEPT_S)
        for tasks in backend.tasks.values():
            for arn, task in list(tasks.items()):
                if isinstance(task, Task) and task.stopped_at and task.stopped_at < forget_before:
                    del tasks[arn]

    def _serve(self, backend: EC2ContainerServiceBackend, service: Any) -> None:
        _count_failures(backend, service)
        tasks = services.tasks_of(backend, service)
        _replace_unhealthy(service, tasks)
        alive = [task for task in tasks if not task.stopping]
        primary = service.deployments[0]
        if primary["rolloutState"] != "FAILED":
            seen = [_seen(task, primary["id"]) for task in alive]
            self._carry_out(backend, service, rollout.plan(_limits(service), seen))
        tasks = services.tasks_of(backend, service)
        services.count(service, tasks)
        _conclude(service, tasks)
        if service.status == "DRAINING" and not tasks:
            service.status = "INACTIVE"

    def _carry_out(self, backend: EC2ContainerServiceBackend, service: Any, plan: rollout.Plan) -> None:
        primary = service.deployments[0]["id"]
        if plan.start and services.may_try(service):
            started = [self._new_task(backend, service) for _ in range(plan.start)]
            ids = " ".join(f"(task {task.id})" for task in started)
            services.say(service, f"has started {len(started)} tasks: {ids}.")
        tasks = {task.id: task for task in services.tasks_of(backend, service)}
        for task_id in plan.stop:
            reason = f"Scaling activity initiated by (deployment {primary})"
            halt(tasks[task_id], reason, "ServiceSchedulerInitiated")
        if plan.stop:
            ids = " ".join(f"(task {task_id})" for task_id in plan.stop)
            services.say(service, f"has stopped {len(plan.stop)} running tasks: {ids}.")

    def _new_task(self, backend: EC2ContainerServiceBackend, service: Any) -> Task:
        deployment = service.deployments[0]
        definition = backend.describe_task_definition(deployment["taskDefinition"])
        inherited = {"SERVICE": service.tags, "TASK_DEFINITION": definition.tags}.get(service.propagate_tags)
        cluster = backend.clusters[service.cluster_name]
        task = Task(
            cluster=cluster,
            task_definition=definition,
            container_instance_arn=None,
            resource_requirements={},
            backend=backend,
            group=f"service:{service.name}",
            started_by=deployment["id"],
            launch_type=service.launch_type or "FARGATE",
            networking_configuration=service.network_configuration or None,
            tags=list(inherited or []),
        )
        task.service = service
        balanced = [each for each in service.load_balancers if each.get("targetGroupArn")]
        task.targets = [(each["targetGroupArn"], int(each["containerPort"])) for each in balanced]
        backend.tasks.setdefault(cluster.name, {})[task.task_arn] = task
        self.run(task)
        return task


def _limits(service: Any) -> rollout.Limits:
    configured = service.deployment_configuration
    desired = 0 if service.status == "DRAINING" else int(service.desired_count)
    return rollout.Limits(
        desired, int(configured["minimumHealthyPercent"]), int(configured["maximumPercent"])
    )


def _seen(task: Task, primary: str) -> rollout.Seen:
    return rollout.Seen(task.id, task.started_by == primary, services.is_healthy(task))


def _count_failures(backend: EC2ContainerServiceBackend, service: Any) -> None:
    """Tasks that ended before they were ever healthy count as failed, once, and delay the next attempt."""
    by_id = {each["id"]: each for each in service.deployments}
    for task in services.all_tasks(backend):
        if not task.belongs_to(service) or task.last_status != "STOPPED":
            continue
        task.service = None
        failed = task.stop_code in _FAILED or "health checks" in task.stopped_reason
        if not failed or task.started_by not in by_id:
            continue
        deployment = by_id[task.started_by]
        services.say(service, f"(deployment {deployment['id']}) task {task.id} failed: {task.stopped_reason}")
        if not task.was_healthy:
            deployment["failedTasks"] += 1
            service.retry_at = time.monotonic() + rollout.backoff_s(deployment["failedTasks"])


def _replace_unhealthy(service: Any, tasks: list[Task]) -> None:
    """Tasks that a load balancer finds unhealthy are stopped, once the grace period is over."""
    grace = timedelta(seconds=service.health_check_grace_period_seconds or 0)
    for task in tasks:
        if (
            task.last_status != "RUNNING"
            or task.stopping
            or not task.started_at
            or now() < task.started_at + grace
        ):
            continue
        for arn, port in task.targets:
            if TARGETS.health(arn, task.address, port).state == "unhealthy":
                reason = f"Task failed ELB health checks in (target-group {arn})"
                halt(task, reason, "ServiceSchedulerInitiated")


def _conclude(service: Any, tasks: list[Task]) -> None:
    """The primary deployment is completed or failed when it is."""
    primary = service.deployments[0]
    desired = _limits(service).desired
    healthy = sum(task.started_by == primary["id"] and services.is_healthy(task) for task in tasks)
    others = [task for task in tasks if task.started_by != primary["id"]]
    steady = healthy == desired and not others
    if steady and not service.steady:
        services.say(service, "has reached a steady state.")
    service.steady = steady
    if primary["rolloutState"] != "IN_PROGRESS":
        return
    breaker = service.deployment_configuration.get("deploymentCircuitBreaker") or {}
    if steady:
        services.finish(primary, "COMPLETED", f"ECS deployment {primary['id']} completed.")
        del service.deployments[1:]
        service.last_good = primary["taskDefinition"]
        services.say(service, f"(deployment {primary['id']}) deployment completed.")
    elif breaker.get("enable") and rollout.breaks_circuit(desired, primary["failedTasks"]):
        _fail(service, primary, rollback=bool(breaker.get("rollback")))


def _fail(service: Any, primary: services.Deployment, *, rollback: bool) -> None:
    services.finish(primary, "FAILED", "ECS deployment circuit breaker: tasks failed to start.")
    services.say(service, f"(deployment {primary['id']}) deployment failed: tasks failed to start.")
    if rollback and service.last_good:
        reason = f"ECS deployment circuit breaker: rolling back to {service.last_good}."
        services.say(service, f"rolling back to deployment of {service.last_good}.")
        services.new_deployment(service, service.last_good, reason)
