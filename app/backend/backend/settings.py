"""What the environment says, read once at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.errors import ApplicationError
from backend.faults import Fault, parse

SERVICE = "backend"


@dataclass(frozen=True)
class Settings:
    """Settings of one process; durations in seconds."""

    version: str
    environment: str
    port: int
    database_url: str
    redis_url: str
    session_key: bytes
    fault: Fault | None
    drain_notice_s: float
    grace_s: float

    @property
    def label(self) -> str:
        """Value of the X-Version header."""
        return f"{SERVICE}/{self.version}"


def required(env: Mapping[str, str], name: str) -> str:
    """The value of a variable that has no sensible default.

    Raises:
        ApplicationError: It is missing or empty; start again with it set.
    """
    if not (value := env.get(name, "")):
        raise ApplicationError(name, "is not set", "not started", "set it (app/contract.md lists all)", 2)
    return value


def number(env: Mapping[str, str], name: str, default: float) -> float:
    """A variable as a number of at least 0.

    Raises:
        ApplicationError: It is something else.
    """
    text = env.get(name, "") or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise ApplicationError(name, f"{text!r} is not a number of at least 0", "not started", "mend it", 2)
    return value


def from_environment(env: Mapping[str, str]) -> Settings:
    """Settings of this process.

    Raises:
        ApplicationError: A variable is missing or malformed.
    """
    environment = env.get("APP_ENVIRONMENT", "") or "development"
    fault = parse(env.get("APP_FAULT", ""))
    return Settings(
        version=env.get("APP_VERSION", "") or "0.0.0",
        environment=environment,
        port=int(number(env, "PORT", 3000)),
        database_url=required(env, "DATABASE_URL"),
        redis_url=required(env, "REDIS_URL"),
        session_key=required(env, "SESSION_KEY").encode(),
        fault=fault if fault and fault.applies_in(environment) else None,
        drain_notice_s=number(env, "DRAIN_NOTICE_S", 1.0),
        grace_s=number(env, "GRACE_S", 25.0),
    )
