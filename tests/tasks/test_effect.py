import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.cache_policies import NO_CACHE

from decisions.errors import CloudUnavailable, NotFound
from tasks import ecs, images, ledger, metrics, migrations, observation, traffic
from tasks.effect import effect, worth_repeating


def ended(error: Exception | None) -> Any:
    def result() -> None:
        if error:
            raise error

    return SimpleNamespace(result=result)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (CloudUnavailable("x", "y"), True),
        (NotFound("x", "y"), False),
        (KeyError("bug"), False),
        (None, False),
    ],
)
def test_only_errors_that_say_so_are_repeated(error: Exception | None, again: bool) -> None:  # noqa: FBT001
    assert worth_repeating(SimpleNamespace(), SimpleNamespace(), ended(error)) is again  # type: ignore[arg-type]


def test_an_effect_is_never_cached_nor_stored_and_works_without_a_server() -> None:
    @effect("add", retries=2)
    def add(one: int, other: int) -> int:
        return one + other

    assert (add.name, add.retries, add.cache_policy, add.persist_result) == ("add", 2, NO_CACHE, False)
    assert add.fn(1, 2) == 3


@pytest.mark.parametrize(
    "task",
    [
        ecs.start_side,
        images.push_image,
        ledger.write_release,
        metrics.read_samples,
        migrations.migrate,
        observation.observe,
        traffic.shift_traffic,
    ],
)
def test_every_public_effect_says_why_a_second_call_is_safe(task: Any) -> None:
    assert "Safe to repeat:" in task.fn.__doc__


def test_importing_the_tasks_imports_nothing_heavy() -> None:
    heavy = "{'docker', 'scipy.stats', 'moto', 'great_expectations'}"
    code = (
        f"import sys, tasks.images, tasks.observation, tasks.scans; print(sorted({heavy} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
