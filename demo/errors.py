"""What can go wrong while the stack starts or stops."""

from __future__ import annotations

from decisions.errors import DeliveryError, Refused


class StackFailed(DeliveryError):
    """A part of the stack did not start or stop; the message ends with the end of its log."""


class AddressTaken(Refused):
    """Somebody else listens where the stack would; nothing was started."""
