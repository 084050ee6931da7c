"""What every AWS call meets before and after moto: keys, faults, locks and error shapes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.localcloud.conftest import Cloud

pytestmark = pytest.mark.docker

# One cheap call for each protocol that botocore speaks: json, query, ec2, cbor, rest-xml, rest-json.
CALLS = [
    ("ecs", "list_clusters"),
    ("elbv2", "describe_load_balancers"),
    ("ec2", "describe_vpcs"),
    ("cloudwatch", "list_metrics"),
    ("s3", "list_buckets"),
    ("efs", "describe_file_systems"),
]


@pytest.fixture
def broken(cloud: Cloud) -> Iterator[Cloud]:
    """A cloud that may be broken, and is mended afterwards."""
    yield cloud
    cloud.cli("break", "none")


def refusal(call: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        call()
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(("service", "call"), CALLS)
def test_an_unknown_access_key_is_refused_in_the_words_of_the_service_as_aws_does(
    cloud: Cloud, service: str, call: str
) -> None:
    client = cloud.client(service, aws_access_key_id="nobody")
    expected = {
        "ecs": ("UnrecognizedClientException", 400),
        "elbv2": ("InvalidClientTokenId", 403),
        "ec2": ("AuthFailure", 401),
        "cloudwatch": ("UnrecognizedClientException", 400),
        "s3": ("InvalidAccessKeyId", 403),
        "efs": ("UnrecognizedClientException", 400),
    }
    assert refusal(getattr(client, call)) == expected[service]


@pytest.mark.parametrize(("service", "call"), CALLS)
def test_a_throttled_service_says_so_in_its_own_words(broken: Cloud, service: str, call: str) -> None:
    broken.cli("break", "throttle", service, "60")
    expected = {"s3": "SlowDown", "ec2": "RequestLimitExceeded", "elbv2": "Throttling"}
    code, _ = refusal(getattr(broken.client(service), call))
    assert code == expected.get(service, "ThrottlingException")


def test_only_the_service_that_was_broken_is_broken_until_it_is_mended(broken: Cloud) -> None:
    broken.cli("break", "error", "ecs", "60")
    assert refusal(broken.client("ecs").list_clusters) == ("InternalFailure", 500)
    broken.client("elbv2").describe_load_balancers()
    broken.cli("break", "none")
    broken.client("ecs").list_clusters()


def test_expired_credentials_fail_everywhere(broken: Cloud) -> None:
    broken.cli("break", "expired")
    assert refusal(broken.client("ecs").list_clusters)[0] == "ExpiredTokenException"
    assert refusal(broken.client("sts").get_caller_identity)[0] == "ExpiredToken"


def test_a_fault_ends_by_itself(broken: Cloud) -> None:
    broken.cli("break", "credentials", "5")
    code, _ = refusal(broken.client("ecs").list_clusters)
    assert code == "UnrecognizedClientException"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(ClientError):
            broken.client("ecs").list_clusters()
            return
        time.sleep(0.2)
    pytest.fail("the fault of 5 s still holds after 30 s")


def test_an_unknown_fault_is_refused_with_the_known_ones(cloud: Cloud) -> None:
    done = cloud.cli("break", "everything", check=False)
    assert done.returncode == 1
    assert "task" in done.stderr
    assert "nothing was broken" in done.stderr


def test_what_is_not_emulated_is_a_client_error_that_is_not_retried_unlike_aws(cloud: Cloud) -> None:
    client = cloud.client("ecr")
    assert refusal(client.describe_pull_through_cache_rules) == ("NotImplemented", 501)


def test_a_rest_path_that_moto_does_not_know_is_not_emulated_either(cloud: Cloud) -> None:
    client = cloud.client("backup")
    call = lambda: client.start_backup_job(  # noqa: E731
        BackupVaultName="vault", ResourceArn="arn:aws:rds:::db:x", IamRoleArn="arn:aws:iam::1:role/x"
    )
    assert refusal(call) == ("NotImplemented", 501)


def test_of_many_conditional_writes_at_once_exactly_one_wins_as_in_aws(cloud: Cloud) -> None:
    table = f"race-{threading.get_ident()}"
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def take(owner: int) -> bool:
        try:
            dynamodb.put_item(
                TableName=table,
                Item={"pk": {"S": "lock"}, "owner": {"N": str(owner)}},
                ConditionExpression="attribute_not_exists(pk)",
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(8) as workers:
        assert sum(workers.map(take, range(40))) == 1


def test_of_many_objects_put_if_none_exists_exactly_one_wins_as_in_aws(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="race", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    def put(owner: int) -> bool:
        try:
            s3.put_object(Bucket="race", Key="lock", Body=str(owner), IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            return False
        return True

    with ThreadPoolExecutor(8) as workers:
        assert sum(workers.map(put, range(20))) == 1
