"""Waiting that says what it waits for, and notices when it is in vain."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from demo.errors import StackFailed

POLL_S = 0.1
Say = Callable[[str], None]


def wait_for(parts: Mapping[str, Callable[[], bool]], timeout_s: float, say: Say) -> None:
    """Every part is ready; each is said when it becomes so.

    Args:
        parts: By name, whether it is ready. May raise: then waiting is in vain.
        timeout_s: Seconds for all of them together.
        say: Called with one line a part.

    Raises:
        StackFailed: Not all were ready in time.
    """
    waiting, since = dict(parts), time.monotonic()
    while waiting:
        for name in [name for name, ready in waiting.items() if ready()]:
            del waiting[name]
            say(f"{name} is ready")
        if waiting and time.monotonic() - since > timeout_s:
            raise StackFailed(
                ", ".join(waiting),
                f"not ready after {timeout_s:.0f} s",
                "see below",
                "read its log, then try again",
            )
        time.sleep(POLL_S if waiting else 0)
