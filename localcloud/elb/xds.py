"""The resources Envoy is told about: listeners, routes, clusters and endpoints, made from what moto keeps.

Nothing is ever retried, as an Application Load Balancer does not retry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.elb.rules import Forwarding, cluster_name, routes
from localcloud.elb.targets import TARGETS, Target
from localcloud.seams_compute import (
    Listener,
    LoadBalancer,
    TargetGroup,
    find_target_group,
    forwards,
    listeners,
    load_balancers,
    rules_in_order,
)

Json = dict[str, Any]
_API = "type.googleapis.com/envoy."
_HCM = _API + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_SESSION = _API + "extensions.filters.http.stateful_session.v3."
_COOKIE_SESSION = _API + "extensions.http.stateful_session.cookie.v3.CookieBasedSessionState"
CONNECT_TIMEOUT = "10s"  # "HTTP 504: Gateway timeout" in the load balancer's troubleshooting guide
IDLE_TIMEOUT_S = 60  # idle_timeout.timeout_seconds, "Load balancer attributes"
_UNLIMITED = 1_000_000
_NO_LIMITS = dict.fromkeys(
    ("max_connections", "max_pending_requests", "max_requests", "max_connection_pools"), _UNLIMITED
)

ACCESS_LOG = (
    "%START_TIME(%s.%6f)%\t%DURATION%\t{load_balancer}\t%UPSTREAM_CLUSTER_RAW%\t%UPSTREAM_HOST%\t%RESPONSE_CODE%"
    "\t%RESPONSE_FLAGS%\t%RESPONSE_CODE_DETAILS%\t%COMMON_DURATION(US_TX_END:US_RX_BEG:us)%\n"
)
"""One line a request, read by localcloud.elb.access_log."""


@dataclass(frozen=True)
class Files:
    """Where Envoy finds its resources and writes its access log."""

    directory: Path

    @property
    def access_log(self) -> Path:
        """The named pipe that takes the access log."""
        return self.directory / "access.fifo"

    def source(self, name: str) -> Json:
        """Tells Envoy to follow a file."""
        path = {"path": f"{self.directory}/{name}.json", "watched_directory": {"path": str(self.directory)}}
        return {"path_config_source": path, "resource_api_version": "V3"}


@dataclass
class Desired:
    """All resources, by file."""

    listeners: list[Json] = field(default_factory=list)
    routes: dict[str, Json] = field(default_factory=dict)
    clusters: dict[str, Json] = field(default_factory=dict)
    endpoints: dict[str, Json] = field(default_factory=dict)


def used_groups() -> dict[str, str]:
    """Target group ARN -> ARN of a load balancer that forwards to it."""
    return {
        arn: balancer.arn
        for balancer in load_balancers()
        for listener in listeners(balancer)
        for arn in _targets_of(listener)
    }


def desired(files: Files) -> Desired:
    """What Envoy should be doing, from moto's load balancers and the targets' states. Called under LOCK."""
    result = Desired()
    for balancer in load_balancers():
        for listener in listeners(balancer):
            forwarding = Forwarding(_idle_timeout_s(balancer), {})
            for arn in _targets_of(listener):
                group = find_target_group(arn)
                if group and str(group.attributes.get("stickiness.enabled")).lower() == "true":
                    forwarding.sessions[arn] = _session(group)
            result.routes[listener_id(listener)] = _route_table(listener, forwarding)
            result.listeners.append(_listener(balancer, listener, files))
    for arn in TARGETS.used:
        if group := find_target_group(arn):
            name = cluster_name(arn)
            result.clusters[name] = _cluster(name, group, files)
            result.endpoints[name] = _endpoints(name, TARGETS.of(arn))
    return result


def listener_id(listener: Listener) -> str:
    """Its name in Envoy: the last part of its ARN."""
    return str(listener.arn).rpartition("/")[2]


def balancer_dimension(arn: str) -> str:
    """The value of a load balancer's CloudWatch dimension (`app/<name>/<id>`)."""
    return arn.partition(":loadbalancer/")[2]


def endpoints_file(cluster: str) -> str:
    """Name of the file with the endpoints of a cluster; slashes cannot be in a file's name."""
    return "eds_" + cluster.replace("/", "_")


def _targets_of(listener: Listener) -> set[str]:
    actions = [action for rule in rules_in_order(listener) for action in rule.actions]
    return {arn for action in actions for arn, _ in forwards(action)}


def _idle_timeout_s(balancer: LoadBalancer) -> float:
    return float(balancer.attrs.get("idle_timeout.timeout_seconds", IDLE_TIMEOUT_S))


def _route_table(listener: Listener, forwarding: Forwarding) -> Json:
    name = listener_id(listener)
    table = [route for rule in rules_in_order(listener) for route in routes(rule, forwarding)]
    port = {"header": {"key": "x-forwarded-port", "value": str(listener.port)}}
    return {
        "@type": _API + "config.route.v3.RouteConfiguration",
        "name": name,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": table}],
        "request_headers_to_add": [{**port, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
        "request_headers_to_remove": ["x-envoy-external-address", "x-envoy-internal"],
    }


def _listener(balancer: LoadBalancer, listener: Listener, files: Files) -> Json:
    return {
        "@type": _API + "config.listener.v3.Listener",
        "name": listener_id(listener),
        "address": {"socket_address": {"address": balancer.dns_name, "port_value": int(listener.port)}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": _http(balancer, listener, files)}]}],
    }


def _http(balancer: LoadBalancer, listener: Listener, files: Files) -> Json:
    name = listener_id(listener)
    line = ACCESS_LOG.format(load_balancer=balancer_dimension(balancer.arn))
    log = {
        "@type": _API + "extensions.access_loggers.file.v3.FileAccessLog",
        "path": str(files.access_log),
        "log_format": {"text_format_source": {"inline_string": line}},
    }
    return {
        "@type": _HCM,
        "stat_prefix": name,
        "rds": {"route_config_name": name, "config_source": files.source("rds_" + name)},
        "http_filters": [
            {
                "name": "envoy.filters.http.stateful_session",
                "typed_config": {"@type": _SESSION + "StatefulSession"},
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": _API + "extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            },
        ],
        "use_remote_address": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "generate_request_id": False,
        "server_name": "awselb/2.0",
        "server_header_transformation": "APPEND_IF_ABSENT",
        "http_protocol_options": {"accept_http_10": True},
        "common_http_protocol_options": {"idle_timeout": f"{_idle_timeout_s(balancer)}s"},
        "local_reply_config": {"mappers": [_reply(["UF", "UC", "UR"], 502), _reply(["SI"], 504)]},
        "access_log": [{"name": "fifo", "typed_config": log}],
    }


def _reply(flags: list[str], status: int) -> Json:
    """The status that an Application Load Balancer gives where Envoy gives another."""
    return {"filter": {"response_flag_filter": {"flags": flags}}, "status_code": status}


def _cluster(name: str, group: TargetGroup, files: Files) -> Json:
    least = group.attributes.get("load_balancing.algorithm.type") == "least_outstanding_requests"
    options = {
        "@type": "type.googleapis.com/" + _HTTP_OPTIONS,
        "common_http_protocol_options": {"idle_timeout": f"{IDLE_TIMEOUT_S}s"},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "@type": _API + "config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "LEAST_REQUEST" if least else "ROUND_ROBIN",
        "eds_cluster_config": {"eds_config": files.source(endpoints_file(name))},
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [_NO_LIMITS]},
        "typed_extension_protocol_options": {_HTTP_OPTIONS: options},
    }


def _endpoints(name: str, targets: list[Target]) -> Json:
    """With only unhealthy targets all of them get requests ("Target group health": fail open)."""
    nobody = not any(target.state == "healthy" for target in targets)
    status = {"healthy": "HEALTHY", "draining": "DRAINING", "unhealthy": "HEALTHY" if nobody else "UNHEALTHY"}
    addresses = [
        {
            "health_status": status.get(target.state, "UNHEALTHY"),
            "endpoint": {"address": {"socket_address": {"address": target.ip, "port_value": target.port}}},
        }
        for target in targets
    ]
    return {
        "@type": _API + "config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": addresses}],
    }


def _session(group: TargetGroup) -> Json:
    seconds = int(str(group.attributes.get("stickiness.lb_cookie.duration_seconds", 86_400)))
    cookie = {"name": "AWSALB", "path": "/", "ttl": f"{seconds}s"}
    state = {
        "name": "envoy.http.stateful_session.cookie",
        "typed_config": {"@type": _COOKIE_SESSION, "cookie": cookie},
    }
    return {"@type": _SESSION + "StatefulSessionPerRoute", "stateful_session": {"session_state": state}}
