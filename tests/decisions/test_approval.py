import pytest
from small_world import NEW, OLD, environment, images

from decisions.approval import digests, refuse
from decisions.release import Approval


def answer(decision: str = "approve", approver: str = "ana") -> Approval:
    return Approval(decision, approver, "", 1.0)  # type: ignore[arg-type]


def test_an_approver_may_say_yes_to_what_was_asked() -> None:
    assert refuse(answer(), digests(images()), images(), environment()) == ""


@pytest.mark.parametrize(
    ("given", "asked", "why"),
    [
        (answer(approver="mallory"), digests(images(NEW)), "mallory is not an approver"),
        (answer(), digests(images(OLD)), "the question is about"),
    ],
)
def test_an_answer_that_does_not_count_says_why(given: Approval, asked: str, why: str) -> None:
    assert why in refuse(given, asked, images(NEW), environment())


def test_everybody_may_say_no() -> None:
    assert refuse(answer("reject", "mallory"), "", images(), environment()) == ""


def test_without_a_list_of_approvers_anybody_may_say_yes() -> None:
    open_gate = environment().model_copy(update={"approvers": ()})
    assert refuse(answer(approver="bob"), digests(images()), images(), open_gate) == ""
