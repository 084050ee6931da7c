"""The whole stack: local cloud, Prefect server, deployments and workers, up and down as one thing."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import dataclass, field

from demo import processes
from demo.cloud import Cloud
from demo.errors import AddressTaken, StackFailed
from demo.layout import POOLS, PREFECT_PORT, Layout
from demo.prefect_server import READY_S, PrefectServer
from demo.waiting import Say, wait_for


@dataclass
class Stack:
    """Everything that `make up` starts.

    Args:
        layout: Where it lives.
        say: Called with one line for each thing that became true.
    """

    layout: Layout = field(default_factory=Layout)
    say: Say = print
    cloud: Cloud = field(init=False)
    prefect: PrefectServer = field(init=False)

    def __post_init__(self) -> None:
        """The parts share the layout."""
        self.cloud = Cloud(self.layout)
        self.prefect = PrefectServer(self.layout)

    def up(self) -> dict[str, str]:
        """Everything answers and takes work; `endpoints.json` says where. A stack that is up stays as it is.

        Returns:
            The content of endpoints.json.

        Raises:
            AddressTaken: Somebody else listens on Prefect's address; nothing was started.
            StackFailed: A part did not become ready; everything is stopped again.
        """
        if self.is_up():
            self.say("the stack is up already")
            return self.endpoints()
        self.down()
        self._expect_free_address()
        try:
            self._start()
        except BaseException:
            self.say("stopping what was started")
            self.down()
            raise
        return self.endpoints()

    def _start(self) -> None:
        shutil.rmtree(self.layout.run, ignore_errors=True)
        server = self.prefect.start()
        self.cloud.start()
        wait_for({"Prefect server": lambda: self.prefect.ready(server)}, READY_S, self.say)
        self.prefect.make_pools()
        workers = self.prefect.start_workers()
        self.prefect.deploy()
        self.say("deployments are registered")
        waiting = {
            f"worker {pool}": lambda pool=pool: self.prefect.worker_ready(pool, workers[pool])
            for pool in POOLS
        }
        wait_for({"local cloud": self.cloud.ready, **waiting}, READY_S, self.say)
        self._write_endpoints()

    def down(self) -> None:
        """Nothing of the stack runs: workers first, then the server they report to, then the cloud they use.

        Raises:
            StackFailed: A process or the local cloud could not be stopped.
        """
        self.layout.endpoints.unlink(missing_ok=True)
        children = processes.recorded(self.layout.run)
        for child in sorted(children, key=lambda child: child.name, reverse=True):
            processes.stop(child)
        self.cloud.stop()
        left = [child.name for child in children if child.family()]
        if left:
            raise StackFailed("stack", f"still running: {', '.join(left)}", "they still run", "see ps")

    def is_up(self) -> bool:
        """Whether every process of it runs."""
        children = processes.recorded(self.layout.run)
        return self.layout.endpoints.is_file() and bool(children) and all(child.alive() for child in children)

    def endpoints(self) -> dict[str, str]:
        """What is where.

        Raises:
            StackFailed: The stack is not up.
        """
        try:
            content: dict[str, str] = json.loads(self.layout.endpoints.read_text())
        except FileNotFoundError as error:
            raise StackFailed(str(self.layout.endpoints), "the stack is not up", do="make up") from error
        return content

    def _write_endpoints(self) -> None:
        content = {
            "aws": self.layout.aws_url,
            "prefect_ui": self.layout.prefect_url,
            "prefect_api": self.layout.api_url,
            **self.cloud.endpoints(),
        }
        self.layout.endpoints.write_text(json.dumps(content, indent=2) + "\n")

    def _expect_free_address(self) -> None:
        address = (self.layout.address, PREFECT_PORT)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise AddressTaken(
                    f"{address[0]}:{address[1]}", f"Prefect's address is taken ({error.strerror})",
                    "nothing was started", "stop that program (ss -ltnp), or choose another --block",
                ) from error  # fmt: skip
