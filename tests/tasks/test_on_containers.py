"""The same effects where users have them: a local cloud whose tasks are containers."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from platform_town import ROOT, Town, town

from decisions.errors import LockHeld, Refused, StepFailed
from decisions.release import Colour, Image
from decisions.steps import Move
from tasks.ecs import Command, describe_sides, register_task_definition, run_one_off, scale_side, start_side
from tasks.environments import find_platform
from tasks.images import build_image, push_image, remove_leftovers, resolve_image, run_test_stage
from tasks.lease import acquire_lease
from tasks.metrics import read_samples, recent_requests
from tasks.migrations import migrate
from tasks.probes import send_probes
from tasks.smoke import smoke_test
from tasks.sources import Source, locate_source
from tasks.target_health import count_targets
from tasks.topology import Platform
from tasks.traffic import point_test_listener, read_weights, shift_traffic

pytestmark = pytest.mark.docker

BLUE: dict[Colour, int] = {"blue": 100, "green": 0}
GREEN: dict[Colour, int] = {"blue": 0, "green": 100}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A local cloud that has version 1.0.0 of both services in its registry."""
    subprocess.run(["sh", str(ROOT / "setup" / "base-image.sh")], check=True, stdout=subprocess.DEVNULL)
    with town(tmp_path_factory.mktemp("containers")) as here:
        here.push("1.0.0")
        yield here


@pytest.fixture
def live(built: Town, a_known_start: None) -> Iterator[Platform]:
    """Production of the local cloud; this test's process speaks to it."""
    with built.inside():
        yield find_platform.fn("production")


def web(platform: Platform) -> Source:
    return locate_source(platform.environment, "web")


def until(true: Callable[[], bool], timeout_s: float = 40) -> None:
    ends = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < ends, f"not true within {timeout_s} s"
        time.sleep(0.2)


def start(platform: Platform, service: str, colour: Colour, image: Image) -> None:
    arn = register_task_definition.fn(platform, service, image)
    start_side.fn(platform, service, colour, arn, 1)


def start_and_wait(platform: Platform, service: str, colour: Colour) -> Image:
    image = resolve_image.fn(platform, service, "1.0.0")
    start(platform, service, colour, image)
    until(lambda: count_targets.fn(platform, service, colour).healthy == 1)
    return image


def test_a_build_of_the_same_source_is_the_same_image_and_is_pushed_once(live: Platform) -> None:
    again = build_image.fn(web(live), "1.0.0", {})
    assert push_image.fn(live, "web", again, "1.0.0") == resolve_image.fn(live, "web", "1.0.0")


def test_other_content_under_a_version_that_exists_is_refused(live: Platform) -> None:
    other = build_image.fn(web(live), "1.0.0", {"APP_FAULT": "slow:1"})
    with pytest.raises(Refused, match="exists with other content"):
        push_image.fn(live, "web", other, "1.0.0")


def test_the_test_stage_of_the_application_passes(live: Platform) -> None:
    assert run_test_stage.fn(web(live)).startswith("sha256:")


def test_a_failing_test_stage_shows_what_failed(live: Platform, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE} AS test\nRUN echo 1 failed, 2 passed && exit 1\n"
    )
    with pytest.raises(StepFailed, match="1 failed, 2 passed"):
        run_test_stage.fn(Source("broken", tmp_path, tmp_path / "Dockerfile"))


def test_leftovers_of_builds_can_be_removed_without_touching_others(live: Platform) -> None:
    before = {image.id for image in docker.from_env().images.list() if image.tags}
    remove_leftovers.fn(24)
    assert before <= {image.id for image in docker.from_env().images.list()}


def test_a_migration_runs_once_for_a_release(live: Platform) -> None:
    image = resolve_image.fn(live, "backend", "1.0.0")
    arn = register_task_definition.fn(live, "backend", image)
    first = migrate.fn(live, "backend", image, arn, "r1")
    assert first.exit_code == 0
    assert "0002" in first.logs
    assert migrate.fn(live, "backend", image, arn, "r1").task_arn == first.task_arn
    assert migrate.fn(live, "backend", image, arn, "r2").task_arn != first.task_arn


def test_a_one_off_task_tells_exit_code_and_what_it_printed(live: Platform) -> None:
    image = resolve_image.fn(live, "backend", "1.0.0")
    arn = register_task_definition.fn(live, "backend", image)
    command = Command(("python", "-c", "print('so far'); raise SystemExit(7)"), timeout_s=60)
    ended = run_one_off.fn(live, "backend", arn, command)
    assert (ended.exit_code, ended.logs) == (7, "so far")


def test_a_one_off_task_that_takes_too_long_is_stopped(live: Platform) -> None:
    image = resolve_image.fn(live, "backend", "1.0.0")
    arn = register_task_definition.fn(live, "backend", image)
    command = Command(("python", "-c", "import time; time.sleep(300)"), timeout_s=2)
    with pytest.raises(StepFailed, match="told to stop"):
        run_one_off.fn(live, "backend", arn, command)


def test_a_candidate_goes_from_start_to_traffic(live: Platform) -> None:
    image = start_and_wait(live, "web", "green")
    seen = describe_sides.fn(live)["web", "green"]
    assert (seen.digest, seen.version, seen.desired, seen.running) == (image.digest, "1.0.0", 1, 1)
    point_test_listener.fn(live, "web", "green")
    smoke_test.fn(live, "web", image)

    began = time.time() - 1  # the whole second in which it begins
    shift_traffic.fn(live, {"web": Move(read_weights.fn(live, "web"), GREEN)})
    assert send_probes.fn(live, "web", 40).failed == 0
    until(lambda: read_samples.fn(live, ["web"], began, time.time())["web"]["green"].requests >= 30)
    sample = read_samples.fn(live, ["web"], began, time.time())["web"]["green"]
    assert sample.errors == 0
    assert sample.latency_s is not None

    send_probes.fn(live, "web", 40)
    until(lambda: recent_requests.fn(live)["web", "green"] > 0)
    until(lambda: recent_requests.fn(live)["web", "green"] == 0)


def test_a_side_without_tasks_gets_no_traffic(live: Platform) -> None:
    before = read_weights.fn(live, "backend")
    with pytest.raises(StepFailed, match="has no healthy target"):
        shift_traffic.fn(live, {"backend": Move(before, GREEN)})
    assert read_weights.fn(live, "backend") == before == BLUE


def test_a_version_that_crashes_tells_its_exit_code_and_is_scaled_away(live: Platform) -> None:
    crashing = build_image.fn(web(live), "1.1.0", {"APP_FAULT": "crash"})
    image = push_image.fn(live, "web", crashing, "1.1.0")
    start_and_wait(live, "web", "green")
    shift_traffic.fn(live, {"web": Move(read_weights.fn(live, "web"), GREEN)})
    start(live, "web", "blue", image)
    until(lambda: bool(describe_sides.fn(live)["web", "blue"].reasons))
    assert "exit code 1" in describe_sides.fn(live)["web", "blue"].reasons[0]
    scale_side.fn(live, "web", "blue", 0)
    until(lambda: describe_sides.fn(live)["web", "blue"].running == 0)


def test_of_many_who_want_the_lock_exactly_one_gets_it(live: Platform) -> None:
    won: list[str] = []

    def compete(owner: str) -> None:
        with contextlib.suppress(LockHeld):
            won.append(acquire_lease.fn(live, owner, owner).owner)

    threads = [threading.Thread(target=compete, args=(f"runner {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
