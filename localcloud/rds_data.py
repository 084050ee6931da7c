"""What is behind moto's RDS objects: a server for each DB instance, a copy of its data for each snapshot."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from moto.rds.models import DBInstance, DBSnapshot

from localcloud import seams
from localcloud.postgres import Server
from localcloud.state import LOCK, POOL

log = logging.getLogger(__name__)


@dataclass
class Data:
    """The server behind a DB instance, and the last of its operations, which run one after another."""

    server: Server
    last: Future[None] | None = None

    def then(self, operation: Callable[[], None], told: Callable[[bool], None]) -> None:
        """`operation` runs after all earlier ones; then `told(success)` is called under LOCK."""
        before = self.last

        def run() -> None:
            if before:
                wait([before])
            try:
                operation()
            except Exception:
                log.exception("PostgreSQL on port %s", self.server.port)
                success = False
            else:
                success = True
            with LOCK:
                told(success)

        self.last = POOL.submit(run)


# Beside moto's objects and not in them: moto copies their __dict__ into snapshots and restored instances.
DATA: MutableMapping[DBInstance, Data] = WeakKeyDictionary()
COPIES: MutableMapping[DBSnapshot, Path] = WeakKeyDictionary()


def becomes(database: DBInstance, status: str) -> Callable[[bool], None]:
    """Tells the DB instance's status after an operation: `status`, or `failed`."""

    def tell(success: bool) -> None:  # noqa: FBT001  # nobody passes it by hand
        if database.status != "deleting":
            database.status = status if success else "failed"

    return tell


def taken(snapshot: DBSnapshot, database: DBInstance) -> Callable[[bool], None]:
    """Tells the snapshot's status after it was taken, and the DB instance's, which is done with it."""

    def tell(success: bool) -> None:  # noqa: FBT001  # nobody passes it by hand
        status, progress = ("available", 100) if success else ("failed", 0)
        seams.tell(snapshot, status=status, percent_progress=progress)
        if database.status == "backing-up":
            database.status = "available"

    return tell
