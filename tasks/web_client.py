"""HTTP to the platform's own load balancer: directly, with time-outs, never through a proxy."""

from __future__ import annotations

import ssl

import httpx

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)


def web_client(base_url: str) -> httpx.Client:
    """A client of that address. It trusts what OpenSSL and SSL_CERT_FILE trust, and follows no redirect.

    Proxies of the environment are left alone: a test listener must be asked itself, not a cache.
    """
    context = ssl.create_default_context() if base_url.startswith("https:") else False
    return httpx.Client(base_url=base_url, timeout=_TIMEOUT, trust_env=False, verify=context)
