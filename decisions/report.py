"""A release record, told: the same words in the Prefect UI, in the shell and in files."""

from __future__ import annotations

from datetime import UTC, datetime

from decisions.release import Release


def markdown(release: Release, url: str, commit: str = "") -> str:
    """The report of one release as Markdown.

    Args:
        release: The record, final or not.
        url: Where the environment serves.
        commit: The application's commit, if known.
    """
    rows = "\n".join(
        f"| {row['step']} | {row['started']} | {row['seconds']} | {row['why']} |" for row in table(release)
    )
    images = "\n".join(f"- `{image.service}` {image.version} `{image.digest}`" for image in release.images)
    gate = _gate(release)
    return (
        f"# {release.kind.capitalize()} {release.version} → {release.environment}: "
        f"{release.state.replace('_', ' ')}\n\n"
        f"{release.reason or 'under way'}.\n\n"
        f"- asked for by {release.requested_by or 'nobody named'}, started {_moment(release.started)}"
        f"{f', took {release.ended - release.started:.0f} s' if release.ended else ''}\n"
        f"- serves at <{url}>{f', commit `{commit}`' if commit else ''}\n{gate}\n"
        f"## Images\n\n{images}\n\n"
        f"## Steps\n\n| step | started (UTC) | seconds | why |\n|---|---|---:|---|\n{rows}\n"
    )


def table(release: Release) -> list[dict[str, str]]:
    """One row a step, in the order in which they were performed."""
    return [
        {
            "step": step.name,
            "started": datetime.fromtimestamp(step.started, UTC).strftime("%H:%M:%S"),
            "seconds": f"{step.ended - step.started:.1f}",
            "why": step.why,
        }
        for step in release.steps
    ]


def _gate(release: Release) -> str:
    if release.approval is None:
        return ""
    said = "approved" if release.approval.decision == "approve" else "rejected"
    note = f": “{release.approval.note}”" if release.approval.note else ""
    return f"- {said} by {release.approval.approver} at {_moment(release.approval.at)}{note}\n"


def _moment(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
