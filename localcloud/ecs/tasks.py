"""Tasks and their containers, as DescribeTasks tells them.

States follow "Amazon ECS task lifecycle": PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING,
STOPPING, DEPROVISIONING, STOPPED. Attributes whose snake_case name is a member of the API are answered by
moto. Everything here is read and written under state.LOCK.
"""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import UTC, datetime
from typing import Any, Literal

from localcloud.seams_compute import MotoTask, Service, TaskDefinition

log = logging.getLogger(__name__)

Status = Literal[
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    "STOPPED",
]
BEFORE_RUNNING = frozenset({"PROVISIONING", "PENDING", "ACTIVATING"})
LONGEST_REASON = 1024


def now() -> datetime:
    """The time, as moto keeps it."""
    return datetime.now(UTC)


class TaskContainer:
    """One container of a task."""

    def __init__(self, task: Task, defined: dict[str, Any]) -> None:
        self.defined = defined
        self.name: str = defined["name"]
        self.image: str = defined["image"]
        self.essential: bool = defined.get("essential", True)
        self.container_arn = f"{task.task_arn.replace(':task/', ':container/')}/{uuid.uuid4()}"
        self.task_arn = task.task_arn
        self.last_status = "PENDING"
        self.exit_code: int | None = None
        self.reason: str | None = None
        self.runtime_id: str | None = None
        self.image_digest: str | None = None
        self.health_status = "UNKNOWN"
        self.network_interfaces: list[dict[str, str]] = []
        self.cpu = str(defined.get("cpu", 0))
        self.memory = str(defined["memory"]) if defined.get("memory") else None

    @property
    def checked(self) -> bool:
        """Whether its health counts for the task's."""
        return self.essential and bool(self.defined.get("healthCheck"))


class Task(MotoTask):
    """A task that is as far as its containers are, not as often as it was asked for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        network = kwargs.get("networking_configuration") or {}
        network.get("awsvpcConfiguration", {}).setdefault("securityGroups", [])
        super().__init__(*args, **kwargs)
        self.defined: TaskDefinition = kwargs.get("task_definition") or args[1]
        self.containers: list[Any] = [
            TaskContainer(self, each) for each in self.defined.container_definitions
        ]
        self._status: str = "PROVISIONING"
        self.version = 1
        self.created_at = now()
        self.pull_started_at: datetime | None = None
        self.pull_stopped_at: datetime | None = None
        self.started_at: datetime | None = None
        self.stopping_at: datetime | None = None
        self.execution_stopped_at: datetime | None = None
        self.stopped_at: datetime | None = None
        self.stop_code: str | None = None
        self.stopped_reason: Any = None
        self.connectivity = "CONNECTED"
        self.health_status = "UNKNOWN"
        self.cpu, self.memory = self.defined.cpu, self.defined.memory
        self.availability_zone = f"{self.region_name}a"
        self.platform_version = self.platform_version or "1.4.0"
        self.platform_family = "Linux"
        self.address = ""
        self.service: Service | None = None
        self.targets: list[tuple[str, int]] = []
        """Target group ARNs and ports it is registered with once it runs."""
        self.was_healthy = False
        self.launched = threading.Event()
        """Set when nothing starts containers for it any more."""

    @property
    def account(self) -> str:
        """Its account."""
        return self._account_id

    @property
    def stopping(self) -> bool:
        """Whether it has been told to stop, or has stopped."""
        return bool(self.desired_status == "STOPPED")

    def belongs_to(self, service: Service) -> bool:
        """Whether the service started it and still counts it."""
        return self.service is service

    def move(self, status: Status) -> None:
        """It is in that state now."""
        self._status = status
        self.version += 1
        log.info("task %s of %s is %s %s", self.id[:8], self.group, status, self.stopped_reason or "")

    def settle_at(self, address: str) -> None:
        """That is its address, private IPv4 address and target id."""
        self.address = address
        attachments: list[dict[str, Any]] = self.attachments
        for attachment in attachments:
            for detail in attachment["details"]:
                if detail["name"] == "privateIPv4Address":
                    detail["value"] = address
            for container in self.containers:
                interface = {"attachmentId": attachment["id"], "privateIpv4Address": address}
                container.network_interfaces = [interface]

    def condemn(self, reason: str, code: str) -> bool:
        """It is to stop, for that reason. False if it was to stop already: the first reason stays."""
        if self.stopping:
            return False
        self.desired_status = "STOPPED"
        self.stopped_reason, self.stop_code = reason[:LONGEST_REASON], code
        self.stopping_at = now()
        return True
