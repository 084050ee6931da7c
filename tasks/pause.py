"""Waiting, as a task of its own: the run's graph shows what was waited for, and how long."""

from __future__ import annotations

import time

from tasks.effect import effect


@effect("wait")
def pause(seconds: float, why: str) -> str:
    """`seconds` have passed.

    Args:
        seconds: How long, 0 to 3600.
        why: What is being waited for; shown as the task run's parameter.

    Returns:
        `why`, so that a log of results reads well.

    Safe to repeat: it changes nothing.
    """
    time.sleep(min(max(seconds, 0), 3600))
    return why
