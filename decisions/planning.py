"""Order of the services of one release."""

from __future__ import annotations

import math
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from decisions.environment import Environment, ReleasePolicy
from decisions.errors import BadConfiguration, NotFound


def waves(environment: Environment, services: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of services in the order in which traffic moves; those of one group move together.

    Args:
        environment: Its `services.<name>.after` give the order.
        services: Names of the services released; the order among the others does not matter.

    Raises:
        NotFound: A name is not a service of the environment.
        BadConfiguration: The `after` of the services form a circle.
    """
    names = sorted(set(services))
    if unknown := [name for name in names if name not in environment.services]:
        raise NotFound(
            environment.name,
            f"unknown service {', '.join(unknown)}; known are {', '.join(sorted(environment.services))}",
            do="name one of the known services",
        )
    sorter = TopologicalSorter({name: set(environment.services[name].after) & set(names) for name in names})
    try:
        sorter.prepare()
    except CycleError as circle:
        raise BadConfiguration(
            f"{environment.name}: services",
            f"`after` forms a circle: {' → '.join(circle.args[1])}",
            do="remove one of these `after` entries",
        ) from circle
    groups = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        groups.append(tuple(ready))
        sorter.done(*ready)
    return tuple(groups)


def planned_looks(policy: ReleasePolicy, wave_count: int) -> int:
    """Looks that a whole release takes at its metrics, at least 1: they share the false alarm rate."""
    each = math.ceil(policy.bake_s / max(policy.look_s, 0.1)) + policy.inconclusive_looks
    return max(1, each * len(policy.steps_pct) * wave_count)
