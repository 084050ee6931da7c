"""Faults on purpose: a bad version of the application, to see that a bad release is found and taken back.

    APP_FAULT = <kind>[:<number>][,after=<requests>|<seconds>s][@<environment>]

    errors:<share>   answers 500 to that share of requests (0..1); starts well: without `after`, the first
                     50 requests are answered properly
    slow:<seconds>   answers that much later
    never_ready      /health/ready says 503
    crash            ends with exit code 1, before listening unless `after` is given
    leak:<MiB>       keeps that much memory per request

Health checks and /metrics are neither counted nor harmed, but for never_ready.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from backend.errors import ApplicationError

HEALTHY_REQUESTS_BEFORE_ERRORS = 50
_MIB = 1024 * 1024
_NUMBERED = {"errors", "slow", "leak"}
_PLAIN = {"never_ready", "crash"}
_FORM = re.compile(
    r"(?P<kind>[a-z_]+)(:(?P<number>\d+(\.\d+)?))?"
    r"(,after=(?P<after>\d+(\.\d+)?)(?P<seconds>s)?)?"
    r"(@(?P<environment>[a-z][a-z0-9-]*))?"
)


@dataclass(frozen=True)
class Fault:
    """One fault, as parsed.

    `number` is a share, seconds or MiB by kind; it begins after `after_requests` and `after_s`, both reached.
    """

    kind: str
    number: float = 0.0
    after_requests: int = 0
    after_s: float = 0.0
    environment: str = ""

    def applies_in(self, environment: str) -> bool:
        """Whether it is meant for this environment."""
        return self.environment in ("", environment)

    @property
    def at_start(self) -> bool:
        """Whether it begins before the first request."""
        return self.after_requests == 0 and self.after_s == 0


def parse(text: str) -> Fault | None:
    """The fault that `text` names; None when it is empty.

    Raises:
        ApplicationError: It is malformed; the message shows the form.
    """
    if not text.strip():
        return None
    found = _FORM.fullmatch(text.strip())
    if not found or (found["kind"] not in _NUMBERED | _PLAIN):
        raise _malformed(text, "is not <kind>[:<number>][,after=<requests>|<seconds>s][@<environment>]")
    if (found["kind"] in _NUMBERED) != (found["number"] is not None):
        raise _malformed(text, f"{found['kind']} takes {'a' if found['kind'] in _NUMBERED else 'no'} number")
    number = float(found["number"] or 0)
    if found["kind"] == "errors" and number > 1:
        raise _malformed(text, "the share of errors is from 0 to 1")
    requests, seconds = _after(text, found)
    return Fault(found["kind"], number, requests, seconds, found["environment"] or "")


def _after(text: str, found: re.Match[str]) -> tuple[int, float]:
    if found["after"] is None:
        return (HEALTHY_REQUESTS_BEFORE_ERRORS if found["kind"] == "errors" else 0), 0.0
    if found["seconds"]:
        return 0, float(found["after"])
    if "." in found["after"]:
        raise _malformed(text, f"{found['after']} requests is not a whole number; seconds end in s")
    return int(found["after"]), 0.0


def _malformed(text: str, seen: str) -> ApplicationError:
    kinds = ", ".join(sorted(_NUMBERED | _PLAIN))
    return ApplicationError(f"APP_FAULT {text!r}", seen, "not started", f"kinds: {kinds}", 2)


@dataclass
class Faults:
    """Says of each request what the fault does to it. Thread-safe."""

    fault: Fault | None = None
    clock: Callable[[], float] = time.monotonic
    _seen: int = 0
    _begun: int = 0
    _kept: list[bytes] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Seconds count from here."""
        self._started = self.clock()

    def began(self) -> bool:
        """Whether the fault has begun."""
        fault = self.fault
        if fault is None:
            return False
        return self._seen >= fault.after_requests and self.clock() - self._started >= fault.after_s

    def never_ready(self) -> bool:
        """Whether readiness must be denied."""
        return self.fault is not None and self.fault.kind == "never_ready" and self.began()

    def crash_in_s(self) -> float | None:
        """Seconds from the start after which the process must end; None if not by time."""
        if self.fault is None or self.fault.kind != "crash" or self.fault.after_requests:
            return None
        return self.fault.after_s

    def arrive(self) -> tuple[str, float]:
        """Count a request; what must happen to it: ("" | "error" | "slow" | "crash", seconds)."""
        if self.fault is None:
            return "", 0.0
        with self._lock:
            hit = self.began()
            self._seen += 1
            if not hit:
                return "", 0.0
            self._begun += 1
            return self._effect(self.fault)

    def _effect(self, fault: Fault) -> tuple[str, float]:
        if fault.kind == "errors":
            # Exactly that share of any run of requests: the integer part grows that often.
            grew = int(self._begun * fault.number) > int((self._begun - 1) * fault.number)
            return ("error" if grew else ""), 0.0
        if fault.kind == "leak":
            self._kept.append(b"x" * int(fault.number * _MIB))
        return {"slow": "slow", "crash": "crash"}.get(fault.kind, ""), fault.number
