"""The first questions a candidate is asked, through the test listener, where no user is."""

from __future__ import annotations

import json
import logging
import time

import httpx

from decisions.environment import SmokeCheck
from decisions.errors import StepFailed
from decisions.release import Image
from tasks.effect import effect
from tasks.topology import Platform
from tasks.web_client import web_client

_log = logging.getLogger(__name__)
_BODY_CHARACTERS = 200
# A changed rule is not at every node of the load balancer at once; until then the old side answers.
_RULE_ARRIVES_S = 15.0
_PAUSE_S = 0.5


@effect("smoke test")
def smoke_test(platform: Platform, service: str, image: Image) -> None:
    """The candidate answers its version and every configured check as expected.

    Args:
        platform: Where.
        service: Which service; its test listener must point to the candidate.
        image: What must answer.

    Raises:
        StepFailed: It did not; carries status and the first 200 characters of the answer.
    Safe to repeat: only reads.
    """
    configured = platform.environment.services[service]
    where = f"{platform.name}/{service} {image.version}"
    with web_client(platform.test_url) as client:
        _await_version(client, configured.version_path, image, where)
        for check in configured.smoke:
            if problem := _problem(_ask(client, check.path, where), check, image):
                raise _failed(where, check.path, problem)
    _log.info("%s: %d smoke checks passed", where, len(configured.smoke) + 1)


def _await_version(client: httpx.Client, path: str, image: Image, where: str) -> None:
    give_up = time.monotonic() + _RULE_ARRIVES_S
    while True:
        answer = _ask(client, path, where)
        problem = _problem(answer, SmokeCheck(path=path), image) or _other_version(answer, image)
        if not problem:
            return
        if time.monotonic() >= give_up or answer.status_code != httpx.codes.OK:
            raise _failed(where, path, problem)
        time.sleep(_PAUSE_S)


def _ask(client: httpx.Client, path: str, where: str) -> httpx.Response:
    try:
        return client.get(path)
    except httpx.HTTPError as error:
        problem = f"{type(error).__name__}: {error}"
        raise _failed(where, path, f"no answer from {client.base_url}: {problem}") from error


def _problem(answer: httpx.Response, check: SmokeCheck, image: Image) -> str:
    said = answer.headers.get("X-Version", "")
    wanted = f"{image.service}/{image.version}"
    if answer.status_code != check.status:
        return f"answered {answer.status_code} instead of {check.status}: {_start(answer)}"
    if said != wanted:
        return f"header X-Version is {said!r} instead of {wanted!r}"
    if check.contains not in answer.text:
        return f"{check.contains!r} is not in the answer: {_start(answer)}"
    return ""


def _other_version(answer: httpx.Response, image: Image) -> str:
    try:
        said = json.loads(answer.text)
    except ValueError:
        return f"the answer is not JSON: {_start(answer)}"
    wanted = {"service": image.service, "version": image.version}
    if not isinstance(said, dict) or {key: said.get(key) for key in wanted} != wanted:
        return f"expected {json.dumps(wanted)}, got {_start(answer)}"
    return ""


def _start(answer: httpx.Response) -> str:
    return answer.text[:_BODY_CHARACTERS].replace("\n", " ")


def _failed(where: str, path: str, problem: str) -> StepFailed:
    do = "read the candidate's log; if it is right, correct the check in deployments/environments"
    return StepFailed(where, f"GET {path}: {problem}", "no user has met this version", do)
