"""From nothing to a serving instance, or back to nothing."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
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

KEPT = {locking.LOCK_FILE, "server.log"}


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
        LocalCloudError: a port, name or program is not available; nothing is left behind.
    """
    held = locking.take(instance.state_dir, instance.name, instance.block)
    if held is None:
        raise LocalCloudError(
            f"local cloud {instance.name}", f"{instance.state_dir} is in use", do="python -m localcloud down"
        )
    with ThreadPoolExecutor(1) as beside:
        engine_ready = beside.submit(_prepare_engine, instance)
        try:
            return _start_parts(instance, engine_ready, held)
        except BaseException:
            if engine_ready.exception() is None:
                reaper.sweep(instance.state_dir, instance.name)
            raise


def _prepare_engine(instance: Instance) -> None:
    """Leftovers of a killed predecessor are gone, and the network exists. Runs while moto is being imported."""
    from localcloud.engine import create_network, engine  # noqa: PLC0415  # imported beside moto

    engine()
    reaper.sweep(instance.state_dir, instance.name)
    instance.gateway = create_network(instance.network, instance.name)


def _start_parts(instance: Instance, engine_ready: Future[None], held: Held) -> Running:
    from localcloud import gate, listening, parts, seams  # noqa: PLC0415  # moto takes a second to import

    seams.expect_version()
    on_loopback = listening.bind(instance.api_address, AWS_PORT)
    instance.make_current()
    loaded = parts.load()
    for part in loaded:
        part.install()
    engine_ready.result()
    _clear(instance)
    _start_reaper(instance, held)
    running = Running(instance)
    for part in loaded:
        running.parts.append(part)
        part.start(instance)
    application = gate.Gate(instance, loaded)
    for socket_ in (on_loopback, listening.bind(instance.gateway, AWS_PORT)):
        running.listeners.append(listening.serve_wsgi(socket_, application))
    return running


def _clear(instance: Instance) -> None:
    """Moto's memory starts empty, so the state directory does too."""
    for path in instance.state_dir.iterdir():
        if path.name in KEPT:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _start_reaper(instance: Instance, held: Held) -> None:
    """From here on the end of this process, however it comes, is the end of everything it starts."""
    subprocess.Popen(
        [sys.executable, "-m", "localcloud.reaper", str(instance.state_dir), instance.name],
        stdin=subprocess.PIPE,  # never written to; its closing is the message
        stdout=subprocess.DEVNULL,
        pass_fds=held.descriptors,
        start_new_session=True,
    )
