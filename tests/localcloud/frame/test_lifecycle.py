"""up, down, kill -9: what an instance leaves behind, which is nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import pytest

from localcloud import locking, reaper

if TYPE_CHECKING:
    from tests.localcloud.conftest import Cloud

pytestmark = pytest.mark.docker


@pytest.fixture
def own(new_cloud: Any) -> Iterator[Cloud]:
    """An instance of the test's own, not started yet."""
    instance: Cloud = new_cloud()
    yield instance
    instance.cli("down", check=False)


def eventually(check: Any, timeout_s: float = 40) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.05)
    return bool(check())


def containers(cloud: Cloud) -> list[Any]:
    found: list[Any] = docker.from_env().containers.list(
        all=True, filters={"label": f"localcloud={cloud.name}"}, ignore_removed=True
    )
    return found


def networks(cloud: Cloud) -> list[Any]:
    found: list[Any] = docker.from_env().networks.list(filters={"label": f"localcloud={cloud.name}"})
    return found


def is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex((address, port)) != 0


def children(cloud: Cloud) -> list[reaper.Child]:
    return list(reaper.recorded(cloud.state))


def start_something_of_everything(cloud: Cloud, image: str) -> None:
    """A database, a Redis, and a container with the instance's label, as a task would be."""
    cloud.client("rds").create_db_instance(
        DBInstanceIdentifier="orphan",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="app",
        MasterUserPassword="password-1",
    )
    cloud.client("rds").get_waiter("db_instance_available").wait(
        DBInstanceIdentifier="orphan", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    cloud.client("elasticache").create_cache_cluster(
        CacheClusterId="orphan", CacheNodeType="cache.t4g.micro", Engine="redis", NumCacheNodes=1
    )
    docker.from_env().containers.create(
        image, "never-run", labels={"localcloud": cloud.name}, network=f"localcloud-{cloud.name}"
    )


def server_of(cloud: Cloud) -> reaper.Child:
    return reaper.Child(cloud.server["pid"], cloud.server["started"])


def nothing_is_left(cloud: Cloud, processes: list[reaper.Child]) -> bool:
    return (
        not any(process.lives() for process in processes)
        and not containers(cloud)
        and not networks(cloud)
        and is_free(f"127.{cloud.block}.0.1", 4566)
        and is_free(f"127.{cloud.block}.0.1", 4510)
    )


def test_after_kill_9_of_the_server_no_container_port_or_process_is_left_and_up_works_again(
    own: Cloud, empty_image: str
) -> None:
    own.cli("up", "--no-platform")
    start_something_of_everything(own, empty_image)
    server = server_of(own)
    processes = [*children(own), server]
    assert len(processes) >= 3
    assert len(containers(own)) == 1
    os.kill(server.pid, signal.SIGKILL)
    assert eventually(lambda: nothing_is_left(own, processes))
    own.cli("up", "--no-platform")
    assert own.client("rds").describe_db_instances()["DBInstances"] == []


def test_when_server_and_reaper_are_both_killed_the_next_up_sweeps(own: Cloud, empty_image: str) -> None:
    own.cli("up", "--no-platform")
    start_something_of_everything(own, empty_image)
    server, processes = server_of(own), children(own)
    os.kill(reaper_of(own), signal.SIGKILL)
    os.kill(server.pid, signal.SIGKILL)
    assert eventually(lambda: not server.lives())
    assert any(child.lives() for child in processes)
    own.cli("up", "--no-platform")
    assert not any(child.lives() for child in processes)
    assert containers(own) == []


def reaper_of(cloud: Cloud) -> int:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "localcloud.reaper" in words and str(cloud.state) in words:
            return int(process.name)
    pytest.fail("no reaper found")


def test_down_leaves_nothing_and_up_after_it_works(own: Cloud, empty_image: str) -> None:
    own.cli("up", "--no-platform")
    start_something_of_everything(own, empty_image)
    processes = [*children(own), server_of(own)]
    own.cli("down")
    assert nothing_is_left(own, processes)
    assert not (own.state / "endpoints.json").exists()
    own.cli("up", "--no-platform")
    assert own.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_up_twice_is_the_same_server(own: Cloud) -> None:
    own.cli("up", "--no-platform")
    first = own.server
    own.cli("up", "--no-platform")
    assert own.server == first


def test_down_stops_one_that_is_still_starting(own: Cloud) -> None:
    starting = subprocess.Popen(own.command("up", "--no-platform"), cwd=own.root, stderr=subprocess.DEVNULL)
    assert eventually(lambda: locking.is_held(own.state))
    own.cli("down")
    starting.wait(60)
    assert nothing_is_left(own, children(own))


def test_two_ups_at_once_end_with_one_server_and_one_platform(own: Cloud) -> None:
    both = [subprocess.Popen(own.command("up"), cwd=own.root, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [up.wait(120) for up in both] == [0, 0]
    assert set(own.endpoints["environments"]) == {"staging", "production"}
    groups = own.client("elbv2").describe_target_groups()["TargetGroups"]
    assert len(groups) == 8


def test_a_state_directory_of_an_instance_with_another_name_is_refused(own: Cloud) -> None:
    own.cli("up", "--no-platform")
    name, own.name = own.name, "someone-else"
    said = own.cli("down", check=False)
    own.name = name
    assert said.returncode == 1
    assert f"belongs to the running instance {name}, not to someone-else" in said.stderr


def test_down_of_what_never_ran_is_no_error(own: Cloud) -> None:
    assert own.cli("down").returncode == 0


def test_an_up_that_is_interrupted_leaves_nothing(own: Cloud) -> None:
    interrupted = subprocess.Popen(own.command("up", "--no-platform"), cwd=own.root)
    assert eventually((own.state / "lock").exists)
    interrupted.send_signal(signal.SIGINT)
    interrupted.wait(60)
    assert containers(own) == []
    assert networks(own) == []
    assert is_free(f"127.{own.block}.0.1", 4566)


def refused(cloud: Cloud, *arguments: str, **env: str) -> str:
    """The error text of a command that must fail and leave nothing."""
    done = cloud.cli(*arguments, check=False, **env)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert networks(cloud) == []
    assert children(cloud) == []
    return done.stderr


def test_a_port_that_is_taken_is_named_with_the_program_that_has_it(own: Cloud) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((f"127.{own.block}.0.1", 4566))
        taken.listen()
        said = refused(own, "up")
    assert f"127.{own.block}.0.1:4566: another program listens there (pid {os.getpid()}" in said
    assert "--block" in said


def test_the_registry_s_port_that_is_taken_stops_everything_that_was_started(own: Cloud) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((f"127.{own.block}.0.1", 4510))
        taken.listen()
        said = refused(own, "up")
    assert f"127.{own.block}.0.1:4510: another program listens there" in said


def test_without_a_docker_engine_the_error_says_what_to_install(own: Cloud) -> None:
    said = refused(own, "up", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert said.startswith("localcloud: Docker engine: does not answer")
    assert "apt install docker.io" in said


def test_without_redis_the_error_says_what_to_install(own: Cloud, tmp_path: Path) -> None:
    for program in ("sh", "cp", "initdb"):
        found = shutil.which(program)
        assert found
        (tmp_path / program).symlink_to(found)
    said = refused(own, "up", PATH=str(tmp_path))
    assert "redis-server was not found" in said
    assert "apt install redis-server" in said


def test_a_name_that_another_instance_has_is_refused(own: Cloud, cloud: Cloud) -> None:
    own.name = cloud.name
    said = own.cli("up", check=False).stderr
    own.name = "never-started"
    assert f"--name {cloud.name}: another local cloud on this machine uses it" in said


def test_a_block_that_another_instance_has_is_refused(own: Cloud, cloud: Cloud) -> None:
    own.block = cloud.block
    assert f"--block {cloud.block}: another local cloud on this machine uses it" in refused(own, "up")


def test_commands_to_an_instance_that_does_not_run_say_how_to_start_it(own: Cloud) -> None:
    for command in (["status"], ["env"], ["break", "task"]):
        said = refused(own, *command)
        assert "does not run" in said
        assert "python -m localcloud up" in said


def test_it_is_small_when_idle(own: Cloud) -> None:
    own.cli("up", "--no-platform")
    status = Path(f"/proc/{own.server['pid']}/status").read_text()
    resident_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident_kib < 300 * 1024


def test_env_prints_what_a_client_needs(cloud: Cloud) -> None:
    lines = cloud.cli("env").stdout.splitlines()
    assert f"export AWS_ENDPOINT_URL={cloud.aws_url}" in lines
    assert "export AWS_DEFAULT_REGION=eu-central-1" in lines


def test_status_as_json_has_every_section(cloud: Cloud) -> None:
    seen = json.loads(cloud.cli("status", "--json").stdout)
    assert {"services", "tasks", "targets", "weights", "databases"} <= set(seen)
