import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound
from moto_platform import push
from requests import Response

from decisions.errors import BadConfiguration, NotFound, Refused, StepFailed
from tasks import building, pushing
from tasks.docker_engine import engine, follow
from tasks.environments import read_environment
from tasks.images import build_image, push_image, remove_leftovers, run_test_stage
from tasks.sources import Source, locate_source
from tasks.topology import Platform

HERE = Source("web", Path("/src/web"), Path("/src/web/Dockerfile"))


class Engine:
    """A Docker engine that says what it is scripted to say, and remembers what it was asked for."""

    def __init__(self, *said: dict[str, Any]) -> None:
        self.api = self
        self.images = self
        self.said = list(said)
        self.asked: dict[str, Any] = {}
        self.known = {"sha256:config"}
        self.pushed: list[str] = []
        self.refuses_with = 0

    def build(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        self.asked = arguments
        return iter(self.said)

    def get(self, image_id: str) -> "Engine":
        if image_id not in self.known:
            raise ImageNotFound(image_id)
        return self

    def tag(self, repository: str, tag: str) -> bool:
        self.pushed.append(f"{repository}:{tag}")
        return True

    def push(self, repository: str, tag: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        self.asked = {**arguments, "repository": repository, "tag": tag}
        yield from self.said
        if not any("error" in each for each in self.said):
            yield {"aux": {"Tag": tag, "Digest": push("web", tag, "sha256:config").digest}}

    def prune(self, filters: dict[str, Any]) -> dict[str, Any]:
        self.asked = filters
        if self.refuses_with:
            answer = Response()
            answer.status_code = self.refuses_with
            raise APIError("no", response=answer)
        return {"ImagesDeleted": None, "SpaceReclaimed": 7}


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Engine:
    here = Engine()

    @contextmanager
    def fake(_where: str) -> Iterator[Engine]:
        yield here

    monkeypatch.setattr(building, "engine", fake)
    monkeypatch.setattr(pushing, "engine", fake)
    return here


def test_an_image_is_built_with_its_version(docker: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELIVERY_BASE_IMAGE", "base:1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1/simple")
    docker.said = [{"stream": "Step 1\n"}, {"aux": {"ID": "sha256:built"}}]
    assert build_image.fn(HERE, "2.0", {"APP_FAULT": "crash"}) == "sha256:built"
    arguments = docker.asked["buildargs"]
    assert (arguments["APP_VERSION"], arguments["APP_FAULT"]) == ("2.0", "crash")
    assert (arguments["BASE_IMAGE"], arguments["PIP_INDEX_URL"]) == ("base:1", "http://127.0.0.1/simple")
    assert "target" not in docker.asked


def test_the_dockerfile_keeps_its_own_base_image_if_none_is_set(docker: Engine) -> None:
    docker.said = [{"aux": {"ID": "sha256:built"}}]
    build_image.fn(HERE, "2.0")
    assert "BASE_IMAGE" not in docker.asked["buildargs"]


def test_the_test_stage_is_built_as_a_target(docker: Engine) -> None:
    docker.said = [{"aux": {"ID": "sha256:tested"}}]
    assert run_test_stage.fn(HERE) == "sha256:tested"
    assert docker.asked["target"] == "test"


def test_a_failed_build_is_told_with_its_last_twenty_lines(
    docker: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    docker.said = [{"stream": f"line {number}\n"} for number in range(30)] + [{"error": "exit code 1"}]
    with caplog.at_level(logging.INFO), pytest.raises(StepFailed) as caught:
        run_test_stage.fn(HERE)
    assert caught.value.seen.startswith("exit code 1\nlast lines:\nline 10\n")
    assert "line 9\n" not in caught.value.seen
    assert "line 0" in caplog.text


def test_a_build_that_names_no_image_has_failed(docker: Engine) -> None:
    docker.said = [{"stream": "Step 1\n"}]
    with pytest.raises(StepFailed, match="named no image"):
        build_image.fn(HERE, "2.0")


def test_progress_bars_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        follow("x", [{"status": "Pushing", "progress": "[=> ]"}, {"status": "Pushed"}], "all")
    assert "Pushing" not in caplog.text
    assert "Pushed" in caplog.text


def test_an_image_is_pushed_under_its_version(platform: Platform, docker: Engine) -> None:
    image = push_image.fn(platform, "web", "sha256:config", "2.0")
    assert (image.service, image.repository, image.version) == ("web", "verificadores/web", "2.0")
    assert image.digest.startswith("sha256:")
    assert docker.asked["auth_config"]["username"] == "AWS"
    assert docker.pushed == [f"{docker.asked['repository']}:2.0"]


def test_the_same_content_is_not_pushed_again(platform: Platform, docker: Engine) -> None:
    first = push_image.fn(platform, "web", "sha256:config", "2.0")
    docker.pushed = []
    assert push_image.fn(platform, "web", "sha256:config", "2.0") == first
    assert docker.pushed == []


def test_an_engine_that_names_images_by_their_manifest_pushes_once_too(
    platform: Platform, docker: Engine
) -> None:
    first = push_image.fn(platform, "web", "sha256:config", "2.0")
    assert push_image.fn(platform, "web", first.digest, "2.0") == first


def test_other_content_under_the_same_version_is_refused(platform: Platform, docker: Engine) -> None:
    push_image.fn(platform, "web", "sha256:config", "2.0")
    with pytest.raises(Refused, match="exists with other content: sha256:config, not sha256:other"):
        push_image.fn(platform, "web", "sha256:other", "2.0")


def test_an_image_that_is_not_here_cannot_be_pushed(platform: Platform, docker: Engine) -> None:
    with pytest.raises(NotFound, match="no image sha256:unknown on this machine"):
        push_image.fn(platform, "web", "sha256:unknown", "2.0")


def test_a_failed_push_is_told_with_its_last_lines(platform: Platform, docker: Engine) -> None:
    docker.said = [{"status": "Preparing"}, {"error": "denied"}]
    with pytest.raises(StepFailed, match="denied"):
        push_image.fn(platform, "web", "sha256:config", "2.0")


def test_a_registry_that_shows_another_digest_than_was_pushed_is_not_believed(
    platform: Platform, docker: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([None, {"imageDigest": "sha256:moved"}])
    monkeypatch.setattr(pushing, "find_image", lambda *_arguments: next(answers))
    with pytest.raises(StepFailed, match="the registry shows sha256:moved"):
        push_image.fn(platform, "web", "sha256:config", "2.0")


def test_only_untagged_images_of_our_own_builds_are_removed(docker: Engine) -> None:
    assert remove_leftovers.fn(1) == 7
    assert docker.asked == {"dangling": True, "label": "delivery.build", "until": "1h"}


def test_leftovers_that_another_run_is_removing_are_left_to_it(docker: Engine) -> None:
    docker.refuses_with = 409
    assert remove_leftovers.fn(1) == 0
    docker.refuses_with = 500
    with pytest.raises(APIError):
        remove_leftovers.fn(1)


def test_a_machine_without_docker_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
    with pytest.raises(Refused, match="no Docker engine answers"), engine("x"):
        pass


def test_the_source_of_a_service_is_found() -> None:
    source = locate_source(read_environment("production"), "web")
    assert source.dockerfile.name == "Dockerfile"
    assert source.context.parts[-2:] == ("app", "web")


def test_an_unknown_service_has_no_source() -> None:
    with pytest.raises(NotFound, match="there are backend, web"):
        locate_source(read_environment("production"), "api")


def test_a_source_without_a_dockerfile_is_told() -> None:
    environment = read_environment("production")
    web = environment.services["web"].model_copy(update={"dockerfile": "Nothing"})
    services = {**environment.services, "web": web}
    with pytest.raises(BadConfiguration, match=r"production\.toml services\.web"):
        locate_source(environment.model_copy(update={"services": services}), "web")
