"""What the documents name exists."""

import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows import shell

ROOT = Path(__file__).parents[2]
TRACKED = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()


def words(pattern: str) -> set[str]:
    return {word for name in TRACKED for word in re.findall(pattern, (ROOT / name).read_text())}


@pytest.mark.parametrize("name", TRACKED)
def test_every_link_to_a_file_leads_there(name: str) -> None:
    links = re.findall(r"\]\((?!https?:|#|<)([^)#\s]+)", (ROOT / name).read_text())
    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = words(r"`(?:KEEP=1 )?make ([a-z]+)`")
    assert {"demo", "test"} <= named <= targets


def test_every_verb_of_the_shell_that_a_document_names_exists() -> None:
    said = CliRunner().invoke(shell.app, ["--help"]).stdout
    named = words(r"python -m flows ([a-z]+)")
    assert named
    assert [verb for verb in named if verb not in said] == []


def test_every_deployment_that_a_document_names_is_registered() -> None:
    flows = set(re.findall(r"entrypoint: flows\.(\w+)\.", (ROOT / "prefect.yaml").read_text()))
    assert {flow for flow in words(r"([a-z_]+)/main\b") if flow not in flows} == set()
