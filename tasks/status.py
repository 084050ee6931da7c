"""What an environment looks like now, for a person."""

from __future__ import annotations

import time
from dataclasses import dataclass

from decisions.release import Release, ServiceSeen
from tasks.effect import effect
from tasks.lease import LockStatus, lock_status
from tasks.ledger import find_in_progress
from tasks.observation import observe
from tasks.topology import Platform


@dataclass(frozen=True)
class EnvironmentStatus:
    """What serves, what is under way, who holds the lock, and the versions that can be gone back to."""

    environment: str
    url: str
    services: tuple[ServiceSeen, ...]
    under_way: Release | None
    lock: LockStatus
    last_good: dict[str, str]


@effect("read status", retries=2)
def read_status(platform: Platform) -> EnvironmentStatus:
    """The environment as AWS and the ledger show it.

    Safe to repeat: only reads.
    """
    under_way = find_in_progress.fn(platform)
    nobody = Release("", platform.name, "", (), "", time.time())
    seen = observe.fn(platform, under_way or nobody)
    return EnvironmentStatus(
        environment=platform.name,
        url=platform.url,
        services=seen.services,
        under_way=under_way,
        lock=lock_status.fn(platform),
        last_good={name: good.image.version for name, good in seen.last_good.items()},
    )
