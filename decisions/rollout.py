"""The release engine's heart: from what is seen to the next safe step.

Two tables, forward and back. The first row that has a step to offer wins, so the order of the rows *is*
the release, and a run that was killed anywhere goes on from whatever the next one observes.

Marks in the release record are facts that AWS cannot show afterwards:
`preflight` `migrated` `started` `smoke` `shift:<wave>:<pct>` `look:<wave>:<pct>` `wave:<wave>` `warm`
`last_good` `failed` `abort` (asked for by a person) `reverted` `restored` `resumed`.
"""

from __future__ import annotations

from decisions.environment import Environment, ReleasePolicy
from decisions.release import Observation, State
from decisions.rollout_back import BACK
from decisions.rollout_forward import FORWARD
from decisions.steps import Done, Finish, Step
from decisions.view import View


def next_step(seen: Observation, environment: Environment, policy: ReleasePolicy | None = None) -> Step:
    """The one next step that is safe, whatever happened before.

    Args:
        seen: The world as observed just now.
        environment: Services, their order and their counts.
        policy: Overrides the environment's, e.g. an emergency rollback that moves all traffic at once.
    """
    view = View(seen, environment, policy or environment.policy)
    if view.release.state is not State.IN_PROGRESS:
        return Done(view.release.state, view.release.reason)
    turned_around = view.mark("failed") or view.mark("abort")
    for row in BACK if turned_around else FORWARD:
        if (step := row(view)) is not None:
            return step
    return Finish(
        State.HALTED, "no row of the table applies: this is a mistake in the table, please report it"
    )


def emergency(policy: ReleasePolicy) -> ReleasePolicy:
    """The policy of a rollback: all traffic at once and no bake, since last good has baked already."""
    return policy.model_copy(update={"steps_pct": (100,), "bake_s": 0.0, "warm_s": 0.0})
