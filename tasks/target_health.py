"""What the load balancer thinks of the targets of a side: the only true sign of readiness."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from decisions.release import Colour
from tasks import aws
from tasks.effect import effect
from tasks.topology import Platform

_REASONS = 5


@dataclass(frozen=True)
class TargetCounts:
    """Targets by state. `reasons` tell of the first few that are not healthy."""

    healthy: int = 0
    unhealthy: int = 0
    initial: int = 0
    draining: int = 0
    reasons: tuple[str, ...] = ()


@effect("count targets", retries=2)
def count_targets(platform: Platform, service: str, colour: Colour) -> TargetCounts:
    """How many targets of that side are in which state.

    Raises:
        NotFound: The target group does not exist.
    Safe to repeat: only reads.
    """
    arn = platform.service(service).side(colour).target_group_arn
    with aws.translated(f"{platform.name}/{service} {colour}: reading target health"):
        answer = aws.client("elbv2").describe_target_health(TargetGroupArn=arn)
    states: Counter[str] = Counter()
    reasons = []
    for target in answer["TargetHealthDescriptions"]:
        health = target.get("TargetHealth", {})
        state = health.get("State", "unknown")
        states[state] += 1
        if state != "healthy":
            parts = (state, health.get("Reason", ""), health.get("Description", ""))
            reasons.append(
                f"{target.get('Target', {}).get('Id')}: {' '.join(part for part in parts if part)}"
            )
    # `unavailable` and `unused` targets get no requests either (TargetHealth, "State").
    unhealthy = states["unhealthy"] + states["unavailable"] + states["unused"]
    draining = states["draining"] + states["unhealthy.draining"]
    return TargetCounts(states["healthy"], unhealthy, states["initial"], draining, tuple(reasons[:_REASONS]))
