import socket
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from decisions.errors import AccessDenied, CloudError, CloudUnavailable, Conflict, DeliveryError, NotFound
from tasks import aws


def refused(code: str, status: int = 400, message: str = "as said") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "DoThing",
    )


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ClusterNotFoundException", 400, NotFound),
        ("NoSuchBucket", 404, NotFound),
        ("AccessDeniedException", 400, AccessDenied),
        ("ExpiredTokenException", 403, AccessDenied),
        ("UnrecognizedClientException", 400, AccessDenied),
        ("ConditionalCheckFailedException", 400, Conflict),
        ("TransactionConflictException", 400, Conflict),
        ("ThrottlingException", 400, CloudUnavailable),
        ("Throttling", 400, CloudUnavailable),
        ("TooManyRequestsException", 429, CloudUnavailable),
        ("ServerException", 500, CloudUnavailable),
        ("SomethingNew", 503, CloudUnavailable),
        ("500", 0, CloudUnavailable),
        ("InvalidParameterException", 400, CloudError),
    ],
)
def test_codes_of_aws_become_errors_of_ours(code: str, status: int, kind: type[DeliveryError]) -> None:
    with pytest.raises(DeliveryError) as caught, aws.translated("staging/web", left="all as it was"):
        raise refused(code, status)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(f"staging/web: DoThing was answered {status} {code}: as said")
    assert caught.value.left == "all as it was"
    assert caught.value.do
    assert caught.value.__cause__ is not None


def test_only_what_may_pass_is_retryable() -> None:
    for code, retryable in [
        ("Throttling", True),
        ("AccessDenied", False),
        ("ClusterNotFoundException", False),
    ]:
        with pytest.raises(DeliveryError) as caught, aws.translated("x"):
            raise refused(code)
        assert caught.value.retryable is retryable


def test_an_unknown_task_definition_is_not_found() -> None:
    with pytest.raises(NotFound), aws.translated("x"):
        raise refused("ClientException", message="Unable to describe task definition.")


def test_an_unreadable_answer_may_be_asked_for_again() -> None:
    with pytest.raises(CloudUnavailable, match="cannot be read"), aws.translated("x"):
        raise ResponseParserError("<html>")


def test_a_broken_connection_may_be_tried_again() -> None:
    with pytest.raises(CloudUnavailable), aws.translated("x"):
        raise HTTPClientError(error="reset")


def test_a_call_that_botocore_refuses_is_not_repeated() -> None:
    with pytest.raises(CloudError) as caught, aws.translated("x"):
        raise ParamValidationError(report="bad")
    assert not caught.value.retryable


def test_errors_of_ours_pass_through_unchanged() -> None:
    with pytest.raises(NotFound, match="inner"), aws.translated("outer"):
        raise NotFound("inner", "seen")


def test_missing_credentials_are_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(AccessDenied, match="give the worker a task role"), aws.translated("x"):
        aws.client("ecs").list_clusters()


def test_a_missing_region_is_told_when_the_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(AccessDenied, match="AWS_REGION"):
        aws.client("ecs")


def test_an_endpoint_where_nobody_listens_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("DELIVERY_AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(CloudUnavailable, match=f"check that {endpoint} is up"), aws.translated("x"):
        aws.client("ecs").list_clusters()


def test_a_client_is_made_once_and_again_for_another_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    first = aws.client("ecs")
    assert aws.client("ecs") is first
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert aws.client("ecs") is not first
    assert aws.client("ecs").meta.endpoint_url == "http://127.0.0.1:1"


def test_clients_have_time_outs_and_adaptive_retries() -> None:
    config: Any = aws.client("ecs").meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 30)
    assert config.retries == {"mode": "adaptive", "total_max_attempts": 5}


def test_clients_can_be_forgotten() -> None:
    first = aws.client("logs")
    aws.forget_clients()
    assert aws.client("logs") is not first
