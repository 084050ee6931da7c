"""RDS's API over real PostgreSQL servers, with statuses and waiters that tell the truth.

Statuses: Amazon RDS user guide, "Viewing DB instance status".
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moto.rds.models import DBInstance, DBSnapshot, RDSBackend

from localcloud import postgres, seams
from localcloud.postgres import Server
from localcloud.rds_data import COPIES, DATA, Data, becomes, taken
from localcloud.state import LOCK, POOL, Instance

ERROR = seams.errors_of("rds")
FIRST_PORT = 5432


class RdsBackend(RDSBackend):
    """RDS of one region. Aurora clusters stay as moto has them: answers without a server."""

    def create_db_instance(self, db_kwargs: dict[str, Any]) -> DBInstance:
        """The DB instance is being created; it is `available` when PostgreSQL accepts connections."""
        database = self._add(db_kwargs)
        data = DATA[database]
        password = db_kwargs.get("master_user_password") or ""

        def create() -> None:
            data.server.create()
            data.server.create_master(database.master_username or "postgres", password, database.db_name)

        data.then(create, becomes(database, "available"))
        return database

    def _add(self, db_kwargs: dict[str, Any]) -> DBInstance:
        if db_kwargs.get("engine") != "postgres":
            text = f"Invalid DB engine: {db_kwargs.get('engine')}. Only postgres is emulated here"
            raise ERROR("InvalidParameterValue", text)
        database = super().create_db_instance(db_kwargs)
        instance = Instance.current()
        database.status = "creating"
        database.engine_version = postgres.programs().version
        database.port = instance.take_port(database.port or FIRST_PORT)
        directory = postgres.home(instance) / f"{database.db_instance_identifier}-{database.port}"
        DATA[database] = Data(Server(instance, directory, database.port))
        return database

    def create_auto_snapshot(  # type: ignore[override]  # nobody looks at what it returns
        self, db_instance_identifier: str, db_snapshot_identifier: str
    ) -> None:
        """No automated snapshots: moto would claim one at creation, before there is any data."""
        del db_instance_identifier, db_snapshot_identifier

    def describe_db_instances(
        self, db_instance_identifier: str | None = None, filters: Any = None
    ) -> list[DBInstance]:
        """The DB instances; one whose server ended unasked is `failed`."""
        found: list[DBInstance] = super().describe_db_instances(db_instance_identifier, filters)
        for database in found:
            data = DATA.get(database)
            if data and database.status == "available" and not data.server.alive:
                database.status = "failed"
        return found

    def create_db_snapshot(
        self, db_instance_identifier: str, db_snapshot_identifier: str, *args: Any, **kwargs: Any
    ) -> DBSnapshot:
        """The snapshot is being taken; it is `available` when its data is on disk."""
        database = self._available(db_instance_identifier, "create a snapshot of")
        snapshot = super().create_db_snapshot(db_instance_identifier, db_snapshot_identifier, *args, **kwargs)
        data = DATA[database]
        COPIES[snapshot] = path = _snapshots() / db_snapshot_identifier / "data"
        seams.tell(snapshot, status="creating", percent_progress=0)
        database.status = "backing-up"
        data.then(lambda: data.server.copy_to(path), taken(snapshot, database))
        return snapshot

    def copy_db_snapshot(
        self,
        source_db_snapshot_identifier: str,
        target_db_snapshot_identifier: str,
        *args: Any,
        **kwargs: Any,
    ) -> DBSnapshot:
        """The copy is being made; it is `available` when its data is on disk."""
        name = source_db_snapshot_identifier.rpartition("snapshot:")[2]
        source = self.get_db_snapshot(name)
        if source.status != "available":
            raise ERROR("InvalidDBSnapshotState", f"DB snapshot {name} is not in available state.")
        copied = super().copy_db_snapshot(name, target_db_snapshot_identifier, *args, **kwargs)
        COPIES[copied] = target = _snapshots() / target_db_snapshot_identifier / "data"
        seams.tell(copied, status="creating", percent_progress=0)
        POOL.submit(_copy, COPIES[source], target, copied)
        return copied

    def delete_db_snapshot(self, db_snapshot_identifier: str) -> DBSnapshot:
        """The snapshot and its data are gone."""
        snapshot = super().delete_db_snapshot(db_snapshot_identifier)
        if path := COPIES.get(snapshot):
            POOL.submit(shutil.rmtree, path.parent, ignore_errors=True)
        snapshot.status = "deleted"
        return snapshot

    def restore_db_instance_from_db_snapshot(
        self, from_snapshot_id: str, overrides: dict[str, Any]
    ) -> DBInstance:
        """A new DB instance with the snapshot's data, users and passwords is being created."""
        name = from_snapshot_id.rpartition("snapshot:")[2]
        snapshot = self.get_db_snapshot(name)
        if snapshot.status != "available":
            raise ERROR("InvalidDBSnapshotState", f"DB snapshot {name} is not in available state.")
        database = self._restored(super().restore_db_instance_from_db_snapshot, name, overrides)
        data, source = DATA[database], COPIES[snapshot]
        data.then(lambda: data.server.restore(source), becomes(database, "available"))
        return database

    def restore_db_instance_to_point_in_time(
        self, source_db_identifier: str, target_db_identifier: str, overrides: dict[str, Any]
    ) -> DBInstance:
        """A new DB instance with what the source holds now is being created; earlier moments are not kept.

        Raises:
            NotImplementedError: another time than the latest was asked for.
        """
        if not overrides.get("use_latest_restorable_time"):
            raise NotImplementedError("RestoreDBInstanceToPointInTime with RestoreTime")
        source = self._available(source_db_identifier, "restore")
        asked = (source_db_identifier, target_db_identifier, overrides)
        database = self._restored(super().restore_db_instance_to_point_in_time, *asked)
        data, origin = DATA[database], DATA[source].server

        def copy() -> None:
            data.server.directory.mkdir(parents=True)
            origin.copy_to(data.server.data)
            data.server.start()

        data.then(copy, becomes(database, "available"))
        return database

    def _restored(self, method: Callable[..., DBInstance], *arguments: Any) -> DBInstance:
        """What moto's restoring does, with an instance that is added and not created."""
        seams.replace(self, "create_db_instance", self._add)
        try:
            return method(*arguments)
        finally:
            vars(self).pop("create_db_instance")

    def modify_db_instance(self, db_instance_identifier: str, db_kwargs: dict[str, Any]) -> DBInstance:
        """Modified; a new master password is in force when the status is `available` again."""
        password = db_kwargs.get("master_user_password")
        if password:
            self._available(db_instance_identifier, "modify")
        database = super().modify_db_instance(db_instance_identifier, db_kwargs)
        if password:
            data = DATA[database]
            database.status = "resetting-master-credentials"
            change = lambda: data.server.set_password(database.master_username or "", password)  # noqa: E731
            data.then(change, becomes(database, "available"))
        return database

    def reboot_db_instance(self, db_instance_identifier: str) -> DBInstance:
        """Every connection is cut; `available` when PostgreSQL accepts new ones."""
        database = self._available(db_instance_identifier, "reboot")
        data = DATA[database]
        database.status = "rebooting"

        def reboot() -> None:
            data.server.stop()
            data.server.start()

        data.then(reboot, becomes(database, "available"))
        return database

    def stop_db_instance(
        self, db_instance_identifier: str, db_snapshot_identifier: str | None = None
    ) -> DBInstance:
        """Stopping; `stopped` when PostgreSQL has ended. Its data stays."""
        database = super().stop_db_instance(db_instance_identifier, db_snapshot_identifier)
        database.status = "stopping"
        data = DATA[database]
        data.then(data.server.stop, becomes(database, "stopped"))
        return database

    def start_db_instance(self, db_instance_identifier: str) -> DBInstance:
        """Starting; `available` when PostgreSQL accepts connections."""
        database = super().start_db_instance(db_instance_identifier)
        database.status = "starting"
        data = DATA[database]
        data.then(data.server.start, becomes(database, "available"))
        return database

    def delete_db_instance(
        self,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool | None = False,  # noqa: FBT001, FBT002  # moto's signature
        delete_automated_backups: bool | None = True,  # noqa: FBT001, FBT002
    ) -> DBInstance:
        """Deleting; not found any more when PostgreSQL has ended and its data is gone."""
        if not skip_final_snapshot and not final_db_snapshot_identifier:
            text = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
            raise ERROR("InvalidParameterCombination", text)
        database = super().delete_db_instance(
            db_instance_identifier,
            final_db_snapshot_identifier,
            skip_final_snapshot,
            delete_automated_backups,
        )
        data = DATA.get(database)
        if data is None:
            return database
        self.databases[db_instance_identifier] = database

        def delete() -> None:
            data.server.stop()
            data.server.remove()

        def gone(_: bool) -> None:  # noqa: FBT001  # nobody passes it by hand
            self.databases.pop(db_instance_identifier, None)
            data.server.instance.give_back_port(data.server.port)

        data.then(delete, gone)
        return database

    def _available(self, identifier: str, what: str) -> DBInstance:
        database: DBInstance = self.describe_db_instances(identifier)[0]
        if database.status != "available":
            text = f"Cannot {what} {identifier}: it is not in available state but {database.status}."
            raise ERROR("InvalidDBInstanceState", text)
        return database


def _copy(source: Path, target: Path, copied: DBSnapshot) -> None:
    postgres.copy(source, target)
    with LOCK:
        seams.tell(copied, status="available", percent_progress=100)


def _snapshots() -> Path:
    return postgres.home(Instance.current()) / "snapshots"
