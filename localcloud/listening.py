"""Listening sockets, bound early so that a taken port is found before anything has been started."""

from __future__ import annotations

import errno
import socket
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from localcloud.errors import LocalCloudError
from localcloud.seams import MotoRequestHandler

BACKLOG = 512
STOP_NOTICED_S = 0.1
LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp


class QuietHandler(MotoRequestHandler):
    """Moto's request handler with keep-alive, without a log line per request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written apart: 40 ms for each answer otherwise

    def log_request(self, *_: object) -> None:
        """Say nothing."""


def bind(address: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        LocalCloudError: another program listens there, or the address is not this machine's.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        taken = error.errno == errno.EADDRINUSE
        seen = (
            f"another program listens there{_who(address, port)}"
            if taken
            else f"cannot listen ({error.strerror})"
        )
        raise LocalCloudError(
            f"{address}:{port}", seen, do="stop it, or choose another --block (20 to 99 are free for that)"
        ) from error
    return listening


def serve_wsgi(listening: socket.socket, application: Any) -> BaseWSGIServer:
    """Requests on that socket are answered, each connection in a thread of its own."""
    address, port = listening.getsockname()
    server = make_server(
        address, port, application, threaded=True, request_handler=QuietHandler, fd=listening.fileno()
    )
    listening.close()
    loop = partial(server.serve_forever, poll_interval=STOP_NOTICED_S)
    threading.Thread(target=loop, name=f"api-{address}", daemon=True).start()
    return server


def _who(address: str, port: int) -> str:
    """The listener as ` (pid 12, redis-server)`; empty when this user may not see it."""
    as_kernel_writes = socket.inet_aton(address)[::-1].hex().upper()
    wanted = {f"{as_kernel_writes}:{port:04X}", f"00000000:{port:04X}"}
    sockets = {
        f"socket:[{fields[9]}]"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if (fields := line.split())[3] == LISTENING and fields[1] in wanted
    }
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # processes end, and some are not ours to look into
            if str(descriptor.readlink()) in sockets:
                process = descriptor.parent.parent
                return f" (pid {process.name}, {(process / 'comm').read_text().strip()})"
    return ""
