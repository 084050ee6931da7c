import json
import pickle
import shutil
from dataclasses import asdict
from pathlib import Path

import boto3
import pytest

from decisions.errors import BadConfiguration, NotFound
from tasks.environments import find_platform, known_environments, read_environment
from tasks.settings import Settings
from tasks.topology import Platform


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(Settings().environments_dir, tmp_path / "environments")
    monkeypatch.setenv("DELIVERY_ENVIRONMENTS_DIR", str(tmp_path / "environments"))
    return tmp_path / "environments"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def line_with(path: Path, text: str) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), start=1) if text in line)


@pytest.mark.parametrize("name", ["staging", "production"])
@pytest.mark.parametrize("overlay", ["", "local"])
def test_the_committed_environments_are_valid(
    name: str, overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELIVERY_OVERLAY", overlay)
    assert read_environment(name).name == name


def test_the_overlay_replaces_what_it_names_and_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    local = read_environment("production")
    monkeypatch.setenv("DELIVERY_OVERLAY", "")
    real = read_environment("production")
    assert (local.policy.bake_s, real.policy.bake_s) == (3, 300)
    assert local.policy.max_error_rate == real.policy.max_error_rate
    assert real.services["backend"].scaling is not None
    assert real.services["backend"].scaling.min_instances == 3
    assert local.services["backend"].smoke == real.services["backend"].smoke


def test_an_unknown_environment_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="production, staging"):
        read_environment("prod")
    assert known_environments() == ("production", "staging")


def test_a_path_is_not_an_environment() -> None:
    with pytest.raises(NotFound):
        read_environment("../environments/production")


def test_broken_toml_is_told_with_file_and_line(copies: Path) -> None:
    change(copies / "production.toml", 'name = "production"', 'name = "production')
    line = line_with(copies / "production.toml", 'name = "production')
    with pytest.raises(BadConfiguration, match=rf"production\.toml line {line}: not valid TOML"):
        read_environment("production")


def test_a_wrong_value_is_told_with_file_line_key_and_value(copies: Path) -> None:
    change(copies / "production.toml", 'version_path = "/api/version"', 'version_path = "api"')
    line = line_with(copies / "production.toml", 'version_path = "api"')
    with pytest.raises(BadConfiguration) as caught:
        read_environment("production")
    assert caught.value.where == f"production.toml line {line}"
    assert "services.backend.version_path" in caught.value.seen
    assert "'api'" in caught.value.seen


def test_a_misspelt_key_is_told_where_it_stands(copies: Path) -> None:
    change(copies / "production.toml", "bake_s = 300", "bake_seconds = 300")
    line = line_with(copies / "production.toml", "bake_seconds")
    with pytest.raises(BadConfiguration, match=rf"line {line}: policy\.bake_seconds: Extra inputs"):
        read_environment("production")


def test_a_missing_key_is_told_with_its_table(copies: Path) -> None:
    change(copies / "production.toml", 'context = "app/web"\n', "")
    line = line_with(copies / "production.toml", "[services.web]")
    with pytest.raises(BadConfiguration, match=rf"line {line}: services\.web\.context: Field required"):
        read_environment("production")


def test_a_wrong_value_of_the_overlay_is_told_with_the_overlay(copies: Path) -> None:
    change(copies / "production.local.toml", "poll_s = 0.3", "poll_s = -1")
    with pytest.raises(BadConfiguration, match=r"production\.local\.toml line \d+: policy\.poll_s"):
        read_environment("production")


def test_several_wrong_values_are_all_located(copies: Path) -> None:
    change(copies / "production.toml", 'region = "eu-central-1"', 'region = "moon"')
    change(copies / "production.toml", "bake_s = 300", "bake_s = 'long'")
    change(copies / "production.local.toml", "bake_s = 3\n", "")
    with pytest.raises(BadConfiguration, match=r"region.*; production\.toml line \d+: policy\.bake_s"):
        read_environment("production")


def test_a_missing_overlay_file_is_refused(copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELIVERY_OVERLAY", "moon")
    with pytest.raises(BadConfiguration, match=r"production\.moon\.toml.*does not exist"):
        read_environment("production")


def test_a_file_that_calls_itself_otherwise_is_refused(copies: Path) -> None:
    change(copies / "staging.toml", 'name = "staging"', 'name = "production"')
    with pytest.raises(BadConfiguration, match="make both the same"):
        read_environment("staging")


def test_a_file_that_is_not_text_is_refused(copies: Path) -> None:
    (copies / "staging.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadConfiguration, match="cannot be read"):
        read_environment("staging")


def test_an_order_of_unknown_services_is_told_for_the_whole_file(copies: Path) -> None:
    change(copies / "production.toml", 'context = "app/web"', 'context = "app/web"\nafter = ["back"]')
    with pytest.raises(BadConfiguration, match="names unknown services"):
        read_environment("production")


def test_the_platform_is_read_from_ssm(platform: Platform) -> None:
    assert platform.name == "production"
    assert platform.cluster == "verificadores-production"
    assert platform.load_balancer.startswith("app/verificadores-production/")
    assert len(platform.subnets) == 2
    web = platform.service("web")
    assert (web.port, web.container, web.side("green").service) == (8080, "web", "web-green")
    assert web.blue.target_group.startswith("targetgroup/production-web-blue/")


def test_a_missing_parameter_is_named(platform: Platform) -> None:
    boto3.client("ssm").delete_parameter(Name="/verificadores/production/services/web/rule_arn")
    with pytest.raises(NotFound, match="/verificadores/production/services/web/rule_arn is missing"):
        find_platform.fn("production")


def test_an_unknown_service_is_refused_with_the_known_ones(platform: Platform) -> None:
    with pytest.raises(NotFound, match="no service 'api', there are backend, web"):
        platform.service("api")


def test_the_platform_can_be_sent_to_another_process(platform: Platform) -> None:
    assert pickle.loads(pickle.dumps(platform)) == platform  # noqa: S301 - our own bytes
    assert json.dumps(asdict(platform), default=lambda model: model.model_dump())
