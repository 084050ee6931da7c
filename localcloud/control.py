"""Starting, stopping and speaking to an instance from another process."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from contextlib import suppress
from typing import Any

from localcloud import ACCESS_KEY, AWS_PORT, REGION, locking, reaper
from localcloud.errors import LocalCloudError, Told
from localcloud.launch import Launch
from localcloud.state import Instance, write_json

STOP_TIMEOUT_S = 40
ANSWER_TIMEOUT_S = 60


def up(instance: Instance, *, platform: bool) -> str:
    """The instance runs and, if asked, holds the platform. Repeating it changes nothing. Says what is where.

    Raises:
        LocalCloudError: it could not be started; nothing is left behind.
    """
    instance.state_dir.mkdir(parents=True, exist_ok=True)
    with locking.one_at_a_time(instance.state_dir / locking.UP_FILE):
        endpoints = _up(instance, _Seeding(instance) if platform else None)
    lines = [f"local cloud {instance.name} is up", f"  aws        {endpoints['aws']}"]
    lines.append(f"  registry   {endpoints['registry']}")
    for name, urls in endpoints["environments"].items():
        lines.append(f"  {name:<10} {urls['url']}   test {urls['test_url']}")
    return "\n".join(lines)


def _up(instance: Instance, seeding: _Seeding | None) -> dict[str, Any]:
    if not _runs(instance):
        launch = Launch.of(instance)
        try:
            if seeding:
                seeding.prepare()  # takes about as long as the server's start, on another core
            launch.await_ready()
        except BaseException:  # it failed, or whoever asked for it has interrupted the start
            launch.abandon()
            raise
    endpoints: dict[str, Any] = json.loads((instance.state_dir / "endpoints.json").read_text())
    if seeding and not endpoints["environments"]:
        endpoints["environments"] = seeding.run()
        write_json(instance.state_dir / "endpoints.json", endpoints)
    return endpoints


class _Seeding:
    """boto3 is imported only by those who seed: it takes half a second."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._clients: Any = None

    def prepare(self) -> None:
        """Clients exist. Nothing is sent."""
        from localcloud.seeding.clients import Clients  # noqa: PLC0415

        self._clients = Clients.of(self._instance.aws_url)

    def run(self) -> dict[str, dict[str, str]]:
        """The platform is there; addresses of its environments."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        from localcloud.seeding import seed  # noqa: PLC0415

        if self._clients is None:
            self.prepare()
        try:
            return seed(self._clients)
        except (BotoCoreError, ClientError) as error:
            raise LocalCloudError(
                f"local cloud {self._instance.name}",
                f"the platform could not be seeded: {error}",
                "it runs, half seeded",
                f"read {self._instance.state_dir / 'server.log'}; up again goes on where it stopped",
            ) from error


def _runs(instance: Instance) -> bool:
    """Whether it serves. Waits for one that is starting or being swept."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while locking.is_held(instance.state_dir):
        known = _known(instance)
        if known and _answers(_as_it_runs(instance, known)):
            return True
        if time.monotonic() > deadline:
            raise LocalCloudError(
                f"local cloud {instance.name}",
                f"{instance.state_dir} is in use, but nothing answered for {STOP_TIMEOUT_S} s",
                "nothing was changed",
                "python -m localcloud down, then up",
            )
        time.sleep(0.05)
    return False


def running(instance: Instance) -> Instance:
    """The instance as it was started, with its block and gateway.

    Raises:
        LocalCloudError: it does not run, or it runs under another name.
    """
    known = _known(instance)
    if known is None:
        raise LocalCloudError(
            f"local cloud {instance.name}",
            f"does not run ({instance.state_dir} has no server.json)",
            "nothing was changed",
            "python -m localcloud up",
        )
    return _as_it_runs(instance, known)


def _as_it_runs(instance: Instance, known: dict[str, Any]) -> Instance:
    return Instance(known["name"], known["block"], instance.state_dir, known["gateway"])


def _known(instance: Instance) -> dict[str, Any] | None:
    """What the server wrote about itself; None before it serves and after it was swept."""
    try:
        known: dict[str, Any] = json.loads((instance.state_dir / "server.json").read_text())
    except FileNotFoundError:
        return None
    if known["name"] != instance.name:
        raise LocalCloudError(
            str(instance.state_dir),
            f"belongs to the running instance {known['name']}, not to {instance.name}",
            "nothing was changed",
            f"give --name {known['name']}, or another --state",
        )
    return known


def environment(instance: Instance) -> dict[str, str]:
    """What a client needs in its environment."""
    return {
        "AWS_ENDPOINT_URL": instance.aws_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
    }


def down(instance: Instance) -> str:
    """Nothing of the instance runs, also when its server or reaper was killed. Says so."""
    if not locking.is_held(instance.state_dir):
        reaper.sweep(instance.state_dir, instance.name)
        return f"local cloud {instance.name} is down"
    for how in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            _signal_server(instance, how)  # again and again: one that is still starting cannot be asked yet
            if not locking.is_held(instance.state_dir):
                return f"local cloud {instance.name} is down"
            time.sleep(0.05)
    raise LocalCloudError(
        f"local cloud {instance.name}",
        f"did not end within {2 * STOP_TIMEOUT_S} s of SIGTERM and SIGKILL",
        "something of it may still run",
        f"docker ps --filter label=localcloud={instance.name}",
    )


def _signal_server(instance: Instance, how: signal.Signals) -> None:
    if known := _known(instance):
        with suppress(ProcessLookupError):
            if reaper.Child(known["pid"], known["started"]).lives():
                os.kill(known["pid"], how)


def break_(instance: Instance, what: str, target: str) -> str:
    """Something is broken now; the sentence says what.

    Raises:
        LocalCloudError: no such fault or target.
    """
    status, answer = _ask(instance, "POST", "break", {"what": what, "target": target})
    if status != http.HTTPStatus.OK:
        raise Told(str(answer["error"]))
    return str(answer["said"])


def _answers(instance: Instance) -> bool:
    try:
        return _ask(instance, "GET", "health")[0] == http.HTTPStatus.OK
    except LocalCloudError:
        return False


def _ask(instance: Instance, method: str, what: str, content: object = None) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(instance.api_address, AWS_PORT, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request(method, f"/_localcloud/{what}", json.dumps(content))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except OSError as error:
        raise LocalCloudError(
            instance.aws_url, f"does not answer ({error})", "nothing was changed", "python -m localcloud up"
        ) from error
    finally:
        connection.close()
