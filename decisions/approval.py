"""Who may say yes at the gate, and to what."""

from __future__ import annotations

from collections.abc import Iterable

from decisions.environment import Environment
from decisions.release import Approval, Image


def digests(images: Iterable[Image]) -> str:
    """What is approved, in one line: every service with the first 12 digits of its image digest."""
    return " ".join(f"{image.service}@{image.digest.removeprefix('sha256:')[:12]}" for image in images)


def refuse(
    approval: Approval, approved_digests: str, images: tuple[Image, ...], environment: Environment
) -> str:
    """Why this answer does not count, or "" if it does.

    An answer counts when its person is one of the environment's approvers (everybody may say no), and when it
    names exactly the images that wait: days may lie between the question and the answer.
    """
    if approval.decision == "reject":
        return ""
    if environment.approvers and approval.approver not in environment.approvers:
        known = ", ".join(environment.approvers)
        return f"{approval.approver} is not an approver of {environment.name} ({known})"
    if approved_digests != digests(images):
        return f"the answer is for {approved_digests!r}, the question is about {digests(images)!r}"
    return ""
