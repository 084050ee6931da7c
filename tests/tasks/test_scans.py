import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from decisions.errors import StepFailed
from tasks.findings import Severity
from tasks.scanners import Bandit, DetectSecrets, Hadolint, Incomplete
from tasks.scans import Finding, ScanReport, scan, scan_with
from tasks.settings import REPOSITORY_ROOT
from tasks.sources import Source

CLEAN = "FROM debian:12\nUSER 1000:1000\n"
KEY = "AKIA" + "IOSFODNN7ABCDEFG"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "Dockerfile").write_text(CLEAN)
    (tmp_path / "app.py").write_text('"""Nothing to object to."""\n')
    return Source("web", tmp_path, tmp_path / "Dockerfile")


def test_a_clean_source_passes_and_says_who_looked(source: Source) -> None:
    report = scan.fn(source)
    assert report.findings == ()
    assert report.complete == ("detect-secrets", "bandit", "hadolint")


def test_a_secret_is_critical_and_stops_the_build(source: Source) -> None:
    (source.context / "config.ini").write_text(f"aws_key = {KEY}\n")
    with pytest.raises(
        StepFailed, match=r"\[CRITICAL\] config\.ini:1 detect-secrets AWS Access Key"
    ) as caught:
        scan.fn(source)
    assert caught.value.left == "nothing was built"
    assert KEY not in str(caught.value)


def test_caches_of_tools_are_not_looked_at(source: Source) -> None:
    (source.context / ".ruff_cache").mkdir()
    (source.context / ".ruff_cache" / "CACHEDIR.TAG").write_text(f"key = {KEY}\n")
    assert scan.fn(source).findings == ()


def test_hashes_of_a_lock_file_are_no_secrets(source: Source) -> None:
    (source.context / "requirements.lock").write_text(
        f"a==1 \\\n    --hash=sha256:{'0123456789abcdef' * 4}\n"
    )
    assert scan.fn(source).findings == ()


def test_a_shell_from_input_in_python_stops_the_build(source: Source) -> None:
    (source.context / "app.py").write_text("import subprocess\nsubprocess.call(input(), shell=True)\n")
    with pytest.raises(StepFailed, match=r"\[HIGH\] app\.py:2 bandit B602"):
        scan.fn(source)


def test_an_error_in_the_dockerfile_stops_the_build(source: Source) -> None:
    source.dockerfile.write_text("FROM debian:12\nRUN sudo ls\n")
    with pytest.raises(StepFailed, match=r"\[HIGH\] Dockerfile:2 hadolint DL3004"):
        scan.fn(source)


def test_a_warning_is_reported_and_stops_nothing(source: Source) -> None:
    source.dockerfile.write_text("FROM debian\n")
    findings = scan.fn(source).findings
    assert [(finding.rule, finding.severity) for finding in findings] == [("DL3006", Severity.MEDIUM)]


def test_a_source_without_python_is_not_scanned_as_such(source: Source) -> None:
    (source.context / "app.py").unlink()
    assert scan.fn(source).complete == ("detect-secrets", "hadolint")


def test_python_that_cannot_be_read_is_incomplete(source: Source) -> None:
    (source.context / "app.py").write_text("def broken(:\n")
    with pytest.raises(StepFailed, match=r"INCOMPLETE bandit: could not read"):
        scan.fn(source)


def test_a_scanner_that_is_not_installed_closes_the_gate(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(StepFailed, match="INCOMPLETE hadolint: is not installed"):
        scan.fn(source)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (subprocess.TimeoutExpired("x", 1), "did not end within"),
        (PermissionError("no"), "could not be started"),
        (subprocess.CompletedProcess([], 139, "", "Segmentation fault"), "exit code 139: Segmentation fault"),
        (subprocess.CompletedProcess([], 0, "", ""), "exit code 0: no output"),
    ],
)
@pytest.mark.parametrize("scanner", [DetectSecrets(), Bandit(), Hadolint()])
def test_a_scanner_that_gives_no_answer_is_incomplete(
    source: Source, monkeypatch: pytest.MonkeyPatch, scanner: Any, outcome: Any, told: str
) -> None:
    def run(*_arguments: Any, **_options: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(Incomplete, match=told):
        scanner.scan(source)


class Broken:
    """A scanner whose answer has another form than it used to have."""

    name = "broken"

    def applies(self, source: Source) -> bool:
        return True

    def scan(self, source: Source) -> tuple[Finding, ...]:
        raise KeyError("results")


def test_an_answer_that_is_not_understood_closes_the_gate(source: Source) -> None:
    report = scan_with((Broken(), Hadolint()), source)
    assert report.complete == ("hadolint",)
    assert report.objections() == ("INCOMPLETE broken: answer not understood: KeyError('results')",)


def test_a_source_that_nobody_looked_at_does_not_pass() -> None:
    assert ScanReport("web", (), (), ()).objections() == ("INCOMPLETE no scanner had anything to look at",)


@pytest.mark.parametrize("service", ["backend", "web"])
def test_the_reference_application_passes(service: str) -> None:
    context = REPOSITORY_ROOT / "app" / service
    assert scan.fn(Source(service, context, context / "Dockerfile")).complete
