"""The server process: moto with its parts behind two listening addresses, and a reaper that outlives it."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from localcloud import reaper, startup
from localcloud.errors import LocalCloudError
from localcloud.state import Instance, write_json

log = logging.getLogger("localcloud")


def serve(instance: Instance, ready: int) -> NoReturn:
    """Run until SIGTERM or SIGINT, then end the process.

    Writes one line of JSON to descriptor `ready`: {"ok": true} or {"error": text}.
    """
    _log_to_stderr()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asked_to_stop = threading.Event()
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: asked_to_stop.set())
    try:
        running = startup.start(instance)
    except Exception as error:
        log.exception("start failed")
        _tell(ready, {"error": str(_in_words(instance, error))})
        os._exit(1)
    write_json(instance.state_dir / "server.json", _describe(instance))
    write_json(instance.state_dir / "endpoints.json", instance.endpoints)
    _tell(ready, {"ok": True})
    asked_to_stop.wait()
    running.stop()
    os._exit(0)  # workers may be waiting for the engine; the reaper shall not wait for them


def _in_words(instance: Instance, error: Exception) -> LocalCloudError:
    if isinstance(error, LocalCloudError):
        return error
    seen = f"{type(error).__name__}: {error}"
    return LocalCloudError(
        f"local cloud {instance.name}", seen, do=f"read {instance.state_dir / 'server.log'}"
    )


def _describe(instance: Instance) -> dict[str, object]:
    me = reaper.parse(Path("/proc/self/stat").read_text())
    started = me.started if me else ""
    return {"pid": os.getpid(), "started": started, "name": instance.name, "block": instance.block,
            "gateway": instance.gateway}  # fmt: skip


def _tell(ready: int, message: dict[str, object]) -> None:
    with suppress(BrokenPipeError):  # whoever asked for us has gone; we run all the same
        os.write(ready, json.dumps(message).encode() + b"\n")
    os.close(ready)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    for chatty in ("werkzeug", "botocore", "urllib3", "docker"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
