from __future__ import annotations

import pytest

from backend.errors import ApplicationError
from backend.faults import Fault, Faults, parse


def effects(text: str, requests: int) -> list[str]:
    faults = Faults(parse(text))
    return [faults.arrive()[0] for _ in range(requests)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("errors:0.3", Fault("errors", 0.3, after_requests=50)),
        ("errors:1,after=0", Fault("errors", 1.0)),
        ("errors:0.5,after=20s@production", Fault("errors", 0.5, after_s=20, environment="production")),
        ("slow:1.5", Fault("slow", 1.5)),
        ("never_ready", Fault("never_ready")),
        ("crash,after=3@staging", Fault("crash", after_requests=3, environment="staging")),
        ("leak:2", Fault("leak", 2.0)),
    ],
)
def test_a_fault_is_read(text: str, fault: Fault) -> None:
    assert parse(text) == fault


@pytest.mark.parametrize("text", ["", "  "])
def test_no_text_is_no_fault(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "error:0.3",
        "errors",
        "errors:2",
        "errors:x",
        "crash:1",
        "slow:1,after=1.5",
        "slow:1,later=2",
        "slow:1@",
        "slow:-1",
    ],
)
def test_a_malformed_fault_is_refused_with_the_kinds_there_are(text: str) -> None:
    with pytest.raises(ApplicationError, match="kinds: crash, errors, leak, never_ready, slow") as refused:
        parse(text)
    assert refused.value.exit_code == 2


def test_errors_start_well_then_hit_exactly_their_share() -> None:
    seen = effects("errors:0.25", 250)
    assert seen[:50] == [""] * 50
    assert seen[50:].count("error") == 50


def test_a_fault_for_another_environment_does_not_apply() -> None:
    fault = parse("never_ready@production")
    assert fault is not None
    assert fault.applies_in("production")
    assert not fault.applies_in("staging")


def test_a_fault_after_seconds_waits_for_the_clock() -> None:
    now = 100.0
    faults = Faults(parse("never_ready,after=5s"), clock=lambda: now)
    assert not faults.never_ready()
    now = 105.0
    assert faults.never_ready()


def test_a_leak_keeps_memory_of_every_request() -> None:
    faults = Faults(parse("leak:0.5"))
    for _ in range(4):
        faults.arrive()
    assert sum(len(kept) for kept in faults._kept) == 2 * 1024 * 1024
