"""Rows of a release that goes well, in order. Each returns its step, or None where it does not apply."""

from __future__ import annotations

from dataclasses import replace

from decisions.analysis import Outcome
from decisions.release import COLOURS, Colour, ServiceSeen, State, other
from decisions.steps import (
    Begin,
    Fail,
    Finish,
    Look,
    Migrate,
    Move,
    Note,
    Preflight,
    RecordLastGood,
    Retire,
    Shift,
    Smoke,
    Start,
    Step,
    Wait,
)
from decisions.view import View, is_up, serving

ALL_PCT = 100


def settle(view: View) -> Step | None:
    """Traffic that an earlier, abandoned release left split goes to one side first."""
    if view.candidates:
        return None
    split = [service for service in view.seen.services if serving(service) is None]
    if not split:
        return None
    moves = {service.name: _all_to(service, _trusted_colour(view, service)) for service in split}
    return Shift(
        moves, "settled", "an earlier release left traffic split: all of it goes to the trusted side"
    )


def begin(view: View) -> Step | None:
    """Choose the colour that has no traffic, for every service that does not serve the image yet."""
    if "begun" in view.release.marks:
        return None
    candidates: dict[str, Colour] = {}
    for image in view.release.images:
        seen = view.seen.service(image.service)
        active = serving(seen)
        if active is not None and not (active.digest == image.digest and is_up(active)):
            candidates[image.service] = other(active.colour)
    names = ", ".join(f"{name} to {colour}" for name, colour in sorted(candidates.items()))
    return Begin(candidates, f"release {names}" if names else "every service serves this image already")


def nothing_to_do(view: View) -> Step | None:
    """A release of what serves already ends well and changes nothing."""
    if view.candidates:
        return None
    return Finish(State.SUCCEEDED, "this version was serving already; nothing was changed")


def preflight(view: View) -> Step | None:
    """Nothing is touched before everything the release needs was seen to be there."""
    if view.mark("preflight"):
        return None
    return Preflight("check image, template, secrets, rules and alarms before anything is touched")


def clear(view: View) -> Step | None:
    """A colour that still runs another version is emptied before the candidate starts on it."""
    stale = {
        name: colour
        for name, colour in view.candidates.items()
        if (side := view.candidate(name)).weight_pct == 0 and not view.carries(name, side)
        and (side.desired or side.running or side.draining)
    }  # fmt: skip
    if not stale:
        return None
    if any(view.candidate(name).desired for name in stale):
        return Retire(stale, f"{_sides(stale)} still runs another version and serves nobody: stop it first")
    return Wait(f"{_sides(stale)} is stopping the version it had")


def migrate(view: View) -> Step | None:
    """The database is expanded once, with the new image, while only the old version runs."""
    if view.mark("migrated") or view.release.kind == "rollback":
        return None
    names = tuple(name for name in view.candidates if view.environment.services[name].migrate)
    if not names:
        return None
    return Migrate(names, f"expand the database with the new image of {', '.join(names)}")


def start(view: View) -> Step | None:
    """The candidate starts with as many tasks as serve now."""
    lacking = {
        name: colour
        for name, colour in view.candidates.items()
        if not view.carries(name, side := view.candidate(name))
        or (side.weight_pct == 0 and side.desired < view.count(name))
    }
    if not lacking:
        return None
    if any(view.candidate(name).weight_pct for name in lacking):
        return Fail(f"somebody put another version on {_sides(lacking)} during the release")
    counts = {name: view.count(name) for name in lacking}
    tasks = ", ".join(f"{counts[name]} of {name} on {colour}" for name, colour in lacking.items())
    return Start(lacking, counts, f"start {tasks}; they serve nobody yet")


def lost(view: View) -> Step | None:
    """A candidate that has traffic and no healthy task is turned around at once."""
    for name in view.candidates:
        side = view.candidate(name)
        if side.weight_pct and not side.healthy:
            return Fail(
                f"{name}: none of {side.desired} tasks on {side.colour} is healthy, with traffic on it"
            )
    return None


def await_healthy(view: View) -> Step | None:
    """Target health, not the service's own word, says that a side can serve."""
    if any(view.candidate(name).weight_pct for name in view.candidates):
        return None
    return _await_healthy(view)


def _await_healthy(view: View) -> Step | None:
    down = [name for name in view.candidates if not is_up(view.candidate(name))]
    if not down:
        return None
    tasks = ", ".join(
        f"{name}: {view.candidate(name).healthy} of {view.candidate(name).desired} tasks healthy"
        for name in down
    )
    waited_s = view.since("started", "resumed")
    if waited_s > view.policy.healthy_timeout_s:
        return Fail(f"{tasks} after {view.policy.healthy_timeout_s:g} s")
    return Wait(f"waiting for target health; {tasks}")


def smoke(view: View) -> Step | None:
    """No user meets a candidate that does not answer the smoke tests on the test listener."""
    if view.mark("smoke"):
        return None
    return Smoke(tuple(view.candidates), "ask the candidates through the test listener, where no user is")


def look(view: View) -> Step | None:
    """At every weight both sides are compared until the bake is over."""
    number, wave = _current(view)
    pct = view.weight_pct(wave)
    if pct == 0:
        return None
    moment = view.mark(f"shift:{number}:{pct}")
    if moment is None:
        return Note(
            f"shift:{number}:{pct}", f"traffic is at {pct} %, the moment was not recorded: bake from now"
        )
    if view.policy.bake_s == 0:
        return None
    return _bake(
        view, Look(wave, moment.at, f"look:{number}:{pct}", f"bake at {pct} %: compare both sides"), pct
    )


def _bake(view: View, again: Look, pct: int) -> Step | None:
    verdict = view.mark(again.mark)
    outcome, _, finding = verdict.detail.partition(": ") if verdict else ("", "", "")
    if outcome == Outcome.FAIL:
        return Fail(f"at {pct} %: {finding}")
    over_s = view.seen.now - again.since - view.policy.bake_s - view.policy.metrics_delay_s
    if over_s < 0 or not verdict:
        return again
    if outcome == Outcome.PASS:
        return None
    if over_s < view.policy.inconclusive_looks * view.policy.look_s:
        return replace(again, why=f"held at {pct} %: {finding}")
    return Fail(f"at {pct} %: still undecided after {view.policy.inconclusive_looks} more looks; {finding}")


def shift(view: View) -> Step | None:
    """Traffic moves up one step when the bake passed and every task is healthy."""
    number, wave = _current(view)
    pct = view.weight_pct(wave)
    if pct == ALL_PCT:
        return None
    if waiting := _await_healthy(view):
        return waiting
    bootstrap = not any(view.baseline(name).healthy for name in wave)
    steps = (ALL_PCT,) if bootstrap else view.policy.steps_pct
    wanted_pct = next(step for step in steps if step > pct)
    moves = {
        name: _move(view.seen.service(name), view.candidates[name], wanted_pct)
        for name in wave
        if view.candidate(name).weight_pct != wanted_pct
    }
    why = f"{', '.join(wave)}: {pct} % → {wanted_pct} % of traffic to the candidate"
    return Shift(moves, f"shift:{number}:{wanted_pct}", why + (" (nothing serves yet)" if bootstrap else ""))


def finish_wave(view: View) -> Step | None:
    """A wave is over when its candidates have all the traffic and baked; then the next one moves."""
    number, wave = _current(view)
    if view.mark(f"wave:{number}"):
        return None
    return Note(f"wave:{number}", f"{', '.join(wave)}: all traffic moved and baked")


def keep_warm(view: View) -> Step | None:
    """The old side stays warm for the rollback window: until then going back is one weight change."""
    if view.mark("warm"):
        return None
    waited_s = view.since(*(f"wave:{number}" for number in range(len(view.waves))))
    left_s = view.policy.warm_s - waited_s
    if left_s > 0 and any(view.baseline(name).desired for name in view.candidates):
        return Wait(f"the old side stays warm for {left_s:.0f} s more: going back is one weight change")
    return Note("warm", "the rollback window is over")


def record_last_good(view: View) -> Step | None:
    """What baked and served is what a rollback goes back to."""
    if view.mark("last_good"):
        return None
    return RecordLastGood(
        tuple(view.candidates), f"{view.release.version} baked and serves: it is last good now"
    )


def retire(view: View) -> Step | None:
    """The old side stops when its last request has ended."""
    old = {name: other(colour) for name, colour in view.candidates.items() if view.baseline(name).desired}
    return retire_sides(view, old, "the new version has all the traffic")


def finish(view: View) -> Step | None:
    """The ledger says succeeded when AWS shows nothing left of the old version."""
    left = {name: other(c) for name, c in view.candidates.items() if _lives(view, name, other(c))}
    if left and view.since("last_good") < view.policy.drain_timeout_s + view.policy.healthy_timeout_s:
        return Wait(f"{_sides(left)} is draining and stopping")
    return Finish(State.SUCCEEDED, f"{view.release.version} serves all traffic")


def retire_sides(view: View, sides: dict[str, Colour], why: str) -> Step | None:
    """Stop sides without weight once nobody asks them any more, or the drain time is over.

    ECS deregisters and drains each target before it stops the task, so the time-out loses no request;
    the wait in front of it covers the load balancer's propagation delay (argo-rollouts#4595).
    """
    if not sides:
        return None
    asked = {name: view.seen.service(name).side(colour).recent_requests for name, colour in sides.items()}
    shifts = [key for key in view.release.marks if key.startswith("shift:")]
    waited_s = view.since(*shifts, "reverted")
    settled_s = view.policy.metrics_period_s + view.policy.metrics_delay_s
    if waited_s < settled_s or (any(asked.values()) and waited_s < view.policy.drain_timeout_s):
        counts = ", ".join(f"{name} {count}" for name, count in asked.items())
        return Wait(f"{_sides(sides)} has no weight; recent requests still seen there: {counts}")
    return Retire(sides, f"{why}; nobody asks {_sides(sides)} any more: stop it")


def _current(view: View) -> tuple[int, tuple[str, ...]]:
    for number, wave in enumerate(view.waves):
        if not view.mark(f"wave:{number}"):
            return number, wave
    return len(view.waves) - 1, view.waves[-1]


def _lives(view: View, name: str, colour: Colour) -> bool:
    side = view.seen.service(name).side(colour)
    return bool(side.desired or side.running or side.draining)


def _move(service: ServiceSeen, colour: Colour, pct: int) -> Move:
    expected = {each: service.side(each).weight_pct for each in COLOURS}
    return Move(expected, {colour: pct, other(colour): ALL_PCT - pct})


def _all_to(service: ServiceSeen, colour: Colour) -> Move:
    return _move(service, colour, ALL_PCT)


def _trusted_colour(view: View, service: ServiceSeen) -> Colour:
    """Last good where it is healthy, else the side with more healthy tasks."""
    good = view.seen.last_good.get(service.name)
    for colour in COLOURS:
        side = service.side(colour)
        if good and side.healthy and side.digest == good.image.digest:
            return colour
    return max(COLOURS, key=lambda colour: service.side(colour).healthy)


def _sides(sides: dict[str, Colour]) -> str:
    return ", ".join(f"{name} {colour}" for name, colour in sorted(sides.items()))


FORWARD = (
    settle,
    begin,
    nothing_to_do,
    preflight,
    clear,
    migrate,
    start,
    lost,
    await_healthy,
    smoke,
    look,
    shift,
    finish_wave,
    keep_warm,
    record_last_good,
    retire,
    finish,
)
