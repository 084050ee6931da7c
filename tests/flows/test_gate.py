import pytest
from small_world import environment, images, release

from decisions.approval import digests
from decisions.errors import NotApproved
from decisions.release import State
from flows import gate
from flows.gate import UatDecision, ask_for_approval

ASKED = digests(images())


class Answers:
    """Stands in for suspending: hands out one answer a question, and remembers what was asked."""

    def __init__(self, *answers: UatDecision) -> None:
        self.answers = list(answers)
        self.keys: list[str] = []
        self.questions: list[str] = []

    def __call__(self, wait_for_input: type[UatDecision], timeout: int, key: str) -> UatDecision:
        self.keys.append(key)
        self.questions.append(str(wait_for_input._description))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def ask(monkeypatch: pytest.MonkeyPatch, *answers: UatDecision) -> tuple[Answers, object]:
    people = Answers(*answers)
    monkeypatch.setattr(gate, "suspend_flow_run", people)
    return people, ask_for_approval(environment(), images(), release(state=State.SUCCEEDED))


def yes(approver: str = "ana", asked: str = ASKED) -> UatDecision:
    return UatDecision(decision="approve", approver=approver, note="fine", images=asked)


def test_an_approver_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    people, approval = ask(monkeypatch, yes())
    assert (approval.approver, approval.note) == ("ana", "fine")  # type: ignore[attr-defined]
    assert len(people.keys) == 1


def test_an_answer_that_does_not_count_is_asked_again_and_the_question_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people, approval = ask(monkeypatch, yes("mallory"), yes(asked="backend@000"), yes())
    assert approval.approver == "ana"  # type: ignore[attr-defined]
    assert "mallory is not an approver" in people.questions[1]
    assert "the question is about" in people.questions[2]
    assert len(set(people.keys)) == 3


def test_without_any_answer_that_counts_the_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotApproved, match="10 answers and none that counts"):
        ask(monkeypatch, yes("mallory"))


def test_a_no_counts_whoever_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    no = UatDecision(decision="reject", approver="mallory", note="broken", images="")
    _, approval = ask(monkeypatch, no)
    assert approval.decision == "reject"  # type: ignore[attr-defined]


def test_the_key_of_a_question_holds_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    people, _ = ask(monkeypatch, yes())
    assert ASKED.split("@")[1][:3] in people.keys[0]
    assert people.keys[0].replace("-", "").isalnum()
