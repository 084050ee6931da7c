"""The database is expanded with the new image before any of it serves."""

from __future__ import annotations

import logging
import random
import re
import time

from decisions.errors import StepFailed
from decisions.release import Image
from tasks.effect import effect
from tasks.one_off import Command, OneOff, run_one_off
from tasks.topology import Platform

_log = logging.getLogger(__name__)
_TRIES = 4
_FIRST_PAUSE_S = 2.0
_TIMEOUT_S = 1800
_LAST_LINES = 20
# What passes by itself: another migration holds the lock, or the database does not answer (exit codes of
# app/contract.md), or a table was locked (PostgreSQL, "Error Codes": 55P03 lock_not_available).
_PASSING_CODES = frozenset({3, 4})
_PASSING_LINES = re.compile(r"55P03|LockNotAvailable|due to lock timeout")


@effect("migrate")
def migrate(platform: Platform, service: str, image: Image, task_definition: str, release_id: str) -> OneOff:
    """The service's migration command has ended well; without one there was nothing to do.

    A migration that could not get a lock is tried again: its lock time-out kept it out of everybody's way.

    Args:
        platform: Where.
        service: Whose database.
        image: The new image, for the messages.
        task_definition: ARN with that image.
        release_id: For which release; a second call for it finds the first one's task.

    Returns:
        OneOff: exit code 0 and the logs.

    Raises:
        StepFailed: It ended otherwise; carries its last lines. No traffic has moved.
    Safe to repeat: within a release it runs once; migrations that ran are skipped by the tool itself.
    """
    words = platform.environment.services[service].migrate
    if not words:
        return OneOff(0, "", "nothing to migrate", "")
    command = Command(tuple(words), timeout_s=_TIMEOUT_S, purpose=f"migrate {release_id}")
    where = f"{platform.name}/{service}: migration of {image.version}"
    for attempt in range(1, _TRIES + 1):
        ended = run_one_off.fn(platform, service, task_definition, command)
        if ended.exit_code == 0:
            return ended
        if not _passing(ended) or attempt == _TRIES:
            break
        pause_s = _FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        _log.warning("%s: ended with %d, again in %.1f s", where, ended.exit_code, pause_s)
        time.sleep(pause_s)
    lines = "\n".join(ended.logs.splitlines()[-_LAST_LINES:]) or "no log lines"
    seen = f"exit code {ended.exit_code} after {attempt} tries, {ended.stopped_reason}\n{lines}"
    raise StepFailed(where, seen, "no traffic has moved", "correct the migration and release a new version")


def _passing(ended: OneOff) -> bool:
    return ended.exit_code in _PASSING_CODES or bool(_PASSING_LINES.search(ended.logs))
