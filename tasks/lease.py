"""The lock of an environment: a lease with owner, heartbeat and fencing token.

The lease alone cannot stop a holder that was paused (a stopped virtual machine) and wakes up later; the
token can: every write to the ledger carries it (Kleppmann 2016, "How to do distributed locking").
Expiry compares the clocks of two machines, so these must agree to well within a third of the lease.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from decisions.errors import CloudError, Conflict, LeaseLost, LockHeld
from tasks.effect import effect
from tasks.ledger_table import LOCK, Change, Item, Lease, lost, own, read_item, write_if
from tasks.topology import Platform

__all__ = [
    "Holding",
    "Lease",
    "LockStatus",
    "acquire_lease",
    "holding",
    "lock_status",
    "release_lease",
    "renew",
]

_log = logging.getLogger(__name__)
_POLL_S = 1.0


@dataclass(frozen=True)
class LockStatus:
    """Who holds the environment. `seconds_left` is 0 when nobody does or the holder's lease has ended."""

    held: bool
    owner: str = ""
    release_id: str = ""
    since: float = 0.0
    seconds_left: float = 0.0
    token: int = 0


@effect("acquire lock", retries=2)
def acquire_lease(platform: Platform, owner: str, release_id: str, wait_s: float = 0.0) -> Lease:
    """The environment is ours until the lease ends: renew it, best with `holding`.

    Taken if nobody holds it, if the holder's lease has ended, or if the holder is `owner` itself.

    Args:
        platform: What to lock.
        owner: Who takes it; a run that continues its own release uses the same owner.
        release_id: For which release, so that others can say whom they wait for.
        wait_s: Seconds to wait for the holder's lease to end.

    Raises:
        LockHeld: It is held by another; names holder, release, since when and seconds left.
    Safe to repeat: the same owner takes it again, with a higher token.
    """
    lease_s = platform.environment.policy.lease_s
    give_up = time.monotonic() + wait_s
    while True:
        token = _take(platform, owner, release_id, lease_s)
        if token is not None:
            _log.info("lock of %s taken by %s, token %d", platform.name, owner, token)
            return Lease(platform.name, platform.ledger_table, owner, token, lease_s)
        status = _status(read_item(platform.ledger_table, platform.name, LOCK))
        remaining = give_up - time.monotonic()
        if remaining <= 0:
            raise _held(platform.name, status)
        time.sleep(min(_POLL_S, remaining, max(status.seconds_left, 0.05)))


def _take(platform: Platform, owner: str, release_id: str, lease_s: float) -> int | None:
    now = round(time.time(), 3)
    change = Change(
        update="SET #owner = :owner, #release = :release, #since = :now, #ends = :ends ADD #token :one",
        only_if="attribute_not_exists(#owner) OR #ends < :now OR #owner = :owner",
        values={"owner": owner, "release": release_id, "now": now, "ends": now + lease_s, "one": 1},
    )
    taken = write_if(platform.ledger_table, platform.name, LOCK, change)
    return None if taken is None else int(taken["token"]["N"])


def _held(environment: str, status: LockStatus) -> LockHeld:
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(status.since))
    seen = (
        f"release {status.release_id} of {status.owner} holds the lock since {since}; "
        f"its lease ends in {status.seconds_left:.0f} s unless it is renewed"
    )
    return LockHeld(
        environment, seen, do="wait for that release, abort it, or try again when the lease has ended"
    )


def renew(lease: Lease) -> None:
    """The lease holds for another `lease_s` seconds.

    Raises:
        LeaseLost: Somebody else took over; the caller stops at once.
        CloudUnavailable: Not renewed now; may be repeated until the lease ends.
    """
    if not _write_own(lease, "SET #ends = :ends", time.time() + lease.lease_s):
        raise lost(lease, "the lease was not renewed")


@effect("release lock", retries=2)
def release_lease(lease: Lease) -> None:
    """The environment is free, or in the hands of whoever took over. The token stays, it only ever grows.

    Safe to repeat: does nothing if the lease is not ours any more.
    """
    if not _write_own(lease, "SET #ends = :ends REMOVE #owner", 0):
        _log.info("lock of %s was not ours any more (token %d)", lease.environment, lease.token)


def _write_own(lease: Lease, update: str, ends: float) -> bool:
    ours = own(lease)
    change = Change(update, ours.only_if, {**ours.values, "ends": round(ends, 3)})
    return write_if(lease.table, lease.environment, LOCK, change) is not None


@effect("read lock", retries=2)
def lock_status(platform: Platform) -> LockStatus:
    """Who holds the environment now.

    Safe to repeat: only reads.
    """
    return _status(read_item(platform.ledger_table, platform.name, LOCK))


def _status(item: Item | None) -> LockStatus:
    if item is None or "owner" not in item:
        return LockStatus(held=False, token=int(item["token"]["N"]) if item else 0)
    left_s = max(0.0, float(item["ends"]["N"]) - time.time())
    return LockStatus(
        held=left_s > 0,
        owner=item["owner"]["S"],
        release_id=item["release"]["S"],
        since=float(item["since"]["N"]),
        seconds_left=left_s,
        token=int(item["token"]["N"]),
    )


class Holding:
    """A held lease: a thread renews it every third of its length, and `check` says whether that works."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._stop = threading.Event()
        self._lost: LeaseLost | None = None
        self._good_until = time.monotonic() + lease.lease_s
        self._thread = threading.Thread(target=self._beat, name=f"lease-{lease.environment}", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """No renewal is under way or will be made any more."""
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """The lease is still ours, as far as its clock and the last renewal say.

        Raises:
            LeaseLost: It was taken over, or could not be renewed for as long as it holds; stop at once.
        """
        if self._lost is not None:
            raise self._lost
        if time.monotonic() > self._good_until:
            raise lost(self.lease, "it could not be renewed in time")

    def _beat(self) -> None:
        pause_s = self.lease.lease_s / 3
        while not self._stop.wait(pause_s):
            began = time.monotonic()
            try:
                renew(self.lease)
            except LeaseLost as error:
                _log.error("%s", error)
                self._lost = error
                return
            except (CloudError, Conflict) as error:
                _log.warning("heartbeat missed, trying again: %s", error)
                pause_s = self.lease.lease_s / 10
            else:
                self._good_until = began + self.lease.lease_s
                pause_s = self.lease.lease_s / 3


@contextmanager
def holding(lease: Lease) -> Iterator[Holding]:
    """While the block runs the lease is renewed; afterwards, however it ends, the lock is given back.

    Call `.check()` of what it yields before each change.
    """
    held = Holding(lease)
    held.start()
    try:
        yield held
    finally:
        held.stop()
        release_lease.fn(lease)
