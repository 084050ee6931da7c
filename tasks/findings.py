"""What scanners find, and when a finding stops a build."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad a finding is; comparable."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True)
class Finding:
    """One thing that a scanner objects to. `location` is `file:line` below the source's directory."""

    tool: str
    rule: str
    severity: Severity
    location: str
    message: str

    def __str__(self) -> str:
        """One line for a person."""
        return f"[{self.severity.name}] {self.location} {self.tool} {self.rule}: {self.message}"


@dataclass(frozen=True)
class ScanReport:
    """What the scanners of one source said.

    `complete` names the tools that looked at everything they should, `incomplete` those that did not, and
    why: not installed, crashed, timed out, unreadable answer. A tool with nothing to look at is in neither.
    """

    service: str
    findings: tuple[Finding, ...]
    complete: tuple[str, ...]
    incomplete: tuple[str, ...]

    def objections(self, fail_at: Severity = Severity.HIGH) -> tuple[str, ...]:
        """Why this source must not be built; empty if it may. What was not looked at is an objection."""
        bad = tuple(str(finding) for finding in self.findings if finding.severity >= fail_at)
        missing = tuple(f"INCOMPLETE {tool}" for tool in self.incomplete)
        nothing = (
            () if self.complete or self.incomplete else ("INCOMPLETE no scanner had anything to look at",)
        )
        return missing + nothing + bad
