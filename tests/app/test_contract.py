"""app/contract.md, row by row, against the images and a real PostgreSQL and Redis."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from tests.app.conftest import ROOT, SERVICES, VERSION, Launcher, Platform, Running, build, eventually, image

pytestmark = pytest.mark.docker
VERSION_PATHS = {"backend": "/api/version", "web": "/version.json"}
USUAL_PATHS = {"backend": "/api/verifications", "web": "/"}
NOBODY = "postgresql://app:x@127.0.0.1:9/app"


@dataclass(frozen=True)
class Subject:
    """What a check has: one of the services, running and shared, and the means to start more."""

    service: str
    running: Running
    launcher: Launcher
    platform: Platform


CHECKS: dict[str, Callable[[Subject], None]] = {}


def row(check: Callable[[Subject], None]) -> Callable[[Subject], None]:
    CHECKS[check.__name__.replace("_", "-")] = check
    return check


def raw(url: str, request: bytes) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@row
def live(on: Subject) -> None:
    assert on.running.get("/health/live").status_code == 200
    if on.service == "backend":
        away = on.launcher.run("backend", {"DATABASE_URL": NOBODY})
        away.wait_for("/health/ready", 503)
        assert away.get("/health/live").status_code == 200


@row
def ready(on: Subject) -> None:
    on.running.wait_for("/health/ready")
    assert on.running.get("/health/ready").json()["ready"] is True


def not_ready_names(running: Running, name: str) -> bool:
    began = time.monotonic()
    answer = running.get("/health/ready")
    assert time.monotonic() - began < 3
    return answer.status_code == 503 and list(answer.json()["not_ready"]) == [name]


@row
def not_ready(on: Subject) -> None:
    on.platform.redis.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: not_ready_names(on.running, "redis"), "readiness names the Redis that hangs")
    finally:
        on.platform.redis.send_signal(signal.SIGCONT)
    on.running.wait_for("/health/ready")
    on.platform.stop_postgres()
    try:
        eventually(lambda: not_ready_names(on.running, "database"), "readiness names the database")
        assert on.running.get("/api/verifications").status_code == 503
    finally:
        on.platform.start_postgres()
    on.running.wait_for("/health/ready")
    assert on.running.get("/api/verifications").status_code == 200


@row
def late_database(on: Subject) -> None:
    early = on.launcher.run("backend", {"DATABASE_URL": NOBODY})
    early.wait_for("/health/live")
    eventually(lambda: not_ready_names(early, "database"), "readiness names the database that is late")


@row
def version(on: Subject) -> None:
    answer = on.running.get(VERSION_PATHS[on.service])
    assert answer.json() == {"service": on.service, "version": VERSION}


@row
def x_version(on: Subject) -> None:
    expected = f"{on.service}/{VERSION}"
    failing = on.launcher.ready(on.service, {"APP_FAULT": "errors:1,after=0"})
    answers = [
        *(
            on.running.get(path)
            for path in (USUAL_PATHS[on.service], "/health/ready", "/metrics", "/nowhere")
        ),
        httpx.post(f"{on.running.url}{USUAL_PATHS[on.service]}", content=b"{"),
        failing.get(USUAL_PATHS[on.service]),
    ]
    assert {answer.headers.get("x-version") for answer in answers} == {expected}
    assert answers[3].status_code == 404
    assert answers[5].status_code == 500
    malformed = raw(on.running.url, b"no HTTP at all\r\n\r\n")
    assert b" 400 " in malformed
    assert f"x-version: {expected}" in malformed.decode().lower()


def counted(running: Running) -> float:
    text = running.get("/metrics").text
    if running.service == "web":
        return float(text.splitlines()[2].split()[2])
    return sum(float(value) for value in re.findall(r"^http_requests_total\{.*\} (\S+)$", text, re.MULTILINE))


@row
def metrics(on: Subject) -> None:
    before = counted(on.running)
    on.running.get(VERSION_PATHS[on.service])
    assert counted(on.running) >= before + 1


@row
def logs(on: Subject) -> None:
    on.running.get("/health/live?seen")
    on.running.get(f"{USUAL_PATHS[on.service]}?seen")
    eventually(lambda: '"request"' in on.running.log(), "the request is in the log")
    out = bytes(on.running.container.logs(stderr=False)).decode().splitlines()
    lines = [json.loads(line) for line in out]
    assert all({"time", "level", "message", "service", "version"} <= set(line) for line in lines)
    assert all((line["service"], line["version"]) == (on.service, VERSION) for line in lines)
    paths = {line.get("path") for line in lines}
    assert USUAL_PATHS[on.service] in paths
    assert not {path for path in paths if path and path.startswith("/health/")}


@row
def non_root(on: Subject) -> None:
    strict = on.launcher.ready(on.service, read_only=True, tmpfs={"/tmp": ""}, cap_drop=["ALL"])  # noqa: S108 - in there
    processes = strict.container.top(ps_args="-eo pid,uid")["Processes"]
    assert processes
    assert all(int(uid) != 0 for _, uid in processes)
    assert strict.get(USUAL_PATHS[on.service]).status_code == 200


@row
def port(on: Subject) -> None:
    elsewhere = on.launcher.ready(on.service, {"PORT": "4321"})
    assert elsewhere.get("/health/ready").status_code == 200


def under_way(running: Running) -> tuple[threading.Thread, list[int]]:
    """A request that is being answered: the backend is slow, of web it is the client that reads slowly."""
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(running.get(VERSION_PATHS[running.service]).status_code)

    def send_slowly() -> None:
        parts = urlsplit(running.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
            connection.sendall(b"GET /version.json HTTP/1.1\r\nHost: x\r\n")
            time.sleep(2)
            connection.sendall(b"Connection: close\r\n\r\n")
            statuses.append(int(connection.recv(1000).split()[1]))

    thread = threading.Thread(target=ask if running.service == "backend" else send_slowly)
    thread.start()
    time.sleep(0.5)
    return thread, statuses


@row
def drain(on: Subject) -> None:
    stopping = on.launcher.ready(on.service, {"APP_FAULT": "slow:2", "DRAIN_NOTICE_S": "0"})
    request, statuses = under_way(stopping)
    stopping.container.kill(signal=stop_signal(stopping))
    eventually(lambda: not stopping.answers("/health/live"), "no new connections are taken", 10)
    assert statuses == [], "the slow request was to be under way still"
    request.join()
    assert statuses == [200]
    assert stopping.exit_code() == 0


def stop_signal(running: Running) -> str:
    return (
        str(running.container.image.attrs["Config"].get("StopSignal") or "SIGTERM")
        if running.container.image
        else ""
    )


@row
def not_ready_on_stop(on: Subject) -> None:
    stopping = on.launcher.ready(on.service, {"DRAIN_NOTICE_S": "2"})
    stopping.container.kill(signal=stop_signal(stopping))
    eventually(lambda: not_ready_names(stopping, "draining"), "readiness is off", 2)
    served = stopping.get("/api/verifications")
    assert (served.status_code, served.headers["connection"]) == (200, "close")
    assert stopping.exit_code() == 0


@row
def settings(on: Subject) -> None:
    wrong = {"APP_FAULT": "explode:7"}
    cases = [wrong] if on.service == "web" else [wrong, {"DATABASE_URL": ""}]
    started = [(env, on.launcher.run(on.service, env, ports={})) for env in cases]
    for env, refused in started:
        assert refused.exit_code() == 2, env
        said = refused.log().strip().splitlines()
        assert len(said) == 1
        assert next(iter(env)) in said[0]


@row
def test_stage(on: Subject) -> None:
    build(on.service, "--target", "test", tag=image(on.service, "test-stage"))


test_stage.__test__ = False  # type: ignore[attr-defined]  # a check of that row, not a test of its own


@row
def fast_rebuild(on: Subject) -> None:
    arguments = ["--build-arg", "APP_VERSION=9.9.9", "--build-arg", "APP_FAULT=never_ready@production"]
    build(on.service, *arguments, tag=image(on.service, "9.9.9"))
    images = on.launcher.client.images
    layers = [images.get(image(on.service, tag)).attrs["RootFS"]["Layers"] for tag in (VERSION, "9.9.9")]
    assert layers[0] == layers[1]
    for environment, status in (("production", 503), ("staging", 200)):
        bad = on.launcher.run(on.service, {"APP_ENVIRONMENT": environment}, image=image(on.service, "9.9.9"))
        bad.wait_for("/health/ready", status)
        assert bad.get("/health/live").headers["x-version"] == f"{on.service}/9.9.9"


def rows() -> dict[str, list[str]]:
    """Services by key, as the table in the contract says."""
    table = re.findall(
        r"^\| ([a-z-]+) \| (x?) ?\| (x?) ?\|", (ROOT / "app" / "contract.md").read_text(), re.MULTILINE
    )
    return {key: [name for name, x in zip(SERVICES, marks, strict=True) if x] for key, *marks in table}


def test_every_row_of_the_contract_has_a_check_and_the_other_way_round() -> None:
    assert set(rows()) == set(CHECKS)


@pytest.mark.parametrize(
    ("key", "service"), [(key, service) for key, names in rows().items() for service in names]
)
def test_the_contract_is_kept(
    key: str, service: str, launcher: Launcher, running: dict[str, Running], platform: Platform
) -> None:
    CHECKS[key](Subject(service, running[service], launcher, platform))
