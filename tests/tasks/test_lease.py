import threading
import time
from dataclasses import replace

import pytest
from moto_platform import with_policy

from decisions.errors import CloudUnavailable, LeaseLost, LockHeld
from tasks import lease as lease_module
from tasks.lease import Holding, Lease, acquire_lease, holding, lock_status, release_lease, renew
from tasks.topology import Platform


def take(platform: Platform, owner: str = "ana", wait_s: float = 0.0) -> Lease:
    return acquire_lease.fn(platform, owner, f"release of {owner}", wait_s)


@pytest.fixture
def brief(ledger: Platform) -> Platform:
    """Production with a lease of a third of a second."""
    return with_policy(ledger, lease_s=0.3)


def test_a_free_lock_is_taken_at_once(ledger: Platform) -> None:
    assert not lock_status.fn(ledger).held
    lease = take(ledger)
    status = lock_status.fn(ledger)
    assert (status.held, status.owner, status.release_id, status.token) == (True, "ana", "release of ana", 1)
    assert 0 < status.seconds_left <= lease.lease_s == 10


def test_a_second_holder_is_refused_and_told_about_the_first(ledger: Platform) -> None:
    take(ledger)
    with pytest.raises(LockHeld, match=r"release of ana of ana holds the lock since .* ends in \d+ s"):
        take(ledger, "bruno")
    assert lock_status.fn(ledger).owner == "ana"


def test_a_waiter_gives_up_after_the_time_it_was_given(ledger: Platform) -> None:
    take(ledger)
    began = time.monotonic()
    with pytest.raises(LockHeld):
        take(ledger, "bruno", wait_s=0.2)
    assert time.monotonic() - began >= 0.2


def test_a_waiter_takes_over_once_the_lease_has_ended(brief: Platform) -> None:
    first = take(brief)
    second = take(brief, "bruno", wait_s=10)
    assert (second.owner, second.token) == ("bruno", first.token + 1)


def test_the_same_owner_takes_it_again_with_a_higher_token(ledger: Platform) -> None:
    assert [take(ledger).token for _ in range(3)] == [1, 2, 3]


def test_tokens_grow_also_over_a_release_of_the_lock(ledger: Platform) -> None:
    release_lease.fn(take(ledger))
    assert take(ledger, "bruno").token == 2


def test_releasing_twice_changes_nothing(ledger: Platform) -> None:
    lease = take(ledger)
    release_lease.fn(lease)
    release_lease.fn(lease)
    assert not lock_status.fn(ledger).held


def test_a_stale_holder_does_not_release_the_lock_of_the_next(brief: Platform) -> None:
    stale = take(brief)
    take(brief, "bruno", wait_s=10)
    release_lease.fn(stale)
    assert lock_status.fn(brief).owner == "bruno"


def test_renewing_starts_the_lease_anew(ledger: Platform) -> None:
    lease = take(ledger)
    time.sleep(0.2)
    before = lock_status.fn(ledger)
    renew(lease)
    assert lock_status.fn(ledger).seconds_left > before.seconds_left
    assert lock_status.fn(ledger).token == lease.token


def test_a_stale_holder_cannot_renew(brief: Platform) -> None:
    stale = take(brief)
    take(brief, "bruno", wait_s=10)
    with pytest.raises(LeaseLost, match="token 1 of ana is stale"):
        renew(stale)


def test_a_lease_that_ended_unnoticed_may_still_be_renewed_by_its_holder(brief: Platform) -> None:
    lease = take(brief)
    time.sleep(0.35)
    assert not lock_status.fn(brief).held
    renew(replace(lease, lease_s=60))
    assert lock_status.fn(brief).held


def test_holding_renews_for_longer_than_the_lease_and_then_gives_back(ledger: Platform) -> None:
    brief = with_policy(ledger, lease_s=2.5)
    with holding(take(brief)) as held:
        time.sleep(3)
        held.check()
        assert lock_status.fn(brief).held
    assert not lock_status.fn(brief).held


def test_holding_gives_back_also_when_the_block_fails(ledger: Platform) -> None:
    with pytest.raises(ZeroDivisionError), holding(take(ledger)):
        _ = 1 / 0
    assert not lock_status.fn(ledger).held


def test_no_thread_is_left_behind(ledger: Platform) -> None:
    with holding(take(ledger)):
        assert any(thread.name == "lease-production" for thread in threading.enumerate())
    assert not any(thread.name == "lease-production" for thread in threading.enumerate())


def test_a_holder_that_lost_its_lease_is_told_at_its_next_check(brief: Platform) -> None:
    lease = take(brief)
    held = Holding(lease)
    take(brief, "bruno", wait_s=10)
    held.start()
    time.sleep(0.3)
    with pytest.raises(LeaseLost):
        held.check()
    held.stop()


def test_a_holder_that_cannot_renew_is_told_when_its_lease_has_ended(
    ledger: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_cloud(_lease: Lease) -> None:
        raise CloudUnavailable("x", "throttled")

    monkeypatch.setattr(lease_module, "renew", no_cloud)
    with holding(take(with_policy(ledger, lease_s=1.5))) as held:
        held.check()
        time.sleep(1.6)
        with pytest.raises(LeaseLost, match="could not be renewed in time"):
            held.check()


def test_one_missed_heartbeat_is_made_up_for(ledger: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    brief = with_policy(ledger, lease_s=2.5)
    beats: list[str] = []

    def hiccup(lease: Lease) -> None:
        beats.append("missed" if not beats else "made")
        if len(beats) == 1:
            raise CloudUnavailable("x", "throttled")
        renew(lease)

    monkeypatch.setattr(lease_module, "renew", hiccup)
    with holding(take(brief)) as held:
        time.sleep(2.8)
        held.check()
    assert beats[:2] == ["missed", "made"]
