"""Who gets the requests: the weights of a listener rule, read, moved, and read back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from decisions.errors import Conflict, DeliveryError, NotFound, StepFailed
from decisions.release import COLOURS, Colour, other
from decisions.steps import Move
from tasks import aws
from tasks.effect import effect
from tasks.settings import Settings
from tasks.target_health import count_targets
from tasks.topology import Platform, ServiceNames

if TYPE_CHECKING:
    from mypy_boto3_elbv2.type_defs import ActionOutputTypeDef

_log = logging.getLogger(__name__)


@effect("read weights", retries=2)
def read_weights(platform: Platform, service: str) -> dict[Colour, int]:
    """Share of the service's requests that each side gets, in percent.

    Raises:
        NotFound: The rule does not exist, or forwards to neither side.
    Safe to repeat: only reads.
    """
    names = platform.service(service)
    where = f"{platform.name}/{service}: reading the listener rule"
    return _weights(names, _actions(names.rule_arn, where), where)


@effect("shift traffic")
def shift_traffic(platform: Platform, moves: dict[str, Move]) -> None:
    """Every service's rule has the wanted weights, and was read back.

    Args:
        platform: Where.
        moves: By service, the weights that were seen and the wanted ones, in percent.

    Raises:
        Conflict: A rule is neither as it was seen nor as wanted; the caller observes again.
        StepFailed: A side that shall get requests has no healthy target; its rule is untouched.
    Safe to repeat: a rule that is as wanted already is left alone.
    """
    workers = max(1, min(Settings().parallel_calls, len(moves)))
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = {name: pool.submit(_move, platform, name, move) for name, move in moves.items()}
    errors = {name: error for name, future in futures.items() if (error := future.exception())}
    if not errors:
        return
    error = next(iter(errors.values()))
    moved = sorted(set(moves) - set(errors))
    if isinstance(error, DeliveryError) and len(moves) > 1:
        left = f"moved: {', '.join(moved) or 'none'}; not moved: {', '.join(sorted(errors))}"
        raise type(error)(error.where, error.seen, left, error.do) from error
    raise error


def _move(platform: Platform, service: str, move: Move) -> None:
    names = platform.service(service)
    where = f"{platform.name}/{service}: moving traffic to {_say(move.wanted)}"
    actions = _actions(names.rule_arn, where)
    live = _weights(names, actions, where)
    if live == move.wanted:
        return
    if live != move.expected:
        seen = f"the rule has {_say(live)}, {_say(move.expected)} was expected"
        raise Conflict(where, seen, do="observe again; somebody else moves traffic here")
    for colour in COLOURS:
        _refuse_dead(platform, service, colour, move.wanted[colour], where)
    _modify(names.rule_arn, _with_weights(names, actions, move.wanted), where)
    after = _weights(names, _actions(names.rule_arn, where), where)
    if after != move.wanted:
        raise Conflict(where, f"read back {_say(after)}", "the rule is as read back", "observe again")
    _log.info("%s/%s: traffic is now %s", platform.name, service, _say(move.wanted))


def _refuse_dead(platform: Platform, service: str, colour: Colour, weight_pct: int, where: str) -> None:
    if weight_pct == 0:
        return
    counts = count_targets.fn(platform, service, colour)
    if counts.healthy == 0:
        states = "; ".join(counts.reasons) or "no target at all"
        seen = f"{colour} shall get {weight_pct} % and has no healthy target ({states})"
        raise StepFailed(where, seen, "the rule is untouched", "wait until it is healthy, or read its logs")


@effect("point test listener", retries=2)
def point_test_listener(platform: Platform, service: str, colour: Colour) -> None:
    """The test listener reaches only that side of the service.

    Raises:
        NotFound: The rule does not exist, or forwards to neither side.
    Safe to repeat: makes no change if it points there already.
    """
    names = platform.service(service)
    where = f"{platform.name}/{service}: pointing the test listener to {colour}"
    wanted: dict[Colour, int] = {colour: 100, other(colour): 0}
    actions = _actions(names.test_rule_arn, where)
    if _weights(names, actions, where) != wanted:
        _modify(names.test_rule_arn, _with_weights(names, actions, wanted), where)


def _actions(rule_arn: str, where: str) -> list[ActionOutputTypeDef]:
    with aws.translated(where):
        rules = aws.client("elbv2").describe_rules(RuleArns=[rule_arn])["Rules"]
    if not rules:
        raise NotFound(
            where, f"there is no listener rule {rule_arn}", do="apply Terraform to this environment"
        )
    return rules[0].get("Actions", [])


def target_groups(rule_arn: str, where: str) -> dict[str, int]:
    """Target groups that a rule forwards to, with their weights as they are.

    Raises:
        NotFound: There is no such rule.
    """
    return _groups(_actions(rule_arn, where))


def _modify(rule_arn: str, actions: list[Any], where: str) -> None:
    with aws.translated(where, left="the rule is as before, or as wanted if only the answer was lost"):
        aws.client("elbv2").modify_rule(RuleArn=rule_arn, Actions=actions)


def _groups(actions: list[ActionOutputTypeDef]) -> dict[str, int]:
    for action in actions:
        if action.get("Type") == "forward":
            groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
            found = {group.get("TargetGroupArn", ""): group.get("Weight", 1) for group in groups}
            # A rule with one target group may have it in the action alone (Action, "TargetGroupArn").
            return found or {action.get("TargetGroupArn", ""): 1}
    return {}


def _weights(names: ServiceNames, actions: list[ActionOutputTypeDef], where: str) -> dict[Colour, int]:
    groups = _groups(actions)
    raw: dict[Colour, int] = {
        colour: groups.get(names.side(colour).target_group_arn, 0) for colour in COLOURS
    }
    if not any(names.side(colour).target_group_arn in groups for colour in COLOURS):
        seen = f"the rule forwards to neither side but to {', '.join(groups) or 'nothing'}"
        raise NotFound(where, seen, do="apply Terraform to this environment")
    total = sum(groups.values())
    return {colour: round(100 * weight / total) if total else 0 for colour, weight in raw.items()}


def _with_weights(
    names: ServiceNames, actions: list[ActionOutputTypeDef], wanted: Mapping[Colour, int]
) -> list[dict[str, Any]]:
    """The rule's actions with other weights; stickiness and actions before the forward stay."""
    changed: list[dict[str, Any]] = []
    for action in actions:
        new: dict[str, Any] = dict(action)
        if new.get("Type") == "forward":
            new.pop("TargetGroupArn", None)
            new["ForwardConfig"] = {
                **new.get("ForwardConfig", {}),
                "TargetGroups": [
                    {"TargetGroupArn": names.side(colour).target_group_arn, "Weight": wanted[colour]}
                    for colour in COLOURS
                ],
            }
        changed.append(new)
    return changed


def _say(weights: Mapping[Colour, int]) -> str:
    return ", ".join(f"{colour} {weights[colour]} %" for colour in COLOURS)
