"""The gate between tests and build: nothing is built that a scanner objects to, or could not look at."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from decisions.errors import StepFailed
from tasks.effect import effect
from tasks.findings import Finding, ScanReport, Severity
from tasks.scanners import SCANNERS, Incomplete, Scanner
from tasks.sources import Source

__all__ = ["Finding", "ScanReport", "Scanner", "Severity", "scan", "scan_with"]

_log = logging.getLogger(__name__)
_SHOWN = 20


@effect("scan")
def scan(source: Source) -> ScanReport:
    """Every scanner has looked at the source, and none objects.

    Returns:
        ScanReport: with the findings that are below the line.

    Raises:
        StepFailed: A finding is high or critical, or a scanner could not look; names each.
    Safe to repeat: only reads.
    """
    report = scan_with(SCANNERS, source)
    for finding in report.findings:
        _log.info("%s: %s", source.service, finding)
    if objections := report.objections():
        seen = f"{len(objections)} objections:\n" + "\n".join(objections[:_SHOWN])
        do = "mend these, or mark a false one where the tool looks for marks"
        raise StepFailed(f"scanning {source.service}", seen, "nothing was built", do)
    return report


def scan_with(scanners: Sequence[Scanner], source: Source) -> ScanReport:
    """What these scanners say of the source. One that fails is incomplete, never silently left out."""
    findings: list[Finding] = []
    complete, incomplete = [], []
    for scanner in scanners:
        try:
            if not scanner.applies(source):
                continue
            findings += scanner.scan(source)
        except Incomplete as error:
            incomplete.append(f"{scanner.name}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever a tool's answer breaks, the gate stays closed
            incomplete.append(f"{scanner.name}: answer not understood: {error!r}")
        else:
            complete.append(scanner.name)
    order = sorted(findings, key=lambda finding: (-finding.severity, finding.location))
    return ScanReport(source.service, tuple(order), tuple(complete), tuple(incomplete))
