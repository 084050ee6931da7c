"""Errors in the shape that the AWS protocol of a request asks for, so that boto3 raises its ClientError.

Protocols and their error shapes: Smithy specification, "AWS Protocols" (awsJson1_1, awsQuery, ec2Query,
restXml, restJson1) and "Smithy RPC v2 CBOR".
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from xml.sax.saxutils import escape

Protocol = Literal["json", "cbor", "query", "ec2", "s3", "rest-json"]


@dataclass(frozen=True)
class AwsError:
    """An error as AWS tells it. `code` without namespace; `status` the HTTP status."""

    code: str
    message: str
    status: int = 400


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def service_of(environ: Mapping[str, Any]) -> str:
    """Name of the service in the credential scope of the signature; "" for unsigned requests."""
    scope = _credential(environ)
    return scope[3].lower() if len(scope) > 3 else ""  # noqa: PLR2004  # key/date/region/service/aws4_request


def access_key_of(environ: Mapping[str, Any]) -> str:
    """The access key id that signed the request; "" for unsigned requests."""
    return _credential(environ)[0]


def _credential(environ: Mapping[str, Any]) -> list[str]:
    _, _, rest = str(environ.get("HTTP_AUTHORIZATION", "")).partition("Credential=")
    return rest.split(",")[0].split("/")


def protocol_of(environ: Mapping[str, Any]) -> Protocol:
    """Which protocol the request speaks."""
    service = service_of(environ)
    if service in {"s3", ""}:
        return "s3"
    if environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
        return "cbor"
    if environ.get("HTTP_X_AMZ_TARGET"):
        return "json"
    if str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        return "ec2" if service == "ec2" else "query"
    return "rest-json"


def render(error: AwsError, protocol: Protocol) -> Answer:
    """The error on the wire."""
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": error.code}
    if protocol in {"json", "rest-json"}:
        headers["Content-Type"] = "application/x-amz-json-1.1" if protocol == "json" else "application/json"
        body = json.dumps({"__type": error.code, "message": error.message}).encode()
    elif protocol == "cbor":
        headers |= {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        body = _cbor({"__type": error.code, "message": error.message})
    else:
        headers["Content-Type"] = "text/xml"
        body = (
            _XML[protocol]
            .format(code=escape(error.code), message=escape(error.message), request_id=request_id)
            .encode()
        )
    return Answer(error.status, headers, body)


_XML = {
    "query": (
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>{request_id}</RequestId></ErrorResponse>"
    ),
    "ec2": (
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        "<RequestID>{request_id}</RequestID></Response>"
    ),
    "s3": "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>",
}


def _cbor(texts: Mapping[str, str]) -> bytes:
    """A CBOR map of texts (RFC 8949: major type 5 with 3 inside)."""
    return bytes([0xA0 | len(texts)]) + b"".join(_cbor_text(text) for pair in texts.items() for text in pair)


def _cbor_text(text: str) -> bytes:
    raw = text.encode()
    return b"\x7a" + len(raw).to_bytes(4, "big") + raw
