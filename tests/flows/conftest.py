from collections.abc import Iterator

import pytest
from acted_world import ActedClock, ActedRunner
from acted_world import platform as make_platform
from moto import mock_aws
from small_world import World, serving, world

from tasks import aws
from tasks.topology import Platform


@pytest.fixture(autouse=True)
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        aws.client("dynamodb").create_table(
            TableName="ledger",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield


@pytest.fixture
def platform() -> Platform:
    return make_platform()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> World:
    """OLD serves; the flows' clock is the world's."""
    acted = world(sides=serving())
    clock = ActedClock(acted)
    for module in ("engine", "perform", "delivery", "turning_back", "gate"):
        monkeypatch.setattr(f"flows.{module}.time", clock)
    return acted


@pytest.fixture
def run(here: World) -> ActedRunner:
    return ActedRunner(here)
