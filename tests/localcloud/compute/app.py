"""A small HTTP service for tests: says its version, drains on SIGTERM, misbehaves as asked.

Environment: EXIT=<code> ends at once; START_S waits before serving; SICK fails the health check; DEAF ignores
SIGTERM; ABRUPT ends at SIGTERM without draining; EAT_MIB takes memory.
Paths: /health, /env, ?sleep=<seconds>, ?status=<code>.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from urllib.parse import parse_qs, urlsplit

GIVEN = os.environ


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: the second of two would wait 40 ms for an ACK

    def do_GET(self) -> None:
        asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        healthy = self.path.startswith("/health")
        time.sleep(0 if healthy else float(asked.get("sleep", 0)))
        body = json.dumps(dict(GIVEN)).encode() if self.path == "/env" else b"ok"
        self.send_response(500 if healthy and "SICK" in GIVEN else int(asked.get("status", 200)))
        self.send_header("X-Version", f"app/{GIVEN.get('VERSION', '1')}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for requests in flight
    request_queue_size = 128


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def stop(_number: int, _frame: FrameType | None) -> None:
    say("stopping on SIGTERM")
    if "ABRUPT" in GIVEN:
        os._exit(0)
    threading.Thread(target=SERVER.shutdown).start()


if "EXIT" in GIVEN:
    say("exiting with", GIVEN["EXIT"])
    sys.exit(int(GIVEN["EXIT"]))
if "EAT_MIB" in GIVEN:
    EATEN = bytearray(int(GIVEN["EAT_MIB"]) << 20)
time.sleep(float(GIVEN.get("START_S", "0")))
SERVER = Server(("", int(GIVEN.get("PORT", "3000"))), Handler)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "DEAF" in GIVEN else stop)
say("serving", GIVEN.get("VERSION", "1"))
SERVER.serve_forever()
os._exit(0)  # idle keep-alive connections need not be waited for
