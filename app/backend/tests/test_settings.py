from __future__ import annotations

import pytest

from backend.errors import ApplicationError
from backend.settings import from_environment

WHOLE = {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "SESSION_KEY": "k"}


def test_the_required_ones_are_enough() -> None:
    settings = from_environment(WHOLE)
    assert (settings.label, settings.environment, settings.port) == ("backend/0.0.0", "development", 3000)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_one_is_named(name: str, value: str | None) -> None:
    env = {key: text for key, text in {**WHOLE, name: value}.items() if text is not None}
    with pytest.raises(ApplicationError, match=f"{name}: is not set; not started") as refused:
        from_environment(env)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("text", ["many", "-1", "nan", "inf"])
def test_a_number_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ApplicationError, match="GRACE_S"):
        from_environment({**WHOLE, "GRACE_S": text})


def test_a_fault_meant_for_elsewhere_is_dropped() -> None:
    fault = {"APP_FAULT": "never_ready@production"}
    assert from_environment({**WHOLE, **fault, "APP_ENVIRONMENT": "staging"}).fault is None
    assert from_environment({**WHOLE, **fault, "APP_ENVIRONMENT": "production"}).fault is not None
