"""Requests of our own, where traffic is too thin to judge by."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice

import httpx

from tasks.effect import effect
from tasks.topology import Platform
from tasks.web_client import web_client

_AT_ONCE = 4
_SERVER_ERROR = 500


@dataclass(frozen=True)
class ProbeReport:
    """Probes sent, and how many of these got no answer or one of 500 and above."""

    sent: int
    failed: int


@effect("send probes")
def send_probes(platform: Platform, service: str, count: int) -> ProbeReport:
    """So many requests were made to the service: half as users do, half through the test listener.

    They ask for the paths of the smoke checks, and the load balancer counts them with all others.

    Args:
        platform: Where.
        service: Which service.
        count: Requests, 0 to 1000.

    Safe to repeat: sends as many again; they only read.
    """
    checks = platform.environment.services[service].smoke
    # Each path twice in a row, so that both listeners, and with them both sides, are asked for the same.
    paths = [path for path in islice(cycle(check.path for check in checks), count) for _ in range(2)][:count]
    with (
        web_client(platform.url) as users,
        web_client(platform.test_url) as testers,
        ThreadPoolExecutor(max_workers=_AT_ONCE) as pool,
    ):
        clients = islice(cycle((users, testers)), count)
        failed = sum(pool.map(_fails, clients, paths))
    return ProbeReport(sent=count, failed=failed)


def _fails(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code >= _SERVER_ERROR
    except httpx.HTTPError:
        return True
