"""The small world behind the tasks' names: the engine runs for real, only AWS' data plane is acted."""

from __future__ import annotations

import time as real_time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from small_world import World, environment, images

from decisions.analysis import Sample
from decisions.errors import StepFailed
from decisions.release import COLOURS, Colour, Release
from decisions.steps import Move, Step
from flows.delivery import Order
from tasks.ecs import SideSeen
from tasks.lease import acquire_lease
from tasks.ledger import (
    find_in_progress,
    list_releases,
    read_last_good,
    read_release,
    record_last_good,
    request_abort,
    write_release,
)
from tasks.topology import Platform, ServiceNames, SideNames

ORDER = Order("r1", images(), "2", "ana")
GOOD, BAD = Sample(500, 0, 0.02), Sample(500, 250, 0.02)


class Killed(BaseException):
    """The process goes down here. (That a lock then ends with its lease is told in tests/stories.)"""


class ActedClock:
    """Stands in for the module `time` in the flows: sleeping passes acted seconds."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.world.now = real_time.time()

    def time(self) -> float:
        return self.world.now

    def sleep(self, seconds: float) -> None:
        self.world.now += max(seconds, 0.1)
        self.world._pass_time()


class ActedRunner:
    """Calls the real tasks for the ledger and acts the others in the small world.

    `kill_before` and `kill_after` name a task whose call ends the process, `errors` what a call raises once.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: list[str] = []
        self.kill_before = self.kill_after = ""
        self.errors: dict[str, list[Exception]] = {}
        self.bad: set[str] = set()
        self.on_call: Callable[[str], None] = lambda name: None

    def __call__(self, task: Any, *arguments: Any) -> Any:
        name = task.fn.__name__
        self.calls.append(name)
        self.on_call(name)
        if name == self.kill_before:
            raise Killed(name)
        if self.errors.get(name):
            raise self.errors[name].pop(0)
        result = self._perform(task, name, arguments)
        if name == self.kill_after:
            raise Killed(name)
        return result

    def each(self, task: Any, calls: Iterable[tuple[Any, ...]]) -> list[Any]:
        return [self(task, *arguments) for arguments in calls]

    def look(self, task: Any, *arguments: Any) -> Any:
        return self(task, *arguments)

    def _perform(self, task: Any, name: str, arguments: tuple[Any, ...]) -> Any:
        if task in LEDGER:
            return task.fn(*arguments)
        return getattr(self, f"_{name}")(*arguments)

    def _observe(self, platform: Platform, release: Any) -> Any:
        self.world.release = release
        return replace(self.world.observe(), last_good=read_last_good.fn(platform))

    def _preflight(self, platform: Platform, release: Any) -> None:
        """Everything is there."""

    def _register_task_definition(self, platform: Platform, name: str, image: Any) -> str:
        return f"td:{image.digest}"

    def _migrate(self, *arguments: Any) -> None:
        """The database is expanded."""

    def _point_test_listener(self, *arguments: Any) -> None:
        """It reaches the candidate."""

    def _start_side(self, platform: Platform, name: str, colour: Colour, arn: str, count: int) -> None:
        digest = arn.removeprefix("td:")
        version = next((i.version for i in self.world.release.images if i.digest == digest), "")
        self._put(name, colour, digest=digest, version=version, task_definition=arn, desired=count)

    def _scale_side(self, platform: Platform, name: str, colour: Colour, count: int) -> None:
        self._put(name, colour, desired=count)

    def _smoke_test(self, platform: Platform, name: str, image: Any) -> None:
        if image.digest in self.world.sick:
            raise StepFailed(name, "smoke said no")

    def _shift_traffic(self, platform: Platform, moves: dict[str, Move]) -> None:
        for name, move in moves.items():
            for colour, pct in move.wanted.items():
                self._put(name, colour, weight_pct=pct)

    def _send_probes(self, *arguments: Any) -> None:
        """They were sent."""

    def _read_samples(self, platform: Platform, services: Any, since: float, until: float) -> Any:
        def sample(name: str, colour: Colour) -> Sample:
            return BAD if self.world.sides[name, colour].digest in self.bad else GOOD

        return {name: {colour: sample(name, colour) for colour in COLOURS} for name in services}

    def _describe_sides(self, platform: Platform) -> dict[tuple[str, Colour], SideSeen]:
        return {
            key: SideSeen(side.task_definition, side.digest, side.version, side.desired, side.running)
            for key, side in self.world.sides.items()
        }

    def _read_weights(self, platform: Platform, name: str) -> dict[Colour, int]:
        return self.world.weights(name)

    def _put(self, name: str, colour: Colour, **changes: Any) -> None:
        self.world._put(name, colour, **changes)
        self.world._pass_time()


LEDGER = (
    acquire_lease, find_in_progress, list_releases, read_last_good, read_release, record_last_good,
    request_abort, write_release,
)  # fmt: skip


def platform() -> Platform:
    """An environment with a ledger in moto, and names for the rest."""

    def side(name: str, colour: str) -> SideNames:
        return SideNames(f"{name}-{colour}", f"arn:tg/{name}-{colour}", f"targetgroup/{name}-{colour}/1")

    services = {
        name: ServiceNames(
            name, f"arn:rule/{name}", f"arn:test-rule/{name}", f"shop/{name}", f"{name}-template", name, name,
            80, side(name, "blue"), side(name, "green"),
        )
        for name in ("backend", "web")
    }  # fmt: skip
    return Platform(
        environment(),
        "shop",
        "ledger",
        "app/shop/1",
        "http://127.0.0.1",
        "http://127.0.0.1:81",
        (),
        (),
        services,
    )


def quiet(release: Release, step: Step) -> None:
    """Nobody watches."""
