from pathlib import Path

import pytest

from decisions.errors import BadConfiguration, DeliveryError
from flows import deployments

FILE = Path(__file__).resolve().parents[2] / "prefect.yaml"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELIVERY_HOME", "/somewhere")


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = FILE.read_text()
    assert old in text
    path = tmp_path / "prefect.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_file_of_the_project_passes_and_names_flows_that_exist() -> None:
    from prefect.utilities.importtools import import_object  # noqa: PLC0415

    found = deployments.check(FILE)
    assert {deployment.entrypoint.split(".")[1] for deployment in found.deployments} == {
        "ci", "release", "rollback",
    }  # fmt: skip
    for deployment in found.deployments:
        assert import_object(deployment.entrypoint).name == deployment.entrypoint.split(".")[1]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("    tags: [ci]", "    tagz: [ci]", "tagz"),
        ("entrypoint: flows.ci.ci", "entrypoint: flows/ci.py:ci", "entrypoint"),
        ("limit: 1", "limit: 0", "limit"),
        ("deployments:", "deployments: [", "while parsing|expected"),
        ("$DELIVERY_HOME", "$NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE"),
    ],
)
def test_what_prefect_would_drop_in_silence_is_refused(tmp_path: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(BadConfiguration, match=why):
        deployments.check(changed(tmp_path, old, new))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="No such file"):
        deployments.check(tmp_path / "none.yaml")


def test_what_prefect_refuses_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho no such pool; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(deployments.sys, "executable", str(program))
    with pytest.raises(DeliveryError, match="ended with 3: no such pool"):
        deployments.register(FILE)
