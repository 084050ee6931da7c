"""The ledger: release records and what was last good. Writes are fenced by the lease."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from decisions.errors import NotFound, Refused
from decisions.release import LastGood, Mark, Release, State
from tasks.effect import effect
from tasks.lease import acquire_lease, holding, lock_status, release_lease, renew
from tasks.ledger_records import ABORT, last_good_from_json, release_from_json, to_json
from tasks.ledger_table import Change, Item, Lease, key, read_item, read_newest, write_fenced, write_if
from tasks.topology import Platform

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

__all__ = [
    "Lease",
    "acquire_lease",
    "find_in_progress",
    "holding",
    "list_releases",
    "lock_status",
    "read_last_good",
    "read_release",
    "record_last_good",
    "release_lease",
    "renew",
    "request_abort",
    "write_release",
]

_log = logging.getLogger(__name__)
_RELEASE, _ID, _GOOD = "release#", "id#", "good#"
# Releases wait for each other, so one in progress is among the newest few; more are read to be sure.
_LOOK_BACK = 50


def _sort_key(release: Release) -> str:
    """Sorts by the time of starting; the id keeps two of the same millisecond apart."""
    return f"{_RELEASE}{round(release.started * 1000):015d}#{release.release_id}"


@effect("write release record", retries=3)
def write_release(lease: Lease, release: Release) -> None:
    """The record is in the ledger as given; an abort that somebody asked for meanwhile is kept.

    Raises:
        LeaseLost: Another release took over; the caller stops at once.
        CloudUnavailable: Could not be written now; may be repeated.
    Safe to repeat: writes the same record again.
    """
    sort_key = _sort_key(release)
    # An update, not a put: it leaves the attribute `abort` alone, which others write without the lease.
    change = Change(
        update="SET #record = :record, #state = :state, #version = :version",
        values={"record": to_json(release), "state": release.state.value, "version": release.version},
    )
    record: Any = {"Update": change.arguments(lease.table, release.environment, sort_key)}
    by_id: TransactWriteItemTypeDef = {
        "Put": {
            "TableName": lease.table,
            "Item": {**key(release.environment, _ID + release.release_id), "at": {"S": sort_key}},
        }
    }
    write_fenced(lease, [record, by_id], f"release {release.release_id}")


@effect("read release record", retries=2)
def read_release(platform: Platform, release_id: str) -> Release | None:
    """The release as recorded, with the mark `abort` if somebody asked for it; None if there is no such.

    Safe to repeat: only reads.
    """
    found = read_item(platform.ledger_table, platform.name, _ID + release_id)
    item = found and read_item(platform.ledger_table, platform.name, found["at"]["S"])
    return _release(item) if item else None


@effect("list releases", retries=2)
def list_releases(platform: Platform, limit: int = 20) -> list[Release]:
    """The newest releases of the environment, newest first.

    Safe to repeat: only reads.
    """
    items = read_newest(platform.ledger_table, platform.name, _RELEASE, limit)
    return [_release(item) for item in items]


@effect("find release in progress", retries=2)
def find_in_progress(platform: Platform) -> Release | None:
    """The newest release that is recorded as in progress: under way now, or left behind by a killed run.

    Safe to repeat: only reads.
    """
    items = read_newest(platform.ledger_table, platform.name, _RELEASE, _LOOK_BACK)
    open_ = (item for item in items if item["state"]["S"] == State.IN_PROGRESS)
    return next((_release(item) for item in open_), None)


@effect("record last good", retries=3)
def record_last_good(lease: Lease, records: tuple[LastGood, ...]) -> None:
    """All of these are what a rollback goes back to; none of them is, if the lease was lost.

    Raises:
        LeaseLost: Another release took over; the caller stops at once.
    Safe to repeat: writes the same again.
    """
    writes: list[TransactWriteItemTypeDef] = [
        {
            "Put": {
                "TableName": lease.table,
                "Item": {**key(lease.environment, _GOOD + good.service), "record": {"S": to_json(good)}},
            }
        }
        for good in records
    ]
    write_fenced(lease, writes, "what was last good")


@effect("read last good", retries=2)
def read_last_good(platform: Platform) -> dict[str, LastGood]:
    """What passed its bake and served, by service; empty before the first release.

    Safe to repeat: only reads.
    """
    items = read_newest(platform.ledger_table, platform.name, _GOOD, limit=1000)
    found = (last_good_from_json(item["record"]["S"]) for item in items)
    return {good.service: good for good in found}


@effect("request abort", retries=2)
def request_abort(platform: Platform, release_id: str, by: str) -> None:
    """The release's own run sees the mark `abort` at its next observation and goes back.

    Needs no lease: it must work while the release holds it.

    Args:
        platform: Where the release runs.
        release_id: Which one.
        by: Who asks, for the audit trail.

    Raises:
        NotFound: The environment has no such release.
        Refused: It has ended already.
    Safe to repeat: the first request stays.
    """
    found = read_item(platform.ledger_table, platform.name, _ID + release_id)
    if found is None:
        seen = f"no release {release_id!r} is recorded"
        raise NotFound(platform.name, seen, do="see the releases with: python -m flows status")
    sort_key = found["at"]["S"]
    mark = Mark(at=time.time(), detail=f"asked for by {by}")
    change = Change(
        update="SET #abort = if_not_exists(#abort, :mark)",
        only_if="#state = :in_progress",
        values={"mark": to_json(mark), "in_progress": State.IN_PROGRESS.value},
    )
    if write_if(platform.ledger_table, platform.name, sort_key, change) is None:
        where = f"{platform.name}: aborting release {release_id}"
        raise Refused(where, "it has ended already", do="release or roll back instead")
    _log.info("abort of release %s in %s asked for by %s", release_id, platform.name, by)


def _release(item: Item) -> Release:
    return release_from_json(item["record"]["S"], item.get(ABORT, {}).get("S"))
