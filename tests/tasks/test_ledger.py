from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto_platform import a_release, with_policy

from decisions.errors import CloudUnavailable, Conflict, LeaseLost, NotFound, Refused
from decisions.release import Image, LastGood, State
from tasks import aws, ledger_table
from tasks.lease import Lease, acquire_lease
from tasks.ledger import (
    find_in_progress,
    list_releases,
    read_last_good,
    read_release,
    record_last_good,
    request_abort,
    write_release,
)
from tasks.topology import Platform


@pytest.fixture
def lease(ledger: Platform) -> Lease:
    return acquire_lease.fn(ledger, "ana", "r1")


def good(service: str, version: str = "1") -> LastGood:
    image = Image(service, f"verificadores/{service}", f"sha256:{version}", version)
    return LastGood(service, image, f"arn:{service}:{version}", "r1", 5.0)


def test_a_written_release_is_read_back(ledger: Platform, lease: Lease) -> None:
    write_release.fn(lease, a_release())
    assert read_release.fn(ledger, "r1") == a_release()


def test_writing_twice_leaves_one_record(ledger: Platform, lease: Lease) -> None:
    for _ in range(2):
        write_release.fn(lease, a_release())
    assert len(list_releases.fn(ledger, 10)) == 1


def test_an_unknown_release_is_none(ledger: Platform) -> None:
    assert read_release.fn(ledger, "r9") is None


def test_releases_are_listed_newest_first(ledger: Platform, lease: Lease) -> None:
    for number, started in enumerate((2.0, 10.0, 9.0)):
        write_release.fn(lease, a_release(f"r{number}", started))
    assert [release.release_id for release in list_releases.fn(ledger, 2)] == ["r1", "r2"]


def test_environments_do_not_see_each_other(ledger: Platform, lease: Lease) -> None:
    write_release.fn(lease, a_release())
    staging = replace(ledger, environment=ledger.environment.model_copy(update={"name": "staging"}))
    assert list_releases.fn(staging, 10) == []


def test_a_release_left_in_progress_is_found_below_newer_ones(ledger: Platform, lease: Lease) -> None:
    write_release.fn(lease, a_release("left", 1.0))
    write_release.fn(lease, a_release("newer", 2.0, state=State.SUCCEEDED))
    found = find_in_progress.fn(ledger)
    assert found is not None
    assert found.release_id == "left"
    write_release.fn(lease, a_release("left", 1.0, state=State.FAILED))
    assert find_in_progress.fn(ledger) is None


def test_a_stale_lease_writes_nothing(ledger: Platform, lease: Lease) -> None:
    acquire_lease.fn(ledger, "ana", "r1")
    with pytest.raises(LeaseLost, match="release r1 was not written"):
        write_release.fn(lease, a_release())
    with pytest.raises(LeaseLost):
        record_last_good.fn(lease, (good("web"),))
    assert list_releases.fn(ledger, 10) == []
    assert read_last_good.fn(ledger) == {}


def test_an_ended_lease_that_nobody_took_over_still_writes(ledger: Platform) -> None:
    brief = acquire_lease.fn(with_policy(ledger, lease_s=0.0), "ana", "r1")
    write_release.fn(brief, a_release())
    assert read_release.fn(ledger, "r1") is not None


def test_last_good_is_kept_per_service(ledger: Platform, lease: Lease) -> None:
    record_last_good.fn(lease, (good("backend"), good("web")))
    record_last_good.fn(lease, (good("web", "2"),))
    assert read_last_good.fn(ledger) == {"backend": good("backend"), "web": good("web", "2")}


def test_an_abort_is_seen_and_survives_the_next_write(ledger: Platform, lease: Lease) -> None:
    write_release.fn(lease, a_release())
    request_abort.fn(ledger, "r1", "bruno")
    write_release.fn(lease, a_release(reason="did not know of it"))
    read = read_release.fn(ledger, "r1")
    assert read is not None
    assert (read.reason, read.marks["abort"].detail) == ("did not know of it", "asked for by bruno")


def test_the_first_abort_stays(ledger: Platform, lease: Lease) -> None:
    write_release.fn(lease, a_release())
    for who in ("bruno", "carla"):
        request_abort.fn(ledger, "r1", who)
    read = read_release.fn(ledger, "r1")
    assert read is not None
    assert read.marks["abort"].detail == "asked for by bruno"


def test_a_finished_release_is_not_aborted(ledger: Platform, lease: Lease) -> None:
    write_release.fn(lease, a_release(state=State.SUCCEEDED))
    with pytest.raises(Refused, match="has ended already"):
        request_abort.fn(ledger, "r1", "bruno")


def test_an_unknown_release_is_not_aborted(ledger: Platform) -> None:
    with pytest.raises(NotFound, match="no release 'r9'"):
        request_abort.fn(ledger, "r9", "bruno")


class Conflicting:
    """DynamoDB that is busy with another transaction for the first few calls."""

    def __init__(self, times: int) -> None:
        self._real = aws.client("dynamodb")
        self.left = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def _conflict(self, operation: str, response: dict[str, Any]) -> None:
        if self.left:
            self.left -= 1
            raise ClientError(response, operation)  # type: ignore[arg-type]

    def transact_write_items(self, **arguments: Any) -> Any:
        reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]
        error = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
        self._conflict("TransactWriteItems", error)
        return self._real.transact_write_items(**arguments)

    def update_item(self, **arguments: Any) -> Any:
        self._conflict("UpdateItem", {"Error": {"Code": "TransactionConflictException"}})
        return self._real.update_item(**arguments)


@pytest.mark.parametrize("conflicts", [1, 3])
def test_writes_that_cross_the_heartbeat_are_tried_again(
    ledger: Platform, lease: Lease, conflicts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Conflicting(conflicts)
    monkeypatch.setattr(aws, "client", lambda _service: busy)
    write_release.fn(lease, a_release())
    busy.left = conflicts
    request_abort.fn(ledger, "r1", "bruno")
    assert busy.left == 0


def test_a_table_that_stays_busy_is_told_as_a_conflict(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_table, "_PAUSE_S", 0.001)
    busy = Conflicting(99)
    monkeypatch.setattr(aws, "client", lambda _service: busy)
    with pytest.raises(Conflict) as caught:
        write_release.fn(lease, a_release())
    assert not isinstance(caught.value, LeaseLost)


def test_a_throttled_table_is_told_as_retryable(lease: Lease, stub: Any) -> None:
    stub("dynamodb", ("transact_write_items", "ThrottlingException"))
    with pytest.raises(CloudUnavailable):
        write_release.fn(lease, a_release())
