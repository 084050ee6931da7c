from small_world import release, world

from decisions.errors import DeliveryError, Halted, LeaseLost, NotFound
from decisions.progress import Effect, advance, supersede
from decisions.release import State, StepLog
from decisions.report import markdown, table
from decisions.steps import Wait


def test_waiting_many_times_is_one_entry_of_the_log() -> None:
    record = release()
    for second in range(5):
        record = advance(record, Wait("tea"), Effect(), StepLog("Wait", "tea", second, second + 1))
    assert [(step.started, step.ended) for step in record.steps] == [(0, 5)]


def test_a_superseded_release_is_final_and_says_by_whom() -> None:
    record = supersede(release(), "r2", 9.0)
    assert (record.state, record.reason, record.ended) == (State.SUPERSEDED, "superseded by r2", 9.0)


def test_the_report_tells_every_step_and_the_outcome() -> None:
    here = world()
    done = here.run()
    text = markdown(done, "https://example.org", "abc")
    assert "Release 2 → production: succeeded" in text
    assert all(row["why"] in text for row in table(done))
    assert "commit `abc`" in text


def test_an_error_says_where_what_was_left_and_what_to_do() -> None:
    error = DeliveryError("staging", "1 of 2 tasks failed", "traffic stays on 1.4.1", "read the log")
    assert str(error) == "staging: 1 of 2 tasks failed; traffic stays on 1.4.1; read the log"


def test_exit_codes_tell_refused_halted_and_failed_apart() -> None:
    assert [each.exit_code for each in (DeliveryError, NotFound, Halted)] == [1, 2, 3]
    assert not LeaseLost.retryable
