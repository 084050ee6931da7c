from __future__ import annotations

import pytest

from backend import health
from backend.health import Monitor


def fine() -> None:
    pass


def broken() -> None:
    raise ConnectionError("connection refused\nsecond line")


def test_nothing_is_ready_before_the_first_check() -> None:
    assert Monitor({"database": fine}).not_ready() == {"startup": "first check has not finished"}


def test_what_fails_is_named_with_the_first_line_of_its_reason() -> None:
    monitor = Monitor({"database": broken, "redis": fine})
    monitor.check()
    assert monitor.not_ready() == {"database": "connection refused"}


def test_it_is_ready_again_when_the_cause_is_gone() -> None:
    probes = {"database": broken}
    monitor = Monitor(probes)
    monitor.check()
    probes["database"] = fine
    monitor.check()
    assert monitor.not_ready() == {}


def test_a_check_that_hangs_makes_it_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor({"database": fine})
    monitor.check()
    monkeypatch.setattr(health, "STALE_S", -1.0)
    assert list(monitor.not_ready()) == ["checks"]


def test_draining_and_a_denial_come_before_everything_else() -> None:
    monitor = Monitor({"database": fine}, denied=lambda: True)
    monitor.check()
    assert list(monitor.not_ready()) == ["fault"]
    monitor.drain()
    assert list(monitor.not_ready()) == ["draining"]
