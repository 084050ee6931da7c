"""The ledger's table in DynamoDB: keys, conditional and fenced writes, reading a range."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from decisions.errors import LeaseLost
from tasks import aws

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

LOCK = "lock"
# A write to an item that is part of somebody's transaction right now is refused; it passes in milliseconds
# (DynamoDB, "Transaction conflict handling").
_TRIES = 6
_PAUSE_S = 0.05

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Lease:
    """The right to change an environment, until it ends or somebody with a higher token took over.

    Args:
        environment: What is held.
        table: The ledger's table.
        owner: Who holds it; the same owner may take it again.
        token: Fencing token, one higher at each taking.
        lease_s: Seconds for which one renewal holds.
    """

    environment: str
    table: str
    owner: str
    token: int
    lease_s: float


@dataclass(frozen=True)
class Change:
    """A conditional write in DynamoDB's expressions: `#name` is an attribute, `:name` one of values."""

    update: str = ""
    only_if: str = ""
    values: Mapping[str, str | float] = field(default_factory=dict)

    def arguments(self, table: str, environment: str, sort_key: str) -> dict[str, Any]:
        """As arguments of UpdateItem, or of Update or ConditionCheck in a transaction."""
        names = re.findall(r"#(\w+)", f"{self.update} {self.only_if}")
        arguments: dict[str, Any] = {
            "TableName": table,
            "Key": key(environment, sort_key),
            "UpdateExpression": self.update,
            "ConditionExpression": self.only_if,
            "ExpressionAttributeNames": {f"#{name}": name for name in names},
            "ExpressionAttributeValues": {f":{name}": _value(value) for name, value in self.values.items()},
        }
        return {name: argument for name, argument in arguments.items() if argument}


def own(lease: Lease) -> Change:
    """The condition that the lock is still ours."""
    return Change(
        only_if="#token = :token AND #owner = :owner", values={"token": lease.token, "owner": lease.owner}
    )


def key(environment: str, sort_key: str) -> dict[str, Any]:
    """Primary key of an item of this environment."""
    return {"pk": {"S": f"environment#{environment}"}, "sk": {"S": sort_key}}


def write_if(table: str, environment: str, sort_key: str, change: Change) -> Item | None:
    """The item is changed if the condition holds.

    Returns:
        The item as it is now, or None if the condition does not hold and nothing was changed.
    """
    arguments = change.arguments(table, environment, sort_key)
    with aws.translated(f"{environment}: writing {sort_key} to the ledger"):
        for attempt in range(1, _TRIES + 1):
            try:
                answer = aws.client("dynamodb").update_item(**arguments, ReturnValues="ALL_NEW")
            except ClientError as error:
                if aws.error_code(error) == "ConditionalCheckFailedException":
                    return None
                _pause_or_raise(error, attempt)
            else:
                return answer.get("Attributes", {})
    return None  # pragma: no cover - the last attempt returns or raises


def write_fenced(lease: Lease, writes: Sequence[TransactWriteItemTypeDef], what: str) -> None:
    """All writes are in the ledger, and the lease was still ours in that instant; or none is.

    Raises:
        LeaseLost: A higher token exists; the caller stops at once.
        CloudUnavailable: Could not be written now; may be repeated.
    """
    fence: Any = {"ConditionCheck": own(lease).arguments(lease.table, lease.environment, LOCK)}
    with aws.translated(f"{lease.environment}: writing {what} to the ledger"):
        for attempt in range(1, _TRIES + 1):
            try:
                aws.client("dynamodb").transact_write_items(TransactItems=[fence, *writes])
            except ClientError as error:
                if _reasons(error)[:1] == ["ConditionalCheckFailed"]:
                    raise lost(lease, f"{what} was not written") from error
                _pause_or_raise(error, attempt)
            else:
                return


def lost(lease: Lease, left: str) -> LeaseLost:
    """The error of a holder whose token is stale."""
    seen = f"the lock was taken over; token {lease.token} of {lease.owner} is stale"
    return LeaseLost(lease.environment, seen, left, "stop; whoever took over goes on from what is there")


def read_item(table: str, environment: str, sort_key: str) -> Item | None:
    """One item as it is now, None if there is none."""
    with aws.translated(f"{environment}: reading {sort_key} from the ledger"):
        answer = aws.client("dynamodb").get_item(
            TableName=table, Key=key(environment, sort_key), ConsistentRead=True
        )
    return answer.get("Item")


def read_newest(table: str, environment: str, prefix: str, limit: int) -> list[Item]:
    """Items whose sort key begins with the prefix, highest first, at most `limit`."""
    pages = aws.client("dynamodb").get_paginator("query")
    with aws.translated(f"{environment}: reading {prefix} from the ledger"):
        answer = pages.paginate(
            TableName=table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": key(environment, prefix)["pk"], ":prefix": {"S": prefix}},
            ScanIndexForward=False,
            ConsistentRead=True,
            PaginationConfig={"MaxItems": limit},
        )
        return [item for page in answer for item in page["Items"]]


def _value(value: str | float) -> dict[str, str]:
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def _pause_or_raise(error: ClientError, attempt: int) -> None:
    conflict = aws.error_code(error) == "TransactionConflictException" or "TransactionConflict" in _reasons(
        error
    )
    if not conflict or attempt == _TRIES:
        raise error
    time.sleep(_PAUSE_S * attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter


def _reasons(error: ClientError) -> list[str]:
    reasons: Any = error.response.get("CancellationReasons", [])
    return [reason.get("Code", "None") for reason in reasons]
