"""A migrated Prefect database, made once per lock file: migrating takes longer than all else of a start."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from demo.layout import ROOT

CACHE = ROOT / ".local" / "cache"
DATABASE = "prefect.db"
MEMO = "memo_store.toml"  # says which block types the database has; without it they are all written again


def use(home: Path) -> None:
    """The new folder holds the template, or nothing when there is none yet."""
    if _template().is_dir():
        shutil.copytree(_template(), home)
    else:
        home.mkdir(parents=True)


def keep(home: Path) -> None:
    """There is a template: this home's database (its server runs and was not used yet) or an earlier one."""
    if _template().is_dir():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=CACHE))
    with (
        closing(sqlite3.connect(home / DATABASE)) as live,
        closing(sqlite3.connect(draft / DATABASE)) as copy,
    ):
        live.backup(copy)
    if (home / MEMO).is_file():
        shutil.copy(home / MEMO, draft / MEMO)
    try:
        draft.replace(_template())
    except OSError:  # another stack was faster
        shutil.rmtree(draft)


def _template() -> Path:
    lock = (ROOT / "requirements.lock").read_bytes()
    return CACHE / f"prefect-{hashlib.sha256(lock).hexdigest()[:12]}"
