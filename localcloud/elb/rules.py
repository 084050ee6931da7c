"""Listener rules as Envoy routes.

Conditions and actions are those of "Condition types for listener rules" and "Action types for listener
rules" in the Application Load Balancer guide. Values of one condition are alternatives, conditions of one
rule all hold. A path pattern without inner wildcards becomes an exact or prefix match, so that many rules
stay cheap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from localcloud.seams_compute import Action, Rule, forwards

Json = dict[str, Any]
SUPPORTED = frozenset({"host-header", "path-pattern", "http-header", "http-request-method", "query-string"})
STICKY = "AWSALBTG"


@dataclass(frozen=True)
class Forwarding:
    """What routes of one listener share."""

    idle_timeout_s: float
    sessions: dict[str, Json]
    """Target group ARN -> Envoy's per-route session configuration, for groups with the AWSALB cookie on."""


def cluster_name(arn: str) -> str:
    """A target group's name in Envoy: the value of its CloudWatch dimension (`targetgroup/<name>/<id>`)."""
    return arn.rpartition(":")[2]


def routes(rule: Rule, forwarding: Forwarding) -> list[Json]:
    """Envoy's routes for one rule, in order."""
    action = next(a for a in rule.actions if a.type in {"forward", "redirect", "fixed-response"})
    matches = _matches(rule.conditions or [])
    if action.type == "forward":
        return [route for match in matches for route in _forward(match, action, forwarding)]
    answer = _fixed(action) if action.type == "fixed-response" else _redirect(action)
    return [{"match": match, **answer} for match in matches]


def _values(condition: Json, config: str) -> list[str]:
    return list(condition.get(config, {}).get("Values") or condition.get("Values") or [])


def _wild(values: list[str]) -> str:
    """A regular expression for patterns with * and ?."""
    return "|".join(re.escape(value).replace(r"\*", ".*").replace(r"\?", ".") for value in values)


def _header(name: str, regex: str) -> Json:
    return {"name": name, "string_match": {"safe_regex": {"regex": regex}}}


def _query(pairs: list[dict[str, str]]) -> str:
    each = [
        f"{_wild([pair['Key']]) if pair.get('Key') else '[^=&]*'}={_wild([pair['Value']])}" for pair in pairs
    ]
    return rf"(?i)[^?]*\?(.*&)?({'|'.join(each)})(&.*)?"


def _path(pattern: str) -> Json:
    if not re.search(r"[*?]", pattern):
        return {"path": pattern}
    if not re.search(r"[*?]", pattern[:-1]) and pattern.endswith("*"):
        return {"prefix": pattern[:-1] or "/"}
    return {"safe_regex": {"regex": _wild([pattern])}}


def _matches(conditions: list[Json]) -> list[Json]:
    """One match for each alternative path; what else must hold goes into every one."""
    paths: list[Json] = [{"prefix": "/"}]
    headers: list[Json] = []
    for condition in conditions:
        field = condition["Field"]
        if field == "path-pattern":
            paths = [_path(pattern) for pattern in _values(condition, "PathPatternConfig")]
        elif field == "host-header":
            hosts = _wild(_values(condition, "HostHeaderConfig"))
            headers.append(_header(":authority", rf"(?i)({hosts})(:\d+)?"))
        elif field == "http-header":
            config = condition["HttpHeaderConfig"]
            headers.append(_header(config["HttpHeaderName"], f"(?i)({_wild(config['Values'])})"))
        elif field == "http-request-method":
            headers.append(_header(":method", _wild(_values(condition, "HttpRequestMethodConfig"))))
        elif field == "query-string":
            headers.append(_header(":path", _query(condition["QueryStringConfig"]["Values"])))
    return [{**path, "headers": headers} for path in paths]


def _fixed(action: Action) -> Json:
    config = action.data["FixedResponseConfig"]
    kind = {"header": {"key": "content-type", "value": config.get("ContentType", "text/plain")}}
    return {
        "direct_response": {
            "status": int(config["StatusCode"]),
            "body": {"inline_string": config.get("MessageBody", "")},
        },
        "response_headers_to_add": [{**kind, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }


def _redirect(action: Action) -> Json:
    config = action.data["RedirectConfig"]
    moved = {"HTTP_301": "MOVED_PERMANENTLY", "HTTP_302": "FOUND"}[config["StatusCode"]]
    redirect: Json = {"response_code": moved, "strip_query": config.get("Query") == ""}
    if (protocol := config.get("Protocol", "#{protocol}")) != "#{protocol}":
        redirect["scheme_redirect"] = protocol.lower()
    if (host := config.get("Host", "#{host}")) != "#{host}":
        redirect["host_redirect"] = host
    if (port := config.get("Port", "#{port}")) != "#{port}":
        redirect["port_redirect"] = int(port)
    if (path := config.get("Path", "/#{path}")) != "/#{path}":
        redirect["path_redirect"] = path
    return {"redirect": redirect}


def _forward(match: Json, action: Action, forwarding: Forwarding) -> list[Json]:
    """A weighted forward; before it, with stickiness, a route for each target group's cookie.

    As with AWS a target group without healthy targets keeps its share, which is then answered 503.
    """
    groups = forwards(action)
    if not any(weight for _, weight in groups):
        return [{"match": match, "direct_response": {"status": 503}}]
    sticky = action.data.get("ForwardConfig", {}).get("TargetGroupStickinessConfig") or {}
    seconds = sticky.get("DurationSeconds") if str(sticky.get("Enabled")).lower() == "true" else None
    result = [
        {
            "match": {**match, "headers": [*match["headers"], _cookie(arn)]},
            "route": _to([(arn, 1)], seconds, forwarding),
        }
        for arn, _ in groups
        if seconds
    ]
    return [*result, {"match": match, "route": _to(groups, seconds, forwarding)}]


def _sticky_value(arn: str) -> str:
    return arn.rpartition("/")[2]


def _cookie(arn: str) -> Json:
    return {"name": "cookie", "string_match": {"contains": f"{STICKY}={_sticky_value(arn)}"}}


def _to(groups: list[tuple[str, int]], sticky_s: Any, forwarding: Forwarding) -> Json:
    clusters = []
    for arn, weight in groups:
        cluster: Json = {"name": cluster_name(arn), "weight": weight}
        if sticky_s:
            cookie = f"{STICKY}={_sticky_value(arn)}; Max-Age={sticky_s}; Path=/"
            cluster["response_headers_to_add"] = [{"header": {"key": "set-cookie", "value": cookie}}]
        if arn in forwarding.sessions:
            cluster["typed_per_filter_config"] = {
                "envoy.filters.http.stateful_session": forwarding.sessions[arn]
            }
        clusters.append(cluster)
    return {
        "weighted_clusters": {"clusters": clusters},
        "timeout": "0s",
        "idle_timeout": f"{forwarding.idle_timeout_s}s",
    }
