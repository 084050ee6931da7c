"""What a release is, and what was seen of the world while it is under way. Frozen data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Colour = Literal["blue", "green"]
COLOURS: tuple[Colour, Colour] = ("blue", "green")


def other(colour: Colour) -> Colour:
    """The colour across."""
    return "green" if colour == "blue" else "blue"


class State(StrEnum):
    """State of a release record in the ledger. All but IN_PROGRESS are final."""

    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    HALTED = "halted"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Image:
    """An image as pushed: `repository@digest` is what runs, `version` is what people say."""

    service: str
    repository: str
    digest: str
    version: str


@dataclass(frozen=True)
class Mark:
    """Something this release has done or found, which AWS itself cannot show afterwards."""

    at: float
    detail: str = ""


@dataclass(frozen=True)
class StepLog:
    """One performed step, for the audit trail and the report. Times are epoch seconds."""

    name: str
    why: str
    started: float
    ended: float


@dataclass(frozen=True)
class Approval:
    """A person's decision at the gate."""

    decision: Literal["approve", "reject"]
    approver: str
    note: str
    at: float


@dataclass(frozen=True)
class Release:
    """A release record: the ledger's memory of one attempt to make `images` serve an environment.

    `candidates` says which colour each service is being released to; empty until the first step chose it.
    `marks` are facts keyed by name (see decisions.rollout for the keys).
    """

    release_id: str
    environment: str
    version: str
    images: tuple[Image, ...]
    requested_by: str
    started: float
    kind: Literal["release", "rollback"] = "release"
    state: State = State.IN_PROGRESS
    reason: str = ""
    ended: float | None = None
    candidates: dict[str, Colour] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    steps: tuple[StepLog, ...] = ()
    approval: Approval | None = None

    def image(self, service: str) -> Image:
        """The image of one service; KeyError if the release does not carry it."""
        return {image.service: image for image in self.images}[service]


@dataclass(frozen=True)
class LastGood:
    """What passed its bake and served: the only thing a rollback goes back to."""

    service: str
    image: Image
    task_definition: str
    release_id: str
    at: float


@dataclass(frozen=True)
class Side:
    """One colour of one service, as AWS shows it now.

    `digest` is "" when no version was ever put there. `recent_requests` counts what the load balancer
    answered from this side in its newest metrics period; `draining` counts targets still being drained.
    """

    colour: Colour
    digest: str = ""
    version: str = ""
    task_definition: str = ""
    desired: int = 0
    running: int = 0
    healthy: int = 0
    weight_pct: int = 0
    draining: int = 0
    recent_requests: int = 0


@dataclass(frozen=True)
class ServiceSeen:
    """Both sides of one service."""

    name: str
    blue: Side
    green: Side

    def side(self, colour: Colour) -> Side:
        """The side of that colour."""
        return self.blue if colour == "blue" else self.green


@dataclass(frozen=True)
class Observation:
    """Everything next_step may look at. `now` is epoch seconds of the moment of observing."""

    now: float
    services: tuple[ServiceSeen, ...]
    release: Release
    last_good: dict[str, LastGood] = field(default_factory=dict)

    def service(self, name: str) -> ServiceSeen:
        """What was seen of one service; KeyError if it was not observed."""
        return {seen.name: seen for seen in self.services}[name]
