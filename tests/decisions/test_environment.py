import pytest
from pydantic import ValidationError
from small_world import environment

from decisions.environment import Environment, ReleasePolicy


def test_a_misspelt_key_is_an_error() -> None:
    raw = environment().model_dump()
    with pytest.raises(ValidationError, match="aprovers"):
        Environment.model_validate({**raw, "aprovers": []})


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("name", "prod", "staging"),
        ("api_url", "ftp://x", "string_pattern_mismatch"),
        ("scaling", {"min_instances": 5, "max_instances": 2, "target_cpu_utilization_pct": 70}, "is above"),
        ("services", {}, "too_short"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(key: str, value: object, why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Environment.model_validate({**environment().model_dump(), key: value})
    assert why in str(refused.value)


def test_an_order_may_only_name_services_that_exist() -> None:
    with pytest.raises(ValidationError, match="unknown services"):
        environment({"web": ("database",)})


@pytest.mark.parametrize("steps", [(), (50,), (50, 25, 100), (0, 100), (5, 5, 100)])
def test_traffic_steps_climb_to_all_of_it(steps: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="must climb"):
        ReleasePolicy(steps_pct=steps)
