"""The door to moto: a lock per service, refused keys, faults, AWS-shaped errors for what moto lacks."""

from __future__ import annotations

import json
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any

from localcloud import ACCESS_KEY, aws_errors, faults
from localcloud.aws_errors import Answer, AwsError
from localcloud.errors import LocalCloudError
from localcloud.parts import Fault, Part
from localcloud.seams import MOTO_VERSION, DomainDispatcherApplication, create_backend_app
from localcloud.state import LOCK, Instance

log = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

ADMIN = "/_localcloud/"
LONGEST_ERROR = 300
# Read in-process by the emulated services (network checks, secrets of tasks), so they share their lock.
SHARED = frozenset({"ec2", "secretsmanager", "ssm"})


class Gate:
    """A WSGI application: moto behind the local cloud's rules."""

    def __init__(self, instance: Instance, parts: Sequence[Part]) -> None:
        self.instance = instance
        self.parts = parts
        self.api_faults = faults.ApiFaults()
        self.moto = DomainDispatcherApplication(create_backend_app)
        self._emulated = SHARED.union(*(part.services for part in parts))
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if str(environ.get("PATH_INFO", "")).startswith(ADMIN):
            return _send(self._admin(environ), start_response)
        service = aws_errors.service_of(environ)
        protocol = aws_errors.protocol_of(environ)
        error = self.api_faults.error_for(service, protocol) or faults.refusal(environ, ACCESS_KEY)
        if error:
            _drain(environ)
            return _send(aws_errors.render(error, protocol), start_response)
        return self._serve(environ, start_response)

    def _lock(self, service: str) -> AbstractContextManager[Any]:
        """Moto checks, then acts (DynamoDB conditions, S3 If-None-Match): only a lock makes that atomic."""
        return LOCK if service in self._emulated else self._locks[service]

    def _serve(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        service = aws_errors.service_of(environ)
        heads: list[tuple[str, list[tuple[str, str]]]] = []

        def remember(
            status: str, headers: list[tuple[str, str]], _exc_info: Any = None
        ) -> Callable[[bytes], Any]:
            heads.append((status, headers))
            return lambda _: None

        try:
            with self._lock(service):
                body = b"".join(self.moto(environ, remember))
        except NotImplementedError as error:
            return self._fail(environ, start_response, _not_emulated(service, str(error)))
        except Exception as error:
            log.exception("%s failed inside moto", service)
            text = f"{type(error).__name__}: {str(error)[:LONGEST_ERROR]} (the rest is in the server's log)"
            seen = AwsError("InternalFailure", text, 500)
            return self._fail(environ, start_response, seen)
        status, headers = heads[-1]
        if (
            status.startswith(("404", "500"))
            and ("Content-Type", "text/html; charset=utf-8") in headers
            and service
        ):
            what = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
            if service != "s3":
                return self._fail(environ, start_response, _not_emulated(service, what))
        start_response(status, headers)
        return [body]

    def _fail(self, environ: Environ, start_response: StartResponse, error: AwsError) -> Iterable[bytes]:
        return _send(aws_errors.render(error, aws_errors.protocol_of(environ)), start_response)

    def _admin(self, environ: Environ) -> Answer:
        what = str(environ["PATH_INFO"]).removeprefix(ADMIN)
        if what == "health":
            return _json(200, {"name": self.instance.name, "parts": [part.name for part in self.parts]})
        if what == "break" and environ["REQUEST_METHOD"] == "POST":
            size = int(environ.get("CONTENT_LENGTH") or 0)
            asked = json.loads(environ["wsgi.input"].read(size))
            try:
                return _json(200, {"said": self.break_(asked["what"], asked["target"])})
            except LocalCloudError as error:
                return _json(400, {"error": str(error)})
        return _json(404, {"error": f"no such thing: {what}"})

    def faults(self) -> dict[str, Fault]:
        """Everything `break` knows, by word."""
        known: dict[str, Fault] = {
            "task": faults.kill_a_task,
            **{kind: self._api_fault(kind) for kind in ("throttle", "error", "credentials", "expired")},
        }
        for part in self.parts:
            known |= part.faults
        return known

    def _api_fault(self, kind: str) -> Fault:
        return lambda target: self.api_faults.add(kind, target)

    def break_(self, what: str, target: str) -> str:
        """Break something, or mend everything (`none`). Says what is so now.

        Raises:
            LocalCloudError: no such fault, or no such target.
        """
        known = self.faults()
        if what == "none":
            self.api_faults.clear()
            for part in self.parts:
                part.mend()
            return "none: everything that was broken and lasts is mended"
        if what not in known:
            words = ", ".join(sorted([*known, "none"]))
            raise LocalCloudError(f"break {what}", f"is not one of {words}", "nothing was broken")
        return known[what](target)


def _not_emulated(service: str, what: str) -> AwsError:
    """501 is not among the statuses that boto3 retries: asking again would not help."""
    text = f"{service}: {what} (not emulated here, neither by moto {MOTO_VERSION} nor by localcloud)"
    return AwsError("NotImplemented", text, 501)


def _drain(environ: Environ) -> None:
    """The body is read, so that the connection can be used again."""
    if length := int(environ.get("CONTENT_LENGTH") or 0):
        environ["wsgi.input"].read(length)


def _json(status: int, content: object) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(content).encode())


def _send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    headers = [*answer.headers.items(), ("Content-Length", str(len(answer.body)))]
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
    return [answer.body]
