"""Release records as JSON, and back. The only place that knows how a record is spelled."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from decisions.errors import BadConfiguration
from decisions.release import LastGood, Mark, Release

ABORT = "abort"
R = TypeVar("R")
_RELEASE: TypeAdapter[Release] = TypeAdapter(Release)
_LAST_GOOD: TypeAdapter[LastGood] = TypeAdapter(LastGood)
_MARK: TypeAdapter[Mark] = TypeAdapter(Mark)


def to_json(record: Release | LastGood | Mark) -> str:
    """The record as JSON with sorted keys, so that equal records are equal text."""
    return json.dumps(asdict(record), sort_keys=True, separators=(",", ":"))


def release_from_json(text: str, abort: str | None = None) -> Release:
    """The release, with the abort mark folded in when somebody asked for it.

    Args:
        text: The record as written by the release's own run.
        abort: The mark that others write beside it, as JSON; None when nobody asked.

    Raises:
        BadConfiguration: The text is not a release record.
    """
    release = _parsed(_RELEASE, text)
    if abort is None or ABORT in release.marks:
        return release
    asked = _parsed(_MARK, abort)
    folded: dict[str, Any] = {**asdict(release), "marks": {**release.marks, ABORT: asked}}
    return _RELEASE.validate_python(folded)


def last_good_from_json(text: str) -> LastGood:
    """The last good record.

    Raises:
        BadConfiguration: The text is not such a record.
    """
    return _parsed(_LAST_GOOD, text)


def _parsed(adapter: TypeAdapter[R], text: str) -> R:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        seen = f"a record cannot be read: {key}: {first['msg']}"
        raise BadConfiguration(
            "ledger", seen, do="run the version that wrote it, or mend the item by hand"
        ) from error
