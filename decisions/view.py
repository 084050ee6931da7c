"""An observation, read through the release that is under way: the words in which the table speaks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from decisions.environment import Environment, ReleasePolicy
from decisions.planning import waves
from decisions.release import COLOURS, Colour, Mark, Observation, Release, ServiceSeen, Side, other


@dataclass(frozen=True)
class View:
    """What was seen, and what the environment asks for."""

    seen: Observation
    environment: Environment
    policy: ReleasePolicy

    @property
    def release(self) -> Release:
        """The release under way."""
        return self.seen.release

    @property
    def candidates(self) -> dict[str, Colour]:
        """Colour that each released service goes to."""
        return self.release.candidates

    @cached_property
    def waves(self) -> tuple[tuple[str, ...], ...]:
        """Released services in the order in which their traffic moves."""
        return waves(self.environment, self.candidates)

    def mark(self, key: str) -> Mark | None:
        """What is remembered under a key."""
        return self.release.marks.get(key)

    def since(self, *keys: str) -> float:
        """Seconds since the newest of these marks; infinite if none was made."""
        moments = [mark.at for key in keys if (mark := self.mark(key))]
        return self.seen.now - max(moments) if moments else math.inf

    def candidate(self, service: str) -> Side:
        """The side that the service is released to."""
        return self.seen.service(service).side(self.candidates[service])

    def baseline(self, service: str) -> Side:
        """The side that the service is released from."""
        return self.seen.service(service).side(other(self.candidates[service]))

    def count(self, service: str) -> int:
        """Tasks the candidate needs: what serves now, and at least the environment's minimum.

        Never the number of a file alone: autoscaling may have grown the old side (peers' issues
        aws-cdk#3919 and cloudformation-coverage-roadmap#187 are what happens otherwise).
        """
        scaling = self.environment.services[service].scaling or self.environment.scaling
        return max(scaling.min_instances, self.baseline(service).desired)

    def carries(self, service: str, side: Side) -> bool:
        """Whether that side has the image being released."""
        return side.digest == self.release.image(service).digest

    def weight_pct(self, wave: tuple[str, ...]) -> int:
        """Share of traffic that every candidate of the wave has at least."""
        return min(self.candidate(service).weight_pct for service in wave)

    @property
    def had_traffic(self) -> bool:
        """Whether this release ever moved traffic."""
        return any(key.startswith("shift:") for key in self.release.marks)


def serving(service: ServiceSeen) -> Side | None:
    """The side that has all the traffic, or None while it is split."""
    for colour in COLOURS:
        side = service.side(colour)
        if side.weight_pct > 0 and service.side(other(colour)).weight_pct == 0:
            return side
    return None


def is_up(side: Side) -> bool:
    """Whether all the tasks that side should have answer health checks."""
    return side.desired > 0 and side.healthy >= side.desired and side.running == side.desired
