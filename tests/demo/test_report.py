import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_world import release

from decisions.release import Mark, State, StepLog
from demo.load_records import Record, summarise
from demo.picture import draw
from demo.report import Report, Story, story
from demo.verdict import problems


def records(good: int, failed: int, version: str = "web/2") -> list[Record]:
    fine = [Record(n / 10, n / 10 + 0.01, 200, "", version, 0, "new") for n in range(good)]
    return fine + [Record(5.0 + n, 5.1 + n, 500, "", version, 0, "new") for n in range(failed)]


def told(verdict: str = "succeeded", failed: int = 0, version: str = "2", **changes: object) -> Story:
    done = release(
        state=State(verdict), ended=60.0, version=version, steps=(StepLog("Shift", "0 → 5 %", 1.0, 2.0),),
        marks={"failed": Mark(6.0, "bad"), "reverted": Mark(7.5)} if verdict == "rolled_back" else {},
    )  # fmt: skip
    seen = records(1000 - failed, failed, f"web/{version}")
    modes = {"keepalive": replace(summarise(seen), rate=220.0), "new": replace(summarise(seen), rate=220.0)}
    return replace(story(done, seen, modes, "http://ui/run"), **changes)  # type: ignore[arg-type]


GOOD, BAD = told(), told("rolled_back", 5, "3")
NEVER = told("failed", version="4", by_version={"web/2": 1000})


def test_a_demo_in_which_everything_held_has_no_problems() -> None:
    assert problems(GOOD, BAD, NEVER) == []


@pytest.mark.parametrize(
    ("stories", "why"),
    [
        ((told(failed=1), BAD, NEVER), "1 of 1000 requests failed during the good release"),
        ((told("rolled_back"), BAD, NEVER), "the good release ended as rolled_back"),
        ((replace(GOOD, by_version={"web/1": 9}), BAD, NEVER), "no request was answered by the new version"),
        (
            (replace(GOOD, by_mode={"new": {"rate_per_s": 199.0}}), BAD, NEVER),
            "only 199.0 requests/s with new connections",
        ),
        ((GOOD, told("succeeded", 5), NEVER), "the bad release ended as succeeded"),
        ((GOOD, told("rolled_back", 0), NEVER), "nothing was proved"),
        ((GOOD, told("rolled_back", 21), NEVER), "21 of 1000 requests failed during the bad release"),
        ((GOOD, replace(BAD, decided_to_rolled_back_s=11.0), NEVER), "rolled back 11.0 s after"),
        ((GOOD, BAD, told("succeeded")), "ended as succeeded"),
        ((GOOD, BAD, replace(NEVER, failed=1)), "because of a version without traffic"),
        ((GOOD, BAD, told("failed", version="4")), "met the version that never becomes ready"),
    ],
)
def test_each_promise_that_did_not_hold_is_told_with_numbers(
    stories: tuple[Story, Story, Story], why: str
) -> None:
    assert any(why in problem for problem in problems(*stories))


def test_the_seconds_to_the_rollback_count_from_the_first_bad_answer() -> None:
    assert (BAD.rollback_s, BAD.decided_to_rolled_back_s) == (2.5, 1.5)
    assert GOOD.rollback_s is None


def test_the_report_is_written_for_machines_and_for_people(tmp_path: Path) -> None:
    Report(True, 100.0, GOOD, BAD, NEVER).write(tmp_path)
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["ok"] is True
    for name in ("good_release", "bad_release", "never_ready_release"):
        assert {"version", "verdict", "requests", "failed", "duration_s", "steps"} <= set(found[name])
        assert {"name", "started", "ended"} <= set(found[name]["steps"][0])
    assert found["bad_release"]["rollback_s"] == 2.5
    text = (tmp_path / "report.md").read_text()
    assert "Everything held" in text
    assert "1000 requests were sent, 5 failed" in text


def test_the_picture_shows_a_panel_for_every_release(tmp_path: Path) -> None:
    draw({"good release": records(50, 0), "bad release": records(40, 3)}, tmp_path / "requests.png")
    assert (tmp_path / "requests.png").read_bytes().startswith(b"\x89PNG")
