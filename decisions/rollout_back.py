"""Rows of a release that turned around, in order. Each returns its step, or None where it does not apply."""

from __future__ import annotations

from decisions.release import COLOURS, State, other
from decisions.rollout_forward import retire_sides
from decisions.steps import Finish, Move, Restore, Retire, Shift, Step, Wait
from decisions.view import View


def revert(view: View) -> Step | None:
    """While the old side is warm, going back is one weight change, for all services together."""
    away = [name for name in view.candidates if view.candidate(name).weight_pct]
    ready = [name for name in away if _can_serve(view, name)]
    if not ready or len(ready) < len(away):
        return None
    moves = {
        name: Move(
            {colour: view.seen.service(name).side(colour).weight_pct for colour in COLOURS},
            {view.candidates[name]: 0, other(view.candidates[name]): 100},
        )
        for name in ready
    }
    return Shift(moves, "reverted", f"{reason(view)}: all traffic goes back to the old side")


def restore(view: View) -> Step | None:
    """An old side that is no longer warm is started again before traffic goes back to it."""
    cold = {
        name: other(colour)
        for name, colour in view.candidates.items()
        if view.candidate(name).weight_pct and not _can_serve(view, name)
    }
    if not cold:
        return None
    if not all(view.baseline(name).task_definition for name in cold):
        return Finish(
            State.HALTED,
            f"{reason(view)}; nothing was ever released on the old side of {', '.join(cold)}, so going "
            "back would serve nobody. Traffic stays where it is: release a version that works",
        )
    stopped = {name: colour for name, colour in cold.items() if not view.baseline(name).desired}
    if stopped:
        counts = {name: max(1, view.candidate(name).desired) for name in stopped}
        return Restore(stopped, counts, f"{reason(view)}; the old side was stopped: start it again first")
    if view.since("restored", "resumed", "failed", "abort") > view.policy.healthy_timeout_s:
        return Finish(
            State.HALTED,
            f"{reason(view)}; the old side of {', '.join(cold)} does not become healthy either. Traffic "
            "stays where it is: look at both sides",
        )
    return Wait("waiting for the old side to become healthy again")


def retire_candidate(view: View) -> Step | None:
    """The failed candidate is stopped when its last request has ended."""
    idle = {name: colour for name, colour in view.candidates.items() if _is_ours(view, name)}
    running = {name: colour for name, colour in idle.items() if view.candidate(name).desired}
    if running and not view.had_traffic:
        return Retire(running, "the candidate never had traffic: stop it")
    return retire_sides(view, running, reason(view))


def finish_back(view: View) -> Step | None:
    """The ledger says rolled back when AWS shows that nothing is left of the candidate."""
    left = [name for name in view.candidates if _is_ours(view, name) and _alive(view, name)]
    waited_s = view.since("failed", "abort", "reverted")
    if left and waited_s < view.policy.drain_timeout_s + view.policy.healthy_timeout_s:
        return Wait(f"the candidate of {', '.join(left)} is draining and stopping")
    return Finish(State.ROLLED_BACK if view.had_traffic else State.FAILED, reason(view))


def reason(view: View) -> str:
    """Why the release turned around, in one sentence."""
    if failed := view.mark("failed"):
        return failed.detail
    asked = view.mark("abort")
    return f"stopped, {asked.detail}" if asked else "stopped"


def _can_serve(view: View, name: str) -> bool:
    side = view.baseline(name)
    return side.healthy > 0 and side.healthy * 2 >= side.desired


def _is_ours(view: View, name: str) -> bool:
    side = view.candidate(name)
    return side.weight_pct == 0 and view.carries(name, side)


def _alive(view: View, name: str) -> bool:
    side = view.candidate(name)
    return bool(side.desired or side.running or side.draining)


BACK = (revert, restore, retire_candidate, finish_back)
