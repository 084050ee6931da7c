"""RDS as a part of the local cloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.rds import models
from moto.rds.models import DBInstance, DBSnapshot

from localcloud import postgres, seams
from localcloud.errors import LocalCloudError
from localcloud.parts import Fault
from localcloud.rds_backend import RdsBackend
from localcloud.rds_data import DATA, becomes
from localcloud.state import LOCK, Instance


def _address(database: DBInstance) -> str:
    data = DATA.get(database)
    return data.server.instance.gateway if data else ""


def _endpoint(database: DBInstance) -> dict[str, Any] | None:
    if database.status == "creating" or database not in DATA:
        return None
    return {"Address": _address(database), "Port": database.port}


class RdsPart:
    """RDS over PostgreSQL."""

    name = "rds"
    services = frozenset({"rds"})

    @property
    def faults(self) -> Mapping[str, Fault]:
        """`database [NAME]`: PostgreSQL crashes, and stays down until mended."""
        return {"database": self._crash}

    def install(self) -> None:
        """Moto's RDS answers from our backend; PostgreSQL is there."""
        postgres.programs()
        seams.expect(DBSnapshot.__init__, ["database", "snapshot_id"])
        seams.swap_backend(models.rds_backends, RdsBackend)
        seams.replace(DBInstance, "address", property(_address))
        seams.replace(DBInstance, "endpoint", property(_endpoint))

    def start(self, instance: Instance) -> None:
        """Servers start when DB instances are created."""
        del instance

    def stop(self) -> None:
        """Servers are closed properly where there is time; the reaper ends the rest."""
        for data in list(DATA.values()):
            data.server.crash()

    def mend(self) -> None:
        """Crashed servers run again."""
        with LOCK:
            for database, data in list(DATA.items()):
                if database.status in {"available", "failed"} and not data.server.alive:
                    database.status = "starting"
                    data.then(data.server.start, becomes(database, "available"))

    def _crash(self, target: str) -> str:
        for database, data in list(DATA.items()):
            if target in database.db_instance_identifier and data.server.alive:
                data.server.crash()
                name = database.db_instance_identifier
                return f"database: PostgreSQL of {name} has crashed, and stays down until `break none`"
        raise LocalCloudError(
            "break database", f"no running database matches {target!r}", "nothing was broken"
        )


PART = RdsPart()
