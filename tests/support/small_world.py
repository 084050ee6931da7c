"""A world of a few dataclasses in which a release can be walked through without AWS, clock or network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from decisions.environment import Environment, ReleasePolicy
from decisions.progress import Effect, advance
from decisions.release import (
    COLOURS,
    Colour,
    Image,
    LastGood,
    Mark,
    Observation,
    Release,
    ServiceSeen,
    Side,
    State,
    StepLog,
    other,
)
from decisions.rollout import next_step
from decisions.steps import (
    Look,
    Migrate,
    Note,
    Preflight,
    RecordLastGood,
    Restore,
    Retire,
    Shift,
    Smoke,
    Start,
    Step,
    Wait,
)

OLD, NEW = "sha256:old", "sha256:new"

POLICY = ReleasePolicy(
    steps_pct=(5, 25, 100), bake_s=2, look_s=1, warm_s=3, healthy_timeout_s=20, drain_timeout_s=10,
    poll_s=1, lease_s=10, metrics_period_s=1, metrics_delay_s=0,
)  # fmt: skip


def environment(
    after: dict[str, tuple[str, ...]] | None = None, policy: ReleasePolicy = POLICY
) -> Environment:
    """An environment with a backend (with a migration) and a web service."""
    order = after or {}
    service = {"context": "app", "version_path": "/version", "smoke": [{"path": "/"}]}
    return Environment.model_validate(
        {
            "project": "shop",
            "name": "production",
            "region": "eu-central-1",
            "domain": "example.org",
            "api_url": "https://api.example.org",
            "cdn_domain": "cdn.example.org",
            "database": {"name": "db", "key": "url"},
            "redis": {"name": "redis", "key": "url"},
            "s3_bucket": "assets",
            "scaling": {"min_instances": 2, "max_instances": 6, "target_cpu_utilization_pct": 70},
            "approvers": ["ana"],
            "policy": policy.model_dump(),
            "services": {
                "backend": {**service, "migrate": ["upgrade"], "after": order.get("backend", ())},
                "web": {**service, "after": order.get("web", ())},
            },
        }
    )


def images(digest: str = NEW, version: str = "2") -> tuple[Image, ...]:
    """The images of a release of both services."""
    return tuple(Image(name, f"shop/{name}", digest, version) for name in ("backend", "web"))


def release(**changes: object) -> Release:
    """A release of NEW that has just begun."""
    begun = Release("r1", "production", "2", images(), "ana", started=0.0)
    return replace(begun, **changes)  # type: ignore[arg-type]


@dataclass
class World:
    """What AWS and the ledger would show, and how it answers steps."""

    sides: dict[tuple[str, Colour], Side]
    release: Release
    environment: Environment = field(default_factory=environment)
    policy: ReleasePolicy = POLICY
    last_good: dict[str, LastGood] = field(default_factory=dict)
    now: float = 0.0
    sick: set[str] = field(default_factory=set)
    verdict: Callable[[Look], str] = lambda look: "pass: fine"
    done: list[Step] = field(default_factory=list)

    def observe(self) -> Observation:
        """The world as a release sees it now."""
        names = sorted({name for name, _ in self.sides})
        seen = tuple(ServiceSeen(n, self.sides[n, "blue"], self.sides[n, "green"]) for n in names)
        return Observation(self.now, seen, self.release, self.last_good)

    def next(self) -> Step:
        """The step that the table offers now."""
        return next_step(self.observe(), self.environment, self.policy)

    def take(self, *, remember: bool = True) -> Step:
        """Perform the next step; without `remember` the process died before it wrote the step down."""
        step = self.next()
        started = self.now
        marks = self._act(step)
        self._pass_time()
        if remember:
            log = StepLog(type(step).__name__, step.why, started, self.now)
            self.release = advance(self.release, step, Effect(marks), log)
        self.done.append(step)
        return step

    def run(self, most: int = 300) -> Release:
        """Perform steps until the release is final."""
        for _ in range(most):
            if self.release.state is not State.IN_PROGRESS:
                return self.release
            self.take()
        raise AssertionError(f"not final after {most} steps; the last: {self.done[-3:]}")

    def weights(self, name: str) -> dict[Colour, int]:
        """Weights of one service in percent."""
        return {colour: self.sides[name, colour].weight_pct for colour in COLOURS}

    def _act(self, step: Step) -> dict[str, Mark]:  # noqa: C901, PLR0911, PLR0912  # one branch a step
        now = self.now
        match step:
            case Preflight():
                return {"preflight": Mark(now)}
            case Migrate():
                return {"migrated": Mark(now)}
            case Start(sides=sides, counts=counts):
                for name, colour in sides.items():
                    image = self.release.image(name)
                    self._put(name, colour, digest=image.digest, version=image.version)
                    self._put(name, colour, task_definition="td:new", desired=counts[name])
                return {"started": Mark(now)}
            case Restore(sides=sides, counts=counts):
                for name, colour in sides.items():
                    self._put(name, colour, desired=counts[name])
                return {"restored": Mark(now)}
            case Smoke():
                return {"smoke": Mark(now)}
            case Shift(moves=moves, mark=mark):
                for name, move in moves.items():
                    assert self.weights(name) == move.expected
                    for colour, pct in move.wanted.items():
                        self._put(name, colour, weight_pct=pct)
                return {mark: Mark(now)}
            case Look(mark=mark):
                return {mark: Mark(now, self.verdict(step))}
            case Retire(sides=sides):
                for name, colour in sides.items():
                    self._put(name, colour, desired=0)
            case RecordLastGood(services=services):
                for name in services:
                    image = self.release.image(name)
                    self.last_good[name] = LastGood(name, image, "td", self.release.release_id, now)
                return {"last_good": Mark(now)}
            case Note(mark=mark):
                return {mark: Mark(now)}
            case Wait():
                self.now += self.policy.poll_s
            case _:
                pass
        return {}

    def _put(self, name: str, colour: Colour, **changes: object) -> None:
        self.sides[name, colour] = replace(self.sides[name, colour], **changes)  # type: ignore[arg-type]

    def _pass_time(self) -> None:
        """A second later: tasks came up or went away, and sick images never pass a health check."""
        self.now += 1
        for (name, colour), side in list(self.sides.items()):
            healthy = 0 if side.digest in self.sick else side.desired
            self._put(name, colour, running=side.desired, healthy=healthy)


def serving(digest: str = OLD, colour: Colour = "blue", count: int = 3) -> dict[tuple[str, Colour], Side]:
    """Both services served by one colour, the other one empty."""
    sides: dict[tuple[str, Colour], Side] = {}
    for name in ("backend", "web"):
        sides[name, colour] = Side(
            colour, digest, "1", "td:old", desired=count, running=count, healthy=count, weight_pct=100
        )
        sides[name, other(colour)] = Side(other(colour))
    return sides


def nothing_yet() -> dict[tuple[str, Colour], Side]:
    """What Terraform leaves: two colours without a version, all weight on blue."""
    return {
        (name, colour): Side(colour, weight_pct=100 if colour == "blue" else 0)
        for name in ("backend", "web")
        for colour in COLOURS
    }


def world(**changes: object) -> World:
    """OLD serves on blue with three tasks each; a release of NEW has just begun."""
    given: dict[str, object] = {"sides": serving(), "release": release(), **changes}
    return World(**given)  # type: ignore[arg-type]
