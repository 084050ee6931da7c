from pathlib import Path

import pytest

from decisions.errors import CloudUnavailable
from demo import live
from demo.live import Tail, Watch
from demo.load_records import Record


def line(status: int) -> str:
    return Record(1.0, 1.1, status, "", "web/1", 0, "new").line()


def test_a_growing_file_is_counted_once_and_a_half_written_line_later(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    tail = Tail(path)
    tail.read()
    path.write_text(line(200) + line(500) + line(200)[:10])
    tail.read()
    tail.read()
    assert (tail.requests, tail.failed) == (2, 1)
    path.write_text(line(200) + line(500) + line(200))
    tail.read()
    assert (tail.requests, tail.failed) == (3, 1)


def test_the_line_shows_counts_also_while_the_ledger_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise CloudUnavailable("aws", "throttled")

    monkeypatch.setattr(live.find_platform, "fn", fail)
    (tmp_path / "load.jsonl").write_text(line(200))
    shown: list[str] = []
    watch = Watch("2", (tmp_path / "load.jsonl",), shown.append)
    watch()
    watch()
    assert shown == ["1 requests, 0 failed · 2: on its way"]
