"""Sessions of verifiers: an opaque, signed cookie; the rest is in Redis and ends by itself."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

COOKIE = "session"
LIFETIME_S = 8 * 3600
LOGINS_PER_MINUTE = 10


def connect(url: str) -> Redis:
    """A client that fails within a second or so rather than hang; nothing is connected yet."""
    client: Redis = Redis.from_url(
        url,
        socket_connect_timeout=1.0,
        socket_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=15,
        decode_responses=True,
    )
    return client


class Sessions:
    """Who is logged in. Every method raises redis.RedisError when Redis is away."""

    def __init__(self, client: Redis, key: bytes) -> None:
        self._redis = client
        self._key = key

    def begin(self, name: str) -> str:
        """A session of that verifier exists; returns the cookie's value."""
        identifier = secrets.token_urlsafe(24)
        self._redis.set(f"session:{identifier}", name, ex=LIFETIME_S)
        return f"{identifier}.{self._sign(identifier)}"

    def name_of(self, cookie: str | None) -> str | None:
        """Whose session it is; None for a cookie that is missing, forged or over."""
        identifier = self._identifier(cookie)
        return cast("str | None", self._redis.get(f"session:{identifier}")) if identifier else None

    def end(self, cookie: str | None) -> None:
        """The session is over."""
        if identifier := self._identifier(cookie):
            self._redis.delete(f"session:{identifier}")

    def may_try(self, name: str) -> bool:
        """Whether this name has logins left in this minute; counts one."""
        key = f"logins:{hashlib.sha256(name.encode()).hexdigest()}"
        pipeline = self._redis.pipeline()
        pipeline.incr(key)
        pipeline.expire(key, 60, nx=True)
        return int(pipeline.execute()[0]) <= LOGINS_PER_MINUTE

    def _identifier(self, cookie: str | None) -> str | None:
        identifier, _, signature = (cookie or "").partition(".")
        # Bytes, because compare_digest refuses non-ASCII text with an error.
        genuine = hmac.compare_digest(signature.encode(), self._sign(identifier).encode())
        return identifier if genuine else None

    def _sign(self, identifier: str) -> str:
        return hmac.new(self._key, identifier.encode(), hashlib.sha256).hexdigest()
