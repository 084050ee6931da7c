"""The ELBv2 API: what moto lets pass is refused as AWS refuses it, and what it only keeps is done.

Rules from the API reference (Actions: ForwardActionConfig, TargetGroupTuple, CreateRule, DeleteRule) and
from "Quotas for your Application Load Balancers".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from localcloud.elb.rules import SUPPORTED
from localcloud.elb.targets import TARGETS, UNREGISTERED
from localcloud.seams_compute import (
    Action,
    ELBClientError,
    ELBv2Backend,
    FakeHealthStatus,
    InvalidTargetError,
    RuleNotFoundError,
    TargetGroup,
    TargetGroupNotFoundError,
    ValidationError,
    forwards,
    listeners,
    rules_in_order,
)
from localcloud.state import Instance

MAX_WEIGHT = 999
MAX_FORWARD_GROUPS = 5
MAX_PRIORITY = 50_000


class Following:
    """Where the backend hands every change to: replaced when the data plane starts."""

    apply: Callable[[], None] = staticmethod(lambda: None)
    """Returns once the load balancer works with the change."""


class Backend(ELBv2Backend):
    """Moto's ELBv2 with real addresses, real target states and AWS's validation."""

    def create_load_balancer(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """It has an address of its own on loopback, which is its DNS name."""
        if kwargs.get("loadbalancer_type") not in {None, "application"}:
            raise ELBClientError("NotImplemented", "Only application load balancers are emulated here.")
        if any(balancer.name == name for balancer in self.load_balancers.values()):
            raise ELBClientError(
                "DuplicateLoadBalancerName", "A load balancer with the specified name already exists."
            )
        balancer = super().create_load_balancer(name, *args, **kwargs)
        balancer.dns_name = Instance.current().next_load_balancer_address()
        return balancer

    def delete_load_balancer(self, arn: str) -> None:
        """It and its listeners are gone."""
        super().delete_load_balancer(arn)
        Following.apply()

    def create_listener(self, load_balancer_arn: str, *args: Any, **kwargs: Any) -> Any:
        """It listens when the call returns."""
        balancer = self.load_balancers.get(load_balancer_arn)
        if balancer and any(str(ls.port) == str(kwargs.get("port")) for ls in listeners(balancer)):
            raise ELBClientError("DuplicateListener", "A listener with the specified port already exists.")
        self._check_forwards(kwargs.get("actions") or [])
        listener = super().create_listener(load_balancer_arn, *args, **kwargs)
        Following.apply()
        return listener

    def modify_listener(self, arn: str, *args: Any, **kwargs: Any) -> Any:
        """The load balancer works with the new default actions when the call returns."""
        self._check_forwards(kwargs.get("actions") or [])
        listener = super().modify_listener(arn, *args, **kwargs)
        Following.apply()
        return listener

    def delete_listener(self, listener_arn: str) -> Any:
        """Its port is closed."""
        listener = super().delete_listener(listener_arn)
        Following.apply()
        return listener

    def create_rule(
        self, listener_arn: str, conditions: Any, priority: int, actions: Any, tags: Any = None
    ) -> Any:
        """The load balancer works with it when the call returns."""
        if not 1 <= int(priority) <= MAX_PRIORITY:
            raise ValidationError(f"Priority must be between 1 and {MAX_PRIORITY}")
        self._check_conditions(conditions)
        self._check_forwards(actions)
        rule = super().create_rule(listener_arn, conditions, priority, actions, tags)
        Following.apply()
        return rule

    def modify_rule(self, rule_arn: str, conditions: Any, actions: Any) -> Any:
        """The load balancer works with the new weights when the call returns."""
        self._check_conditions(conditions)
        self._check_forwards(actions)
        rule = super().modify_rule(rule_arn, conditions, actions)
        Following.apply()
        return rule

    def delete_rule(self, arn: str) -> None:
        """It is gone. The default rule cannot go, an unknown one is an error."""
        rules = [r for lb in self.load_balancers.values() for ls in listeners(lb) for r in rules_in_order(ls)]
        rule = next((rule for rule in rules if rule.arn == arn), None)
        if rule is None:
            raise RuleNotFoundError
        if rule.is_default:
            raise ELBClientError("OperationNotPermitted", f"Default rule '{arn}' cannot be deleted")
        super().delete_rule(arn)
        Following.apply()

    def set_rule_priorities(self, rule_priorities: Any) -> Any:
        """Rules are evaluated in the new order when the call returns."""
        rules = super().set_rule_priorities(rule_priorities)
        Following.apply()
        return rules

    def delete_target_group(self, target_group_arn: str) -> Any:
        """It and its targets are gone."""
        group = super().delete_target_group(target_group_arn)
        TARGETS.forget_group(target_group_arn)
        return group

    def modify_target_group_attributes(self, target_group_arn: str, attributes: dict[str, Any]) -> None:
        """They hold when the call returns."""
        super().modify_target_group_attributes(target_group_arn, attributes)
        Following.apply()

    def modify_load_balancer_attributes(self, arn: str, attrs: dict[str, Any]) -> dict[str, Any]:
        """They hold when the call returns."""
        result = super().modify_load_balancer_attributes(arn, attrs)
        Following.apply()
        return result

    def register_targets(self, target_group_arn: str, instances: list[Any]) -> None:
        """The targets are registered and will be checked."""
        group = self._group(target_group_arn)
        for target in instances:
            self._check_address(group, target)
        for target in instances:
            TARGETS.register(target_group_arn, target["Id"], _port(group, target))

    def deregister_targets(self, target_group_arn: str, instances: list[dict[str, Any]]) -> None:
        """The targets get no new requests and drain."""
        group = self._group(target_group_arn)
        delay_s = float(str(group.attributes["deregistration_delay.timeout_seconds"]))
        for asked in instances:
            found = [
                target
                for target in TARGETS.of(target_group_arn)
                if target.ip == asked["Id"] and ("Port" not in asked or target.port == int(asked["Port"]))
            ]
            if not found:
                raise InvalidTargetError
            for target in found:
                TARGETS.deregister(target_group_arn, target.ip, target.port, delay_s)

    def describe_target_health(
        self, target_group_arn: str, targets: list[dict[str, Any]]
    ) -> list[FakeHealthStatus]:
        """The states that the probes found. Nothing changes by asking."""
        group = self._group(target_group_arn)
        asked = [(target["Id"], _port(group, target)) for target in targets or []]
        keys = asked or [target.key for target in TARGETS.of(target_group_arn)]
        return [self._health(group, ip, port) for ip, port in keys]

    def _health(self, group: TargetGroup, ip: str, port: int) -> FakeHealthStatus:
        health = TARGETS.health(group.arn, ip, port)
        checked = (
            str(port) if group.health_check_port in {None, "traffic-port"} else str(group.health_check_port)
        )
        checked_port = None if health == UNREGISTERED else checked
        shown = FakeHealthStatus(ip, str(port), checked_port, health.state, health.reason, health.description)
        if health.reason is None:
            shown.reason = shown.description = None
        return shown

    def _group(self, arn: str) -> TargetGroup:
        if arn not in self.target_groups:
            raise TargetGroupNotFoundError
        return self.target_groups[arn]

    def _check_address(self, group: TargetGroup, target: dict[str, Any]) -> None:
        if group.target_type != "ip":
            text = f"Targets of type {group.target_type} are not emulated here, only ip."
            raise ELBClientError("NotImplemented", text)
        try:
            ipaddress.ip_address(target["Id"])
        except ValueError:
            raise ValidationError(f"The IP address '{target['Id']}' is not a valid IPv4 address") from None

    def _check_conditions(self, conditions: list[dict[str, Any]] | None) -> None:
        for condition in conditions or []:
            if condition.get("Field") == "source-ip":
                raise ELBClientError(
                    "NotImplemented", f"source-ip is not emulated here, only {sorted(SUPPORTED)}"
                )

    def _check_forwards(self, actions: list[dict[str, Any]]) -> None:
        for data in actions:
            if data.get("Type") != "forward":
                continue
            groups = forwards(Action(data))
            for arn, weight in groups:
                if arn not in self.target_groups:
                    raise ELBClientError("TargetGroupNotFound", f"Target groups '{arn}' not found")
                if not 0 <= weight <= MAX_WEIGHT:
                    raise ValidationError(
                        f"Target group weight '{weight}' must be between 0 and {MAX_WEIGHT}"
                    )
            if len(groups) > MAX_FORWARD_GROUPS:
                raise ELBClientError(
                    "TooManyTargetGroups", f"At most {MAX_FORWARD_GROUPS} target groups in a forward"
                )
            if len({arn for arn, _ in groups}) != len(groups):
                raise ValidationError("The target groups of a forward action must be unique")


def _port(group: TargetGroup, target: dict[str, Any]) -> int:
    return int(target.get("Port") or group.port)
