"""Real PostgreSQL, as RDS lays it out: `rdsadmin` owns the server, the master user only its databases."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from localcloud import processes
from localcloud.errors import LocalCloudError
from localcloud.processes import Program
from localcloud.reaper import databases_elsewhere
from localcloud.state import Instance

ADMIN = "rdsadmin"
DEBIAN = Path("/usr/lib/postgresql")
START_TIMEOUT_S = 60
# Crash safety is not the point of data that dies with its instance; speed is.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
}
# pg_hba.conf: rdsadmin only through loopback, everybody else by password from anywhere.
ACCESS = f"""\
host all,replication {ADMIN} 127.0.0.0/8 trust
host all {ADMIN} all reject
host all all all scram-sha-256
"""
_TEMPLATE = threading.Lock()


@dataclass(frozen=True)
class Programs:
    """Where PostgreSQL's programs are, and as whom they run (PostgreSQL refuses root)."""

    directory: Path
    user: str | None

    def run(self, name: str, *arguments: str | Path, script: str = "") -> str:
        """What the program printed.

        Raises:
            LocalCloudError: it ended with another status than 0.
        """
        done = subprocess.run(
            [self.directory / name, *arguments],
            input=script,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user else None,
        )
        if done.returncode != 0:
            seen = f"ended with status {done.returncode}: {done.stderr.strip()[-400:]}"
            raise LocalCloudError(name, seen, "its database is not usable")
        return done.stdout

    @property
    def version(self) -> str:
        """Such as 15.18."""
        found = re.search(r"\d+(\.\d+)+", self.run("postgres", "--version"))
        return found.group() if found else "unknown"


@cache
def programs() -> Programs:
    """The newest PostgreSQL of this machine.

    Raises:
        LocalCloudError: there is none, or root has no user to run it as.
    """
    found = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        raise LocalCloudError("PostgreSQL", "initdb was not found", do="apt install postgresql")
    directory = (found[-1] if found else Path(str(on_path)).resolve()).parent
    if os.geteuid() != 0:
        return Programs(directory, None)
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        raise LocalCloudError(
            "PostgreSQL", "does not run as root, and there is no user `postgres`", do="apt install postgresql"
        ) from None
    return Programs(directory, "postgres")


def home(instance: Instance) -> Path:
    """Where the instance's databases live: in its state directory, unless PostgreSQL's user cannot go there.

    The reaper removes the other place too.
    """
    inside = instance.directory("databases")
    reachable = all(path.stat().st_mode & 0o001 for path in (inside, *inside.parents))
    if os.geteuid() != 0 or reachable:
        return inside
    outside = databases_elsewhere(instance.name)
    outside.mkdir(parents=True, exist_ok=True)
    return outside


@dataclass
class Server:
    """One PostgreSQL server with its data directory; starts and stops as asked."""

    instance: Instance
    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.directory / "data"

    @property
    def _addresses(self) -> str:
        """The gateway for clients, loopback for rdsadmin."""
        return f"{self.instance.gateway},{self.instance.api_address}"

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def create(self) -> None:
        """It runs, empty, owned by rdsadmin."""
        self.restore(_template(self.instance))

    def restore(self, source: Path) -> None:
        """It runs with a copy of the data in `source`."""
        copy(source, self.data)
        self.start()

    def start(self) -> None:
        """It accepts connections.

        Raises:
            LocalCloudError: it did not within START_TIMEOUT_S.
        """
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.data / "pg_hba.conf").write_text(ACCESS)
        settings = {**SETTINGS, "listen_addresses": self._addresses, "port": str(self.port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        user = programs().user
        argv: list[str | Path] = [programs().directory / "postgres", "-D", self.data, *options]
        log = self.directory / "log"
        self.process = processes.start(self.instance, Program(argv, log, user=user, group=user))
        self._await_ready(log)

    def _await_ready(self, log: Path) -> None:
        """PostgreSQL writes `ready` into the last line of postmaster.pid (pg_ctl waits in the same way)."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.alive:
            try:
                lines = (self.data / "postmaster.pid").read_text().splitlines()
            except OSError:
                lines = []
            if lines[7:8] and lines[7].strip() == "ready":
                return
            time.sleep(0.01)
        text = log.read_text(errors="replace")[-400:]
        raise LocalCloudError(
            f"PostgreSQL on port {self.port}", f"did not become ready: {text}", "it was stopped"
        )

    def stop(self) -> None:
        """It has ended; connections were closed (fast shutdown)."""
        if self.process:
            processes.stop(self.process, signal.SIGINT, timeout_s=30)

    def crash(self) -> None:
        """It has ended without closing anything properly (immediate shutdown)."""
        if self.process:
            processes.stop(self.process, signal.SIGQUIT)

    def create_master(self, user: str, password: str, database: str | None) -> None:
        """The master user exists, without superuser rights as in RDS, and owns its database."""
        script = "create role :\"master\" login createdb createrole password :'password';\n"
        script += 'grant pg_monitor, pg_signal_backend, pg_read_all_data to :"master" with admin option;\n'
        if database and database != "postgres":
            script += 'create database :"name" owner :"master";\n'
        else:
            script += 'alter database postgres owner to :"master";\n'
        self._sql(script, master=user, password=password, name=database or "")

    def set_password(self, user: str, password: str) -> None:
        """The user's password is this one."""
        self._sql("alter role :\"master\" password :'password';\n", master=user, password=password)

    def copy_to(self, target: Path) -> None:
        """`target` holds a consistent copy of the running server's data (pg_basebackup)."""
        _own(target.parent)
        where = ["-h", self.instance.api_address, "-p", str(self.port), "-U", ADMIN]
        programs().run("pg_basebackup", *where, "-D", target, "-c", "fast", "-X", "stream", "--no-sync")

    def remove(self) -> None:
        """Its data is gone."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _sql(self, script: str, **variables: str) -> None:
        given = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        where = ["-h", self.instance.api_address, "-p", str(self.port), "-U", ADMIN, "-d", "postgres"]
        programs().run("psql", *where, "-qX", "-v", "ON_ERROR_STOP=1", *given, script=script)


def _template(instance: Instance) -> Path:
    """An empty cluster to copy; made once and kept, because initdb takes over a second."""
    tools = programs()
    template = instance.state_dir.parent / "cache" / f"postgresql-{tools.version}"
    with _TEMPLATE:
        if template.exists():
            return template
        work = home(instance) / "template"
        _own(work)
        tools.run(
            "initdb",
            "-D",
            work / "data",
            "-U",
            ADMIN,
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--auth=trust",
        )
        half_done = template.with_name(f"{template.name}.{os.getpid()}")
        template.parent.mkdir(parents=True, exist_ok=True)
        _copy(work / "data", half_done)
        try:
            half_done.rename(template)
        except OSError:  # another instance was faster
            shutil.rmtree(half_done)
        shutil.rmtree(work)
    return template


def _own(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if user := programs().user:
        shutil.chown(directory, user, user)


def copy(source: Path, target: Path) -> None:
    """`target` has the files of `source`, of the same owner; its directory is made if missing."""
    _own(target.parent)
    _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)
