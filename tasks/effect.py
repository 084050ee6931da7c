"""How an effect becomes a Prefect task: same promises for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from decisions.errors import DeliveryError

P = ParamSpec("P")
R = TypeVar("R")


def worth_repeating(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Only errors that say of themselves that the same call may succeed later are repeated."""
    try:
        state.result()
    except DeliveryError as error:
        return error.retryable
    except Exception:  # noqa: BLE001 - a bug does not go away by repeating it
        return False
    return False


def effect(
    name: str, *, retries: int = 0, retry_delay_s: float = 2.0
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a Prefect task that is never cached and stores no result.

    Never cached, because an effect's answer is only true now; no stored result, because the truth of a
    release is in AWS and in the ledger (docs/adr). `.fn(...)` is the plain function: no server needed.

    Args:
        name: What the operator reads in the run's graph.
        retries: How often Prefect repeats after a retryable error; 0 where botocore's retries suffice.
        retry_delay_s: Seconds before the first repetition; jitter is added.
    """

    def wrap(fn: Callable[P, R]) -> Task[P, R]:
        return task(
            name=name,
            retries=retries,
            retry_delay_seconds=retry_delay_s,
            retry_jitter_factor=0.5,
            retry_condition_fn=worth_repeating,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(fn)

    return wrap
