"""The load client: it counts everything, keeps its rate, sends nothing twice, and contacts loopback only."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.load import LoadClient, Plan, run
from demo.load_records import Record, read, summarise

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Version: a/1\r\n\r\nok"


class Listener:
    """Answers each request with what `answer` says; None closes the connection."""

    def __init__(self, answer: Callable[[int], bytes | None]) -> None:
        self.answer = answer
        self.requests = self.connections = 0
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.77.0.1", 0), backlog=256)
        self.url = f"http://127.77.0.1:{self._socket.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            rest = b""
            while data := connection.recv(4096):
                rest += data
                while b"\r\n\r\n" in rest:
                    rest = rest.partition(b"\r\n\r\n")[2]
                    with self._lock:
                        self.requests += 1
                        answer = self.answer(self.requests)
                    if answer is None:
                        return
                    connection.sendall(answer)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listen() -> Iterator[Callable[[Callable[[int], bytes | None]], Listener]]:
    made: list[Listener] = []

    def make(answer: Callable[[int], bytes | None]) -> Listener:
        made.append(Listener(answer))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_every_request_is_sent_once_counted_and_on_time(
    listen: Callable[..., Listener], tmp_path: Path
) -> None:
    server = listen(lambda _: ANSWER)
    summary = run(Plan((server.url, server.url), 200, 1), tmp_path / "load.jsonl")
    assert (summary.requests, summary.failed, server.requests) == (200, 0, 200)
    assert server.connections < 60
    assert 150 < summary.rate < 250
    assert summary.by_version == {"a/1": 200}
    assert {record.url for record in read(tmp_path / "load.jsonl")} == {0, 1}


def test_new_means_a_connection_for_each_request(listen: Callable[..., Listener], tmp_path: Path) -> None:
    server = listen(lambda _: ANSWER)
    summary = run(Plan((server.url,), 100, 0.5, "new"), tmp_path / "load.jsonl")
    assert (summary.requests, server.connections) == (50, 50)


def test_a_request_without_an_answer_is_a_failure_and_not_repeated(
    listen: Callable[..., Listener], tmp_path: Path
) -> None:
    server = listen(lambda number: None if number % 10 == 0 else ANSWER)
    summary = run(Plan((server.url,), 100, 1), tmp_path / "load.jsonl")
    assert server.requests == summary.requests == 100
    assert summary.failed == 10
    assert summary.by_status == {"200": 90, "closed": 10}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", "timeout"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "503"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "200"),
        (b"", "timeout"),
    ],
)
def test_answers_are_read_to_their_end(
    listen: Callable[..., Listener], tmp_path: Path, answer: bytes, kind: str
) -> None:
    server = listen(lambda _: answer)
    summary = run(Plan((server.url,), 10, 0.5, timeout_s=0.5), tmp_path / "load.jsonl")
    assert summary.by_status == {kind: 5}
    assert summary.failed == (0 if kind == "200" else 5)


def test_nobody_listening_is_refused_and_counted(tmp_path: Path) -> None:
    summary = run(Plan(("http://127.77.0.2:9/",), 50, 0.2), tmp_path / "load.jsonl")
    assert summary.by_status == {"refused": 10}


def test_in_a_process_of_its_own_it_can_be_watched_and_stopped(
    listen: Callable[..., Listener], tmp_path: Path
) -> None:
    server = listen(lambda _: ANSWER)
    with LoadClient(Plan((server.url,), 100, 60), tmp_path / "load.jsonl") as load:
        until = time.monotonic() + 20
        while load.summary().requests < 100:
            assert time.monotonic() < until
            time.sleep(0.1)
    stopped = load.summary()
    time.sleep(0.3)
    assert load.summary() == stopped
    assert server.requests == stopped.requests


@pytest.mark.parametrize(
    "url", ["http://example.com/", "http://10.0.0.1/", "https://127.0.0.1/", "http://localhost/"]
)
def test_only_loopback_addresses_are_contacted(url: str) -> None:
    with pytest.raises(ValueError, match=r"nothing was sent"):
        Plan((url,), 1, 1)


def test_the_summary_leaves_nothing_out() -> None:
    records = [
        Record(10.0, 10.010, 200, "", "a/1", 0, "new"),
        Record(10.5, 10.530, 500, "", "a/2", 0, "new"),
        Record(11.0, 12.000, 0, "timeout", "", 0, "new"),
    ]
    summary = summarise(records)
    assert (summary.requests, summary.failed) == (3, 2)
    assert summary.by_status == {"200": 1, "500": 1, "timeout": 1}
    assert [(s.at, s.requests, s.failed) for s in summary.per_second] == [(10, 2, 1), (11, 1, 1)]
    assert (round(summary.p50_ms), round(summary.p99_ms)) == (10, 30)
