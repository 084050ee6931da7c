"""What cannot be meant is refused with a clear error, an exit code and nothing changed."""

import shutil
from pathlib import Path

import pytest
from platform_town import Town

pytestmark = pytest.mark.docker


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["status", "nowhere"], "no such environment, there are production, staging"),
        (["release", "nowhere", "1.0.0"], "no such environment"),
        (["release", "production", "9.9.9", "--without-staging"], "9.9.9"),
        (["release", "production", "1.0.0", "--service", "database", "--without-staging"], "'database'"),
        (["release", "production", "1.1.0", "--service", "web"], "release the version to staging first"),
        (["rollback", "nowhere"], "no such environment"),
    ],
)
def test_unknown_names_are_refused_with_2_and_the_known_ones(here: Town, words: list[str], why: str) -> None:
    before = (here.weights(), [each.release_id for each in here.ledger("list_releases", 50)])
    refused = here.flows(*words)
    assert refused.returncode == 2, refused.stderr
    assert why in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (here.weights(), [each.release_id for each in here.ledger("list_releases", 50)]) == before


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[database]", "[database", "line"),
        ('region = "eu-central-1"', 'reigon = "eu-central-1"', "reigon"),
        ("max_instances = 10", "max_instances = 0", "max_instances"),
    ],
)
def test_a_bad_environment_file_is_refused_with_file_key_and_line(
    here: Town, tmp_path: Path, old: str, new: str, why: str
) -> None:
    folder = tmp_path / "environments"
    shutil.copytree(here.environment["DELIVERY_ENVIRONMENTS_DIR"], folder)
    text = (folder / "production.toml").read_text()
    assert old in text
    (folder / "production.toml").write_text(text.replace(old, new, 1))
    refused = here.flows("status", "production", DELIVERY_ENVIRONMENTS_DIR=str(folder))
    assert refused.returncode == 2
    assert "production.toml" in refused.stderr
    assert why in refused.stderr
    assert "Traceback" not in refused.stderr


def test_without_credentials_the_error_says_so_and_what_to_do(here: Town, tmp_path: Path) -> None:
    refused = here.flows(
        "status", "production", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", HOME=str(tmp_path),
        AWS_EC2_METADATA_DISABLED="true",
    )  # fmt: skip
    assert refused.returncode == 2
    assert "credentials" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_cloud_that_does_not_answer_is_an_error_with_the_address(here: Town) -> None:
    failed = here.flows("status", "production", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert failed.returncode == 1
    assert "127.0.0.1:9" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_an_approval_for_nothing_and_without_prefect_is_an_error(here: Town) -> None:
    failed = here.flows("approve", "1.0.0", "--as", "ana")
    assert failed.returncode == 1
    assert "Prefect API" in failed.stderr
    assert "Traceback" not in failed.stderr
