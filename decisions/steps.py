"""What a release can do next. Each step carries `why`, the sentence that the operator reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from decisions.release import Colour, State


@dataclass(frozen=True)
class Begin:
    """Write down which colour each service is released to. Services that serve it already are left out."""

    candidates: dict[str, Colour]
    why: str


@dataclass(frozen=True)
class Preflight:
    """Check everything the release will need before anything is touched."""

    why: str


@dataclass(frozen=True)
class Migrate:
    """Expand the database with the new image, before any traffic moves."""

    services: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Start:
    """Run the image on a colour that serves nobody, with `counts` tasks per service."""

    sides: dict[str, Colour]
    counts: dict[str, int]
    why: str


@dataclass(frozen=True)
class Restore:
    """Run last good again on the colour it was on, with `counts` tasks per service."""

    sides: dict[str, Colour]
    counts: dict[str, int]
    why: str


@dataclass(frozen=True)
class Wait:
    """Look again after the poll interval: something is on its way."""

    why: str


@dataclass(frozen=True)
class Smoke:
    """Ask the candidates through the test listener, where no user is."""

    services: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Move:
    """Weights of one service in percent: what was seen, and what shall be."""

    expected: dict[Colour, int]
    wanted: dict[Colour, int]


@dataclass(frozen=True)
class Shift:
    """Move production traffic; `mark` is the key under which the moment is remembered."""

    moves: dict[str, Move]
    mark: str
    why: str


@dataclass(frozen=True)
class Look:
    """Compare both sides since `since` (epoch seconds); the verdict is remembered under `mark`."""

    services: tuple[str, ...]
    since: float
    mark: str
    why: str


@dataclass(frozen=True)
class RecordLastGood:
    """Write down what may be gone back to from now on."""

    services: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Retire:
    """Stop the tasks of sides that have no weight and whose requests have ended."""

    sides: dict[str, Colour]
    why: str


@dataclass(frozen=True)
class Fail:
    """Turn around: from here on every step leads back."""

    why: str


@dataclass(frozen=True)
class Note:
    """Remember that a wait or a phase is over, under `mark`."""

    mark: str
    why: str


@dataclass(frozen=True)
class Finish:
    """Write the final state."""

    state: State
    why: str


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""

    state: State
    why: str = field(default="")


Step = (
    Begin
    | Preflight
    | Migrate
    | Start
    | Restore
    | Wait
    | Smoke
    | Shift
    | Look
    | RecordLastGood
    | Retire
    | Fail
    | Note
    | Finish
    | Done
)
