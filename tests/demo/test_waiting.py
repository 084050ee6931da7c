from __future__ import annotations

import pytest

from demo.errors import StackFailed
from demo.waiting import wait_for


def test_each_part_is_said_when_it_becomes_ready() -> None:
    said: list[str] = []
    looks = iter([False, False, True])
    wait_for({"quick": lambda: True, "slow": lambda: next(looks)}, 10, said.append)
    assert said == ["quick is ready", "slow is ready"]


def test_a_part_that_is_never_ready_is_named_at_the_time_limit() -> None:
    with pytest.raises(StackFailed, match="slow: not ready after 0 s"):
        wait_for({"quick": lambda: True, "slow": lambda: False}, 0.2, print)


def test_a_part_that_failed_ends_the_waiting() -> None:
    def failed() -> bool:
        raise StackFailed("part", "ended")

    with pytest.raises(StackFailed, match="part: ended"):
        wait_for({"part": failed, "other": lambda: False}, 60, print)
