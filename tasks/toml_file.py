"""TOML with an overlay, and where in the files a key stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from decisions.errors import BadConfiguration

_HEADER = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*([A-Za-z0-9_."'-]+)\s*=""")
_AT_LINE = re.compile(r"\(at line (\d+)")


def load(path: Path) -> dict[str, Any]:
    """The file's content.

    Raises:
        BadConfiguration: It is not readable as TOML; names file and line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        where = f"{path.name} line {found[1]}" if found else path.name
        raise BadConfiguration(where, f"not valid TOML: {error}", do=f"correct {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(path.name, f"cannot be read: {error}", do=f"correct {path}") from error


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on it: tables are merged key by key, everything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = merged(below, value) if isinstance(below, dict) and both else value
    return result


def line_of(path: Path, location: Sequence[str | int]) -> tuple[int, int]:
    """Where a key stands, or the nearest table around it.

    Returns:
        Line number (0 if nothing of it is in the file) and how many parts of the location were found.
    """
    wanted = tuple(str(part) for part in location if isinstance(part, str))
    best = (0, 0)
    for number, key in _keys(path.read_text(encoding="utf-8")):
        depth = len(key)
        if wanted[:depth] == key and depth > best[1]:
            best = (number, depth)
    return best


def _keys(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            yield number, table
        elif key := _KEY.match(line):
            yield number, table + _parts(key[1])


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
