"""What people would rather see than read: who answered during each release, second by second."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

from demo.load_records import Record

COLOURS = ("#4c78a8", "#59a14f", "#e3a33b", "#9467bd", "#7f7f7f")
RED, FAILED = "#c0392b", "failed"


def draw(windows: dict[str, list[Record]], out: Path) -> None:
    """A PNG with one panel a release: answers a second by version, failed ones in red.

    Args:
        windows: Records by title, at least one.
        out: Path of the PNG.
    """
    import matplotlib as mpl  # noqa: PLC0415  # a second to import, needed once at the end

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    versions = sorted({_version(record) for records in windows.values() for record in records} - {FAILED})
    paint = {FAILED: RED, **dict(zip(versions, itertools.cycle(COLOURS)))}
    figure, axes = plt.subplots(len(windows), 1, figsize=(10, 2.6 * len(windows)), squeeze=False)
    for axis, (title, records) in zip(axes[:, 0], windows.items(), strict=True):
        begun = min((int(record.start) for record in records), default=0)
        span = max((int(record.start) for record in records), default=0) - begun + 1
        groups = _groups(records, begun)
        axis.stackplot(
            range(span),
            [[counts[second] for second in range(span)] for counts in groups.values()],
            labels=list(groups),
            colors=[paint[name] for name in groups],
            linewidth=0,
        )
        failed = sum(record.failed for record in records)
        axis.set_title(f"{title}: {len(records)} requests, {failed} failed", loc="left", fontsize=10)
        axis.set_ylabel("requests/s")
        axis.margins(0)
        axis.legend(loc="lower left", fontsize=8, ncols=5, framealpha=0.85)
    axes[-1, 0].set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    plt.close(figure)


def _groups(records: list[Record], begun: int) -> dict[str, Counter[int]]:
    groups: dict[str, Counter[int]] = {}
    for record in records:
        groups.setdefault(_version(record), Counter())[int(record.start) - begun] += 1
    return dict(sorted(groups.items(), key=lambda item: (item[0] == FAILED, item[0])))


def _version(record: Record) -> str:
    return FAILED if record.failed else record.version.split("/")[-1]
