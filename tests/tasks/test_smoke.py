import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from moto_platform import imagined

from decisions.errors import StepFailed
from decisions.release import Image
from tasks import smoke
from tasks.probes import send_probes
from tasks.smoke import smoke_test
from tasks.topology import Platform

WEB = Image("web", "verificadores/web", "sha256:1", "2.0")


@dataclass
class Site:
    """What answers behind both listeners."""

    version: str = "2.0"
    pages: dict[str, tuple[int, str]] = field(default_factory=dict)
    header: str | None = None
    asked: list[str] = field(default_factory=list)
    on_ask: Callable[[], None] = lambda: None

    def answer(self, path: str) -> tuple[int, str]:
        self.asked.append(path)
        self.on_ask()
        if path in self.pages:
            return self.pages[path]
        if path == "/version.json":
            return 200, json.dumps({"service": "web", "version": self.version})
        return 200, "<html><title>Verificadores</title></html>"


@pytest.fixture
def site() -> Iterator[Site]:
    here = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = here.answer(self.path)
            self.send_response(status)
            said = f"web/{here.version}" if here.header is None else here.header
            self.send_header("X-Version", said)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    here.url = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
    yield here
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def behind(site: Site) -> Platform:
    url: str = site.url  # type: ignore[attr-defined]
    return replace(imagined(), url=url, test_url=url)


@pytest.fixture(autouse=True)
def rules_arrive_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "_RULE_ARRIVES_S", 0.3)
    monkeypatch.setattr(smoke, "_PAUSE_S", 0.05)


def test_a_good_candidate_passes_every_check(site: Site, behind: Platform) -> None:
    smoke_test.fn(behind, "web", WEB)
    assert site.asked == ["/version.json", "/"]


def test_a_candidate_that_appears_late_is_waited_for(site: Site, behind: Platform) -> None:
    site.version = "1.0"

    def arrive() -> None:
        site.version = "1.0" if len(site.asked) < 3 else "2.0"

    site.on_ask = arrive
    smoke_test.fn(behind, "web", WEB)
    assert site.asked.count("/version.json") == 3


def test_another_version_behind_the_test_listener_is_told(site: Site, behind: Platform) -> None:
    site.version = "1.0"
    with pytest.raises(StepFailed, match=r"X-Version is 'web/1\.0' instead of 'web/2\.0'"):
        smoke_test.fn(behind, "web", WEB)


def test_a_version_path_that_says_otherwise_than_the_header_is_told(site: Site, behind: Platform) -> None:
    site.pages["/version.json"] = (200, '{"service": "web", "version": "0"}')
    with pytest.raises(StepFailed, match=r'expected \{"service": "web", "version": "2\.0"\}'):
        smoke_test.fn(behind, "web", WEB)


@pytest.mark.parametrize("body", ["<html>", "[1]"])
def test_a_version_path_that_is_no_version_is_told(site: Site, behind: Platform, body: str) -> None:
    site.pages["/version.json"] = (200, body)
    with pytest.raises(StepFailed, match=r"/version\.json"):
        smoke_test.fn(behind, "web", WEB)


def test_a_failing_check_is_told_with_status_and_the_start_of_the_answer(
    site: Site, behind: Platform
) -> None:
    site.pages["/"] = (503, "no database" + "x" * 500)
    with pytest.raises(StepFailed) as caught:
        smoke_test.fn(behind, "web", WEB)
    assert "GET /: answered 503 instead of 200: no database" in caught.value.seen
    assert len(caught.value.seen) < 300
    assert caught.value.left == "no user has met this version"


def test_an_error_of_the_version_path_is_not_waited_out(site: Site, behind: Platform) -> None:
    site.pages["/version.json"] = (500, "broken")
    with pytest.raises(StepFailed, match="answered 500 instead of 200: broken"):
        smoke_test.fn(behind, "web", WEB)
    assert site.asked == ["/version.json"]


def test_a_page_without_the_expected_text_is_told(site: Site, behind: Platform) -> None:
    site.pages["/"] = (200, "an empty page")
    with pytest.raises(StepFailed, match="'<title' is not in the answer: an empty page"):
        smoke_test.fn(behind, "web", WEB)


def test_a_listener_where_nobody_answers_is_told(behind: Platform) -> None:
    with pytest.raises(StepFailed, match=r"no answer from http://127\.0\.0\.1:1"):
        smoke_test.fn(replace(behind, test_url="http://127.0.0.1:1"), "web", WEB)


def test_half_of_the_probes_go_through_each_listener(site: Site, behind: Platform) -> None:
    nobody = replace(behind, test_url="http://127.0.0.1:1")
    report = send_probes.fn(nobody, "web", 10)
    assert (report.sent, report.failed, len(site.asked)) == (10, 5, 5)


def test_both_listeners_are_asked_for_the_same_paths(site: Site, behind: Platform) -> None:
    nobody = "http://127.0.0.1:1"
    for users, testers in ((behind.url, nobody), (nobody, behind.url)):
        site.asked.clear()
        send_probes.fn(replace(behind, url=users, test_url=testers), "backend", 8)
        assert sorted(site.asked) == ["/api/verifications"] * 2 + ["/api/version"] * 2


def test_probes_that_are_answered_by_an_error_of_the_server_have_failed(site: Site, behind: Platform) -> None:
    site.pages["/"] = (500, "broken")
    assert send_probes.fn(behind, "web", 6).failed == 6


def test_no_probes_can_be_asked_for(site: Site, behind: Platform) -> None:
    assert send_probes.fn(behind, "web", 0).sent == 0
    assert site.asked == []


def test_a_proxy_of_the_environment_is_not_asked(
    site: Site, behind: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    smoke_test.fn(behind, "web", WEB)
    assert site.asked
