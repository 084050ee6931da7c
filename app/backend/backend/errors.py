"""The errors that end a process of this application with a message for its operator."""

from __future__ import annotations


class ApplicationError(Exception):
    """A failure told in four parts.

    Args:
        where: Setting, call or migration in which it happened.
        seen: What was seen, with numbers.
        left: What was left in place.
        do: What the reader should do.
        exit_code: What the process ends with.
    """

    def __init__(
        self, where: str, seen: str, left: str = "nothing was changed", do: str = "", exit_code: int = 1
    ) -> None:
        self.exit_code = exit_code
        super().__init__("; ".join(part for part in (f"{where}: {seen}", left, do) if part))
