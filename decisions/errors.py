"""Every error this project raises on purpose.

DeliveryError
├── Refused                    nothing was changed; the caller must ask for something else
│   ├── BadConfiguration       a file, key or value is wrong
│   ├── NotFound               environment, service, version, image or resource is unknown
│   ├── LockHeld               another release holds the environment
│   └── NotApproved            the gate said no, or was never answered
├── CloudError                 AWS answered with an error
│   ├── CloudUnavailable       throttled, timed out, 5xx, unreachable (retryable)
│   └── AccessDenied           missing or refused credentials
├── Conflict                   somebody else changed what we were about to change
│   └── LeaseLost              our fencing token is stale: another release took over
├── StepFailed                 the effect was tried and the world said no
└── Halted                     every direction would serve nobody: a person is needed
"""

from __future__ import annotations


class DeliveryError(Exception):
    """A failure told in four parts, so that the reader knows what to do next.

    Args:
        where: Environment, service, file or call in which it happened.
        seen: What was seen, with numbers.
        left: What was left in place.
        do: What the reader should do.
    """

    retryable = False
    exit_code = 1

    def __init__(self, where: str, seen: str, left: str = "nothing was changed", do: str = "") -> None:
        self.where, self.seen, self.left, self.do = where, seen, left, do
        super().__init__("; ".join(part for part in (f"{where}: {seen}", left, do) if part))


class Refused(DeliveryError):
    """Refused before any change."""

    exit_code = 2


class BadConfiguration(Refused):
    """A file, key or value is wrong; the message names file, key and line where they are known."""


class NotFound(Refused):
    """An environment, service, version, image or AWS resource does not exist."""


class LockHeld(Refused):
    """Another release holds the environment's lock and its lease has not ended."""


class NotApproved(Refused):
    """A person said no at the gate, or nobody answered in time."""


class CloudError(DeliveryError):
    """AWS answered with an error that repeating will not mend."""


class CloudUnavailable(CloudError):
    """Throttled, timed out, 5xx or unreachable: the same call may succeed later."""

    retryable = True


class AccessDenied(CloudError):
    """Credentials are missing, expired or not allowed to make the call."""

    exit_code = 2


class Conflict(DeliveryError):
    """What was about to be changed is no longer what was observed: observe again."""

    retryable = True


class LeaseLost(Conflict):
    """The lock was taken over with a newer fencing token: stop writing at once."""

    retryable = False


class StepFailed(DeliveryError):
    """An effect was tried and did not come about (a task exited non-zero, a smoke test said no)."""


class Halted(DeliveryError):
    """Going on and going back would both serve nobody: a person is needed."""

    exit_code = 3
