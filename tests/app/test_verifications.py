"""What people do with the application, over its API."""

from __future__ import annotations

import docker
import httpx
import pytest

from tests.app.conftest import Launcher, Platform, Running, image

pytestmark = pytest.mark.docker
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def api(platform: Platform, database: str, running: dict[str, Running]) -> httpx.Client:
    launcher = Launcher(docker.from_env(), platform, database)
    add = f"echo '{PASSWORD}' | python -m backend.accounts vera"
    code, said = launcher.command("sh", "-c", add)
    launcher.remove()
    assert (code, said) == (0, "vera may verify\n")
    return httpx.Client(base_url=running["backend"].url + "/api", timeout=30)


def ask(api: httpx.Client, claim: str = "The moon is a cheese") -> dict[str, object]:
    answer = api.post("/verifications", json={"claim": claim, "source_url": "https://example.org/moon"})
    assert answer.status_code == 201
    body: dict[str, object] = answer.json()
    assert answer.headers["location"] == f"/api/verifications/{body['id']}"
    return body


def log_in(api: httpx.Client) -> httpx.Client:
    known = httpx.Client(base_url=api.base_url, timeout=30)
    assert known.post("/session", json={"name": "vera", "password": PASSWORD}).status_code == 201
    return known


def test_a_claim_is_asked_found_and_listed_newest_first(api: httpx.Client) -> None:
    first, second = ask(api), ask(api, "  Water is wet  ")
    assert second["claim"] == "Water is wet"
    assert api.get(f"/verifications/{first['id']}").json() == first
    page = api.get("/verifications", params={"limit": 1}).json()
    assert page["items"] == [second]
    assert api.get("/verifications", params={"limit": 1, "before": page["next"]}).json()["items"] == [first]


def test_a_verifier_answers_once(api: httpx.Client) -> None:
    asked = ask(api)
    finding = {"verdict": "false", "explanation": "It is rock."}
    path = f"/verifications/{asked['id']}/answer"
    assert api.post(path, json=finding).status_code == 401
    vera = log_in(api)
    answered = vera.post(path, json=finding)
    assert answered.status_code == 200
    assert {key: answered.json()[key] for key in ("verdict", "answered_by")} == {
        "verdict": "false",
        "answered_by": "vera",
    }
    assert vera.post(path, json=finding).status_code == 409
    assert vera.post("/verifications/999999/answer", json=finding).status_code == 404
    ids = {
        state: [one["id"] for one in api.get("/verifications", params={"state": state}).json()["items"]]
        for state in ("answered", "open")
    }
    assert asked["id"] in ids["answered"]
    assert asked["id"] not in ids["open"]


def test_a_session_ends_at_logout_and_a_forged_one_is_none(api: httpx.Client) -> None:
    vera = log_in(api)
    assert vera.get("/session").json() == {"name": "vera"}
    cookie = vera.cookies["session"]
    for forged in (cookie[:-1] + ("0" if cookie[-1] != "0" else "1"), "x.y", "", "é"):
        assert api.get("/session", headers={b"Cookie": f"session={forged}".encode()}).status_code == 401
    assert vera.delete("/session").status_code == 204
    assert api.get("/session", headers={"Cookie": f"session={cookie}"}).status_code == 401


def test_the_cookie_is_safe(api: httpx.Client) -> None:
    login = {"name": "vera", "password": PASSWORD}
    answer = api.post("/session", json=login, headers={"X-Forwarded-Proto": "https"})
    assert {"HttpOnly", "Secure", "SameSite=lax"} <= set(answer.headers["set-cookie"].split("; "))


def test_guessing_passwords_is_stopped(api: httpx.Client) -> None:
    guesses = [api.post("/session", json={"name": "mallory", "password": "x"}).status_code for _ in range(11)]
    assert guesses == [401] * 10 + [429]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"claim": ""},
        {"claim": "   "},
        {"claim": "x" * 2001},
        {"claim": "nul \x00"},
        {"claim": "x", "source_url": "javascript:alert(1)"},
        {"claim": "x", "unknown": 1},
    ],
)
def test_bad_input_is_refused_with_a_reason(api: httpx.Client, body: dict[str, object]) -> None:
    answer = api.post("/verifications", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/verifications/0", "/verifications/99999999999999999999", "/verifications?limit=0"]
)
def test_numbers_out_of_range_are_refused_not_errors(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code == 422


def test_the_image_is_small(launcher: Launcher) -> None:
    assert launcher.client.images.get(image("backend")).attrs["Size"] < 110 * 10**6
