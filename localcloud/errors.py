"""What the local cloud says when it cannot do what it was asked for."""

from __future__ import annotations


class LocalCloudError(Exception):
    """A failure told in four parts, so that the reader knows what to do next.

    Args:
        where: Instance, address or program in which it happened.
        seen: What was seen, with numbers.
        left: What was left in place.
        do: What the reader should do.
    """

    def __init__(self, where: str, seen: str, left: str = "nothing was started", do: str = "") -> None:
        self.where, self.seen, self.left, self.do = where, seen, left, do
        super().__init__("; ".join(part for part in (f"{where}: {seen}", left, do) if part))


class Told(LocalCloudError):
    """An error that another process has already put into words."""

    def __init__(self, text: str) -> None:
        Exception.__init__(self, text)
