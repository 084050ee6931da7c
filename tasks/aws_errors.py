"""The one place where errors of AWS become errors of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from decisions.errors import AccessDenied, CloudError, CloudUnavailable, Conflict, DeliveryError, NotFound

_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.NoAuthTokenError,
    boto.NoRegionError,
    boto.ProfileNotFound,
    boto.SSOError,
)
_UNREACHABLE = (boto.HTTPClientError, boto.ConnectionError)

# Codes as in "Common Errors" of the API references and in the errors of the calls that we make.
_DENIED = re.compile(
    r"AccessDenied|AuthFailure|ExpiredToken|IncompleteSignature|InvalidClientTokenId|InvalidSignature"
    r"|MissingAuthenticationToken|NotAuthorized|OptInRequired|SignatureDoesNotMatch|UnauthorizedOperation"
    r"|UnrecognizedClient"
)
_CONFLICT = re.compile(
    r"ConditionalCheckFailed|ConflictException|ImageTagAlreadyExists|TransactionCanceled|TransactionConflict"
    r"|TransactionInProgress|UpdateInProgress"
)
_BUSY = re.compile(
    r"Throttl|InternalError|InternalFailure|InternalServerError|LimitExceeded|PriorRequestNotComplete"
    r"|ProvisionedThroughputExceeded|ServerException|ServiceUnavailable|SlowDown|TooManyRequests|RequestTimeout"
)
_SERVER_ERROR = 500


@contextmanager
def translated(where: str, left: str = "nothing was changed", do: str = "") -> Iterator[None]:
    """Inside this block every error of AWS leaves as one of decisions.errors.

    Args:
        where: Environment and service, and what was being done.
        left: What is in place if the block fails.
        do: What the reader should do; chosen by the kind of error when empty.

    Raises:
        NotFound: The named resource does not exist.
        AccessDenied: Credentials are missing, expired or not allowed.
        Conflict: A condition of the write did not hold.
        CloudUnavailable: Throttled, timed out, 5xx, unreachable or unreadable; may be repeated.
        CloudError: Anything else AWS refused.
    """
    try:
        yield
    except boto.ClientError as error:
        raise _from_client_error(error, where, left, do) from error
    except ResponseParserError as error:
        seen = f"AWS answered what cannot be read: {_one_line(error)}"
        raise CloudUnavailable(where, seen, left, do or _later()) from error
    except boto.BotoCoreError as error:
        raise _from_botocore(error, where, left, do) from error


def error_code(error: boto.ClientError) -> str:
    """AWS's name for the error, such as `ThrottlingException`."""
    return error.response.get("Error", {}).get("Code", "")


def _from_client_error(error: boto.ClientError, where: str, left: str, do: str) -> DeliveryError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = error.response.get("Error", {}).get("Message", "")
    code = error_code(error)
    seen = f"{error.operation_name} was answered {status} {code}: {message or 'no message'}"
    kind, advice = _kind(code, message, status)
    return kind(where, " ".join(seen.split()), left, do or advice)


def _kind(code: str, message: str, status: int) -> tuple[type[DeliveryError], str]:
    if _CONFLICT.match(code):
        return Conflict, "observe again"
    if _DENIED.match(code):
        return AccessDenied, "renew the credentials, or allow this call to the role in terraform/"
    # An emulator answers what it does not know with an HTML page: then the code is only the status.
    if _BUSY.search(code) or status >= _SERVER_ERROR or code.isdigit():
        return CloudUnavailable, _later()
    # ECS has no code of its own for an unknown task definition (DescribeTaskDefinition, "Errors").
    if "NotFound" in code or code.startswith("NoSuch") or "Unable to describe task definition" in message:
        return NotFound, "check the name, and that Terraform was applied to this environment"
    return CloudError, "correct the call or the resource: AWS will say the same again"


def _from_botocore(error: boto.BotoCoreError, where: str, left: str, do: str) -> DeliveryError:
    if isinstance(error, _NO_CREDENTIALS):
        seen = f"no usable AWS credentials or region: {_one_line(error)}"
        do = do or "set AWS credentials and AWS_REGION, or give the worker a task role"
        return AccessDenied(where, seen, left, do)
    if isinstance(error, _UNREACHABLE):
        return CloudUnavailable(where, _one_line(error), left, do or _later())
    return CloudError(where, _one_line(error), left, do or "correct the call: AWS was not asked")


def _later() -> str:
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    return f"check that {endpoint} is up, then try again" if endpoint else "try again later"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
