import json

import pytest
from acted_world import ActedRunner
from small_world import NEW, OLD, World, images, release
from typer.testing import CliRunner

from decisions.errors import NotFound
from decisions.release import Release, ServiceSeen, State
from flows import shell
from flows.delivery import Order, deliver
from tasks.lease import LockStatus
from tasks.status import EnvironmentStatus
from tasks.topology import Platform

VERSIONS = {"1": OLD, "2": NEW}


@pytest.fixture(autouse=True)
def acted(monkeypatch: pytest.MonkeyPatch, platform: Platform, here: World, run: ActedRunner) -> None:
    def find(name: str) -> Platform:
        if name not in {"staging", "production"}:
            raise NotFound(f"environment {name!r}", "no such environment")
        return platform

    def resolve(_: Platform, name: str, version: str) -> object:
        platform.service(name)
        if version not in VERSIONS:
            raise NotFound(name, f"no version {version!r}")
        return next(image for image in images(VERSIONS[version], version) if image.service == name)

    monkeypatch.setattr(shell.find_platform, "fn", find)
    monkeypatch.setattr(shell.resolve_image, "fn", resolve)
    monkeypatch.setattr(shell, "InShell", lambda: run)


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["flows", *arguments])
    return shell.main()


def test_a_release_from_the_shell_ends_with_0(monkeypatch: pytest.MonkeyPatch, here: World) -> None:
    assert call(monkeypatch, "release", "staging", "2", "--by", "ana") == 0
    assert here.weights("web") == {"blue": 0, "green": 100}


def test_a_bad_version_ends_with_1_and_says_what_serves(
    monkeypatch: pytest.MonkeyPatch, run: ActedRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    run.bad = {NEW}
    assert call(monkeypatch, "release", "production", "2", "--without-staging") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "the version before serves all traffic" in said


def test_production_without_a_staging_release_is_refused_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: World
) -> None:
    before = dict(here.sides)
    assert call(monkeypatch, "release", "production", "2") == 2
    assert "release the version to staging first" in " ".join(capsys.readouterr().err.split())
    assert here.sides == before


def test_production_takes_what_staging_proved(
    monkeypatch: pytest.MonkeyPatch, platform: Platform, run: ActedRunner
) -> None:
    now = run.world.now
    proof = release(images=images(NEW, "2"), state=State.SUCCEEDED, started=now, ended=now)
    monkeypatch.setattr(shell.list_releases, "fn", lambda platform, limit: [proof])
    monkeypatch.setattr(shell.time, "time", lambda: now)
    assert call(monkeypatch, "release", "production", "2") == 0


@pytest.mark.parametrize(
    "words",
    [
        ["release", "nowhere", "2"],
        ["release", "staging", "9"],
        ["release", "staging", "2", "--service", "database"],
        ["rollback", "nowhere"],
        ["status", "nowhere"],
    ],
)
def test_what_does_not_exist_is_refused_with_2_and_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, here: World, words: list[str]
) -> None:
    before = dict(here.sides)
    assert call(monkeypatch, *words) == 2
    assert here.sides == before


def test_a_rollback_from_the_shell_goes_to_the_version_before(
    monkeypatch: pytest.MonkeyPatch, platform: Platform, here: World, run: ActedRunner
) -> None:
    for number, version in enumerate(VERSIONS):
        order = Order(f"r{number}", images(VERSIONS[version], version), version, "ana")
        deliver(platform, order, run, lambda release, step: None)
    assert call(monkeypatch, "rollback", "production") == 0
    assert {side.digest for side in here.sides.values() if side.weight_pct} == {OLD}


def test_a_halted_release_ends_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    halted = release(state=State.HALTED, reason="both sides are bad")
    monkeypatch.setattr(shell, "deliver", lambda *arguments: halted)
    assert call(monkeypatch, "release", "staging", "2") == 3


def test_status_tells_people_and_machines_the_same(
    monkeypatch: pytest.MonkeyPatch, here: World, capsys: pytest.CaptureFixture[str]
) -> None:
    services = tuple(
        ServiceSeen(name, here.sides[name, "blue"], here.sides[name, "green"]) for name in ("backend", "web")
    )
    seen = EnvironmentStatus("production", "http://x", services, None, LockStatus(held=False), {"web": "1"})
    monkeypatch.setattr(shell.read_status, "fn", lambda platform: seen)
    assert call(monkeypatch, "status") == 0
    assert "last good: web 1" in capsys.readouterr().out
    assert call(monkeypatch, "status", "--json") == 0
    assert json.loads(capsys.readouterr().out)["services"][0]["blue"]["weight_pct"] == 100


def test_unknown_words_are_refused_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "relaese") == 2


def test_the_help_names_every_verb() -> None:
    said = CliRunner().invoke(shell.app, ["--help"]).stdout
    assert all(verb in said for verb in ("status", "release", "rollback", "approve", "deploy"))


def test_a_step_is_told_before_it_is_performed(capsys: pytest.CaptureFixture[str], here: World) -> None:
    step = here.next()
    shell._say(Release("r", "production", "2", (), "ana", 0.0), step)
    assert step.why.split()[0] in capsys.readouterr().err
