from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import moto_platform
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from tasks import aws
from tasks.environments import find_platform
from tasks.registry import forget_repositories
from tasks.task_definitions import forget_definitions
from tasks.topology import Platform

Stub = Callable[..., Stubber]


@pytest.fixture(autouse=True)
def a_known_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "DELIVERY_ENVIRONMENTS_DIR", "DELIVERY_BASE_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("DELIVERY_OVERLAY", "local")
    # Machine images nobody asks for took moto three quarters of the time of a test.
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    forget_definitions()
    forget_repositories()


@pytest.fixture
def cloud() -> Iterator[None]:
    """moto in this process, empty."""
    with mock_aws():
        yield


@pytest.fixture
def platform(cloud: None) -> Platform:
    """Production as Terraform leaves it, in moto."""
    moto_platform.seed("production")
    return find_platform.fn("production")


@pytest.fixture
def ledger(cloud: None) -> Platform:
    """Production's names with an empty ledger, the only part that exists."""
    platform = moto_platform.imagined()
    moto_platform.create_table(platform.ledger_table)
    return platform


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Scripted answers of AWS; botocore checks their shape, the end of the test that all were asked."""
    with ExitStack() as stack:

        def script(service: Any, *answers: tuple[str, dict[str, Any] | str]) -> Stubber:
            stubber = Stubber(aws.client(service))
            for operation, answer in answers:
                if isinstance(answer, str):
                    stubber.add_client_error(operation, answer, http_status_code=400)
                else:
                    stubber.add_response(operation, answer)
            stack.enter_context(stubber)
            stack.callback(stubber.assert_no_pending_responses)
            return stubber

        yield script
