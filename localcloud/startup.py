"""From nothing to a serving instance, or back to nothing."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localcloud import AWS_PORT, locking, reaper
from localcloud.errors import LocalCloudError
from localcloud.locking import Held
from localcloud.state import POOL, Instance

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

    from localcloud.parts import Part

log = logging.getLogger(__name__)

KEPT = {locking.LOCK_FILE, locking.UP_FILE, "server.log"}


@dataclass
class Running:
    """What has been started, so that it can be stopped."""

    instance: Instance
    listeners: list[BaseWSGIServer] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def stop(self) -> None:
        """Loops have ended; what still runs is the reaper's, which acts when this process ends."""
        self.instance.stopping.set()
        for listener in self.listeners:
            listener.shutdown()
        for part in reversed(self.parts):
            try:
                part.stop()
            except Exception:
                log.exception("%s did not stop", part.name)
        POOL.shutdown(wait=False, cancel_futures=True)


def start(instance: Instance) -> Running:
    """Everything runs.

    Raises:
        LocalCloudError: a port, name or program is not available; the reaper removes what was started.
    """
    held = locking.take(instance.state_dir, instance.name, instance.block)
    if held is None:
        raise LocalCloudError(
            f"local cloud {instance.name}", f"{instance.state_dir} is in use", do="python -m localcloud down"
        )
    _start_reaper(instance, held)
    with ThreadPoolExecutor(1) as beside:
        return _start_parts(instance, beside.submit(_prepare_engine, instance))


def _prepare_engine(instance: Instance) -> None:
    """Leftovers of a predecessor are gone and the network exists. Runs while moto is being imported."""
    from localcloud.engine import create_network, engine  # noqa: PLC0415  # imported beside moto

    engine()
    reaper.sweep(instance.state_dir, instance.name)
    instance.gateway = create_network(instance.network, instance.name)


def _start_parts(instance: Instance, engine_ready: Future[None]) -> Running:
    from localcloud import gate, listening, parts, seams  # noqa: PLC0415  # moto takes a second to import

    seams.expect_version()
    on_loopback = listening.bind(instance.api_address, AWS_PORT)
    instance.make_current()
    loaded = parts.load()
    for part in loaded:
        part.install()
    engine_ready.result()
    _clear(instance)
    running = Running(instance)
    for part in loaded:
        running.parts.append(part)
        part.start(instance)
    application = gate.Gate(instance, loaded)
    for socket_ in (on_loopback, listening.bind(instance.gateway, AWS_PORT)):
        running.listeners.append(listening.serve_wsgi(socket_, application))
    POOL.submit(seams.warm, application.moto)
    return running


def _clear(instance: Instance) -> None:
    """Moto's memory starts empty, so the state directory does too; what was there is removed beside."""
    old = instance.directory(f"old-{time.time_ns()}")
    for path in instance.state_dir.iterdir():
        if path.name not in KEPT and path != old:
            path.rename(old / path.name)
    POOL.submit(shutil.rmtree, old, ignore_errors=True)


def _start_reaper(instance: Instance, held: Held) -> None:
    """From here on the end of this process, however it comes, is the end of everything it starts."""
    instance.reaper = subprocess.Popen(
        [sys.executable, "-m", "localcloud.reaper", str(instance.state_dir), instance.name],
        stdin=subprocess.PIPE,  # never written to; its closing is the message
        stdout=subprocess.DEVNULL,
        pass_fds=held.descriptors,
        start_new_session=True,
    )
