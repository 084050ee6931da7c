"""A real Prefect server, without a cloud: what the pins in pyproject.toml are for."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from demo import prefect_template, processes
from demo.layout import ROOT, Layout
from demo.prefect_server import PrefectServer
from demo.waiting import wait_for

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Our own prefect.yaml, with one schedule more."""
    home = tmp_path_factory.mktemp("prefect-server")
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    content["deployments"][0]["schedules"] = [
        {"slug": "hourly", "cron": "0 * * * *", "timezone": "Europe/Helsinki"}
    ]
    (home / "prefect.yaml").write_text(yaml.safe_dump(content))
    return Layout("t-prefect", 79, home, home / "prefect.yaml")


@pytest.fixture(scope="module")
def server(layout: Layout) -> Iterator[PrefectServer]:
    prefect = PrefectServer(layout)
    try:
        started = prefect.start()
        wait_for({"Prefect server": lambda: prefect.ready(started)}, 200, print)
        prefect.make_pools()
        prefect.deploy()
        yield prefect
    finally:
        processes.sweep(layout.run)


def ask(layout: Layout, path: str, body: object) -> Any:
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.post(layout.api_url + path, json=body).raise_for_status().json()


def test_every_deployment_of_prefect_yaml_is_registered(server: PrefectServer) -> None:
    wanted = {
        each["entrypoint"] for each in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    }
    assert {each["entrypoint"] for each in ask(server.layout, "/deployments/filter", {})} == wanted


def test_a_cron_deployment_gets_scheduled_runs(server: PrefectServer) -> None:
    deadline = time.monotonic() + 120
    runs: list[dict[str, Any]] = []
    while not runs and time.monotonic() < deadline:
        runs = ask(
            server.layout, "/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        )
        time.sleep(0.5)
    assert runs, "the scheduler of this Prefect with these libraries never creates a run"
    assert all(run["auto_scheduled"] for run in runs)


def test_work_pools_that_exist_already_are_no_error(server: PrefectServer) -> None:
    server.make_pools()
    assert {each["name"] for each in ask(server.layout, "/work_pools/filter", {})} == {"ci", "cd"}


def test_the_ui_asks_the_address_that_the_server_listens_on(server: PrefectServer) -> None:
    with httpx.Client(trust_env=False) as client:
        settings = client.get(f"{server.layout.prefect_url}/ui-settings").json()
    assert settings["api_url"] == server.layout.api_url


def test_the_template_holds_a_migrated_database_without_deployments(
    server: PrefectServer, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    prefect_template.use(home)
    with closing(sqlite3.connect(home / prefect_template.DATABASE)) as database:
        assert database.execute("select count(*) from block_type").fetchone()[0] > 10
        assert database.execute("select count(*) from deployment").fetchone() == (0,)
