"""setup/base-image.sh: quick when there is nothing to do, clear when something is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import docker
import pytest

SCRIPT = Path(__file__).parents[2] / "setup" / "base-image.sh"
TOOLS = ("sh", "docker", "cat", "sha256sum", "cut", "tail", "head", "id", "grep")


def run(**env: str) -> subprocess.CompletedProcess[str]:
    whole = {**os.environ, **env}
    return subprocess.run(
        ["sh", str(SCRIPT)], env=whole, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def other_bundle(tmp_path: Path) -> str:
    """A CA bundle that gives the image another hash, so that there is something to do."""
    bundle = tmp_path / "bundle.crt"
    bundle.write_text(f"# {tmp_path}\n")
    return str(bundle)


def path_with(folder: Path, *tools: str) -> str:
    for tool in tools:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return str(folder)


def test_no_docker_is_told(tmp_path: Path) -> None:
    done = run(PATH=path_with(tmp_path, *(tool for tool in TOOLS if tool != "docker")))
    assert done.returncode == 2
    assert "docker: not installed; no image was tagged; apt-get install docker.io" in done.stderr


@pytest.mark.docker
def test_an_engine_that_does_not_answer_is_told(tmp_path: Path) -> None:
    done = run(DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert done.returncode == 2
    assert "Docker engine: does not answer" in done.stderr
    assert "systemctl start docker" in done.stderr


@pytest.mark.docker
def test_no_mmdebstrap_is_told(tmp_path: Path, other_bundle: str) -> None:
    done = run(PATH=path_with(tmp_path, *TOOLS), SSL_CERT_FILE=other_bundle)
    assert done.returncode == 2
    assert "mmdebstrap: not installed; no image was tagged; apt-get install mmdebstrap" in done.stderr


@pytest.mark.docker
def test_no_network_is_told_and_leaves_no_image(images: None, other_bundle: str, tmp_path: Path) -> None:
    client = docker.from_env()
    hasty = tmp_path / "apt.conf"
    hasty.write_text('Acquire::Retries "0";')
    before = {tag for image in client.images.list("localcloud/base") for tag in image.tags}
    nowhere = "http://127.0.0.1:9"
    done = run(SSL_CERT_FILE=other_bundle, APT_CONFIG=str(hasty), http_proxy=nowhere, https_proxy=nowhere)
    assert done.returncode == 1
    assert "no image was tagged; check the network" in done.stderr
    assert {tag for image in client.images.list("localcloud/base") for tag in image.tags} == before
    assert not client.images.list("localcloud/base-candidate")


@pytest.mark.docker
def test_a_second_run_builds_nothing(images: None) -> None:
    latest = docker.from_env().images.get("localcloud/base:latest").id
    first, second = run(), run()
    assert first.stdout == second.stdout
    assert first.stdout.startswith("localcloud/base:")
    assert docker.from_env().images.get("localcloud/base:latest").id == latest
