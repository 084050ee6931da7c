"""What `break` does to the AWS API itself: throttling, errors, refused credentials. Parts add their words."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from localcloud import aws_errors, seams
from localcloud.aws_errors import AwsError, Protocol
from localcloud.engine import containers_of
from localcloud.errors import LocalCloudError
from localcloud.state import LABEL_CONTAINER, LABEL_GROUP, LABEL_TASK, Instance

DEFAULT_SECONDS = 30.0
THROTTLED = {
    "s3": AwsError("SlowDown", "Please reduce your request rate.", 503),
    "ec2": AwsError("RequestLimitExceeded", "Request limit exceeded.", 503),
    "query": AwsError("Throttling", "Rate exceeded"),
}
REFUSED = {
    "s3": AwsError(
        "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403
    ),
    "ec2": AwsError("AuthFailure", "AWS was not able to validate the provided access credentials", 401),
    "query": AwsError("InvalidClientTokenId", "The security token included in the request is invalid.", 403),
}
REFUSED_JSON = AwsError(
    "UnrecognizedClientException", "The security token included in the request is invalid."
)
EXPIRED = {
    "s3": AwsError("ExpiredToken", "The provided token has expired."),
    "ec2": AwsError("RequestExpired", "Request has expired."),
    "query": AwsError("ExpiredToken", "The security token included in the request is expired", 403),
}
EXPIRED_JSON = AwsError("ExpiredTokenException", "The security token included in the request is expired")


@dataclass(frozen=True)
class ApiFault:
    """Calls to `service` ("" for all) fail in this way until `until` (monotonic seconds)."""

    kind: str
    service: str
    until: float

    def error(self, protocol: Protocol) -> AwsError:
        """What the caller is told, in the words of that kind of service."""
        if self.kind == "throttle":
            return THROTTLED.get(protocol, AwsError("ThrottlingException", "Rate exceeded"))
        if self.kind == "credentials":
            return REFUSED.get(protocol, REFUSED_JSON)
        if self.kind == "expired":
            return EXPIRED.get(protocol, EXPIRED_JSON)
        return AwsError(
            "InternalFailure", "The request processing has failed because of an unknown error.", 500
        )


class ApiFaults:
    """The faults of the API that hold now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[ApiFault] = []

    def add(self, kind: str, target: str) -> str:
        """`target` is "[SERVICE] [SECONDS]", either may be missing. Says what holds now."""
        words = target.split()
        seconds = DEFAULT_SECONDS
        if words and words[-1].replace(".", "", 1).isdigit():
            seconds = float(words.pop())
        service = _scope_name(words[0]) if words else ""
        with self._lock:
            self._faults.append(ApiFault(kind, service, time.monotonic() + seconds))
        return f"{kind}: every call to {service or 'any service'} fails so for {seconds:g} s"

    def clear(self) -> None:
        """Calls work again."""
        with self._lock:
            self._faults.clear()

    def error_for(self, service: str, protocol: Protocol) -> AwsError | None:
        """The error this call is to fail with, if any."""
        now = time.monotonic()
        with self._lock:
            self._faults = [fault for fault in self._faults if fault.until > now]
            for fault in self._faults:
                if fault.service in {"", service}:
                    return fault.error(protocol)
        return None


def _scope_name(service: str) -> str:
    """The name in the credential scope (`elasticloadbalancing`) for the name that boto3 uses (`elbv2`)."""
    try:
        return seams.signing_name(service)
    except LookupError:
        raise LocalCloudError(
            f"break ... {service}", "is no AWS service by the names of boto3", "nothing was broken"
        ) from None


def refusal(environ: dict[str, object], known_key: str) -> AwsError | None:
    """The error for an access key that is neither the local one nor issued by IAM or STS."""
    key = aws_errors.access_key_of(environ)
    if not key or key == known_key or key.startswith(("AKIA", "ASIA")):
        return None
    return REFUSED.get(aws_errors.protocol_of(environ), REFUSED_JSON)


def kill_a_task(target: str) -> str:
    """`break task [TEXT]`: the first container whose service, family, task or name holds TEXT is killed."""
    for container in containers_of(Instance.current().name):
        labels = container.labels
        if LABEL_CONTAINER not in labels or container.status != "running":
            continue
        known_as = (labels.get(LABEL_GROUP, ""), labels.get(LABEL_TASK, ""), container.name or "")
        if any(target in name for name in known_as):
            container.kill("SIGKILL")
            return f"task: container {container.name} of {labels.get(LABEL_GROUP)} was killed with SIGKILL"
    raise LocalCloudError("break task", f"no running container matches {target!r}", "nothing was broken")
