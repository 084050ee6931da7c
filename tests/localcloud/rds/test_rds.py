"""RDS: real PostgreSQL behind the API, and statuses that are true."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from localcloud.reaper import databases_elsewhere

if TYPE_CHECKING:
    from tests.localcloud.conftest import Cloud

pytestmark = pytest.mark.docker

PASSWORD = 'it\'s "quoted"; $1'
QUICK = {"Delay": 1, "MaxAttempts": 60}


@pytest.fixture(scope="module")
def rds(cloud: Cloud) -> Iterator[Any]:
    client = cloud.client("rds")
    yield client
    for database in client.describe_db_instances()["DBInstances"]:
        with contextlib.suppress(ClientError):
            client.delete_db_instance(
                DBInstanceIdentifier=database["DBInstanceIdentifier"], SkipFinalSnapshot=True
            )


@pytest.fixture(scope="module")
def database(rds: Any) -> str:
    """An available database with one table."""
    name = create(rds)
    with connect(rds, name) as connection:
        connection.execute("create table orders (number int)")
        connection.execute("insert into orders values (1), (2)")
    return name


def create(rds: Any, **changed: Any) -> str:
    name = f"t-{uuid.uuid4().hex[:8]}"
    wanted = {
        "DBInstanceIdentifier": name,
        "DBInstanceClass": "db.t4g.micro",
        "Engine": "postgres",
        "EngineVersion": "15.4",
        "AllocatedStorage": 20,
        "MasterUsername": "app",
        "MasterUserPassword": PASSWORD,
        "DBName": "shop",
    }
    created = rds.create_db_instance(**{**wanted, **changed})["DBInstance"]
    assert created["DBInstanceStatus"] == "creating"
    assert "Endpoint" not in created
    available(rds, name)
    return name


def available(rds: Any, name: str) -> None:
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=name, WaiterConfig=QUICK)


def described(rds: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    return found


def connect(rds: Any, name: str, password: str = PASSWORD) -> psycopg.Connection[Any]:
    endpoint = described(rds, name)["Endpoint"]
    return psycopg.connect(
        host=endpoint["Address"], port=endpoint["Port"], user="app", password=password, dbname="shop"
    )


def rows(rds: Any, name: str, password: str = PASSWORD) -> list[int]:
    with connect(rds, name, password) as connection:
        return [row[0] for row in connection.execute("select number from orders order by 1")]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_available_means_that_postgresql_accepts_connections_as_in_aws(rds: Any, database: str) -> None:
    assert rows(rds, database) == [1, 2]


def test_the_engine_version_is_the_one_that_runs_unlike_aws(rds: Any, database: str) -> None:
    with connect(rds, database) as connection:
        row = connection.execute("show server_version").fetchone()
    assert row
    assert row[0].startswith(described(rds, database)["EngineVersion"])


def test_the_master_user_is_no_superuser_as_in_aws(rds: Any, database: str) -> None:
    with connect(rds, database) as connection:
        row = connection.execute(
            "select rolsuper, rolcreatedb from pg_roles where rolname = 'app'"
        ).fetchone()
        assert row == (False, True)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("copy orders to '/tmp/out'")


def test_a_wrong_password_is_refused(rds: Any, database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(rds, database, "guess")


def test_a_snapshot_holds_what_was_there_and_a_restore_brings_it_back_as_in_aws(
    rds: Any, database: str
) -> None:
    snapshot = f"{database}-snapshot"
    taken = rds.create_db_snapshot(DBInstanceIdentifier=database, DBSnapshotIdentifier=snapshot)["DBSnapshot"]
    assert (taken["Status"], taken["PercentProgress"]) == ("creating", 0)
    assert described(rds, database)["DBInstanceStatus"] == "backing-up"
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier=snapshot, WaiterConfig=QUICK)
    with connect(rds, database) as connection:
        connection.execute("insert into orders values (3)")
    rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier=f"{database}-restored", DBSnapshotIdentifier=snapshot
    )
    available(rds, f"{database}-restored")
    assert rows(rds, f"{database}-restored") == [1, 2]
    assert rows(rds, database) == [1, 2, 3]
    assert described(rds, database)["Endpoint"] != described(rds, f"{database}-restored")["Endpoint"]
    with connect(rds, database) as connection:
        connection.execute("delete from orders where number = 3")


def test_a_copied_snapshot_outlives_the_original(rds: Any, database: str) -> None:
    first, second = f"{database}-first", f"{database}-second"
    rds.create_db_snapshot(DBInstanceIdentifier=database, DBSnapshotIdentifier=first)
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier=first, WaiterConfig=QUICK)
    rds.copy_db_snapshot(SourceDBSnapshotIdentifier=first, TargetDBSnapshotIdentifier=second)
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier=second, WaiterConfig=QUICK)
    rds.delete_db_snapshot(DBSnapshotIdentifier=first)
    rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier=f"{database}-copy", DBSnapshotIdentifier=second
    )
    available(rds, f"{database}-copy")
    assert rows(rds, f"{database}-copy") == [1, 2]


def test_the_latest_point_in_time_is_what_the_source_holds_now(rds: Any, database: str) -> None:
    rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=database,
        TargetDBInstanceIdentifier=f"{database}-now",
        UseLatestRestorableTime=True,
    )
    available(rds, f"{database}-now")
    assert rows(rds, f"{database}-now") == [1, 2]


def test_an_earlier_point_in_time_is_not_emulated_unlike_aws(rds: Any, database: str) -> None:
    with pytest.raises(ClientError) as error:
        rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=database,
            TargetDBInstanceIdentifier="never",
            RestoreTime="2026-01-01T00:00:00Z",
        )
    assert code_of(error) == "NotImplemented"


def test_a_new_master_password_is_in_force_when_the_status_says_so_as_in_aws(rds: Any) -> None:
    name = create(rds)
    changed = rds.modify_db_instance(DBInstanceIdentifier=name, MasterUserPassword="another-one")
    assert changed["DBInstance"]["DBInstanceStatus"] == "resetting-master-credentials"
    available(rds, name)
    with pytest.raises(psycopg.OperationalError):
        connect(rds, name)
    connect(rds, name, "another-one").close()


def test_a_stopped_database_refuses_connections_keeps_its_data_and_starts_again_as_in_aws(rds: Any) -> None:
    name = create(rds)
    with connect(rds, name) as connection:
        connection.execute("create table orders as select 7 as number")
    assert rds.stop_db_instance(DBInstanceIdentifier=name)["DBInstance"]["DBInstanceStatus"] == "stopping"
    until(lambda: described(rds, name)["DBInstanceStatus"] == "stopped")
    with pytest.raises(psycopg.OperationalError):
        connect(rds, name)
    with pytest.raises(ClientError) as error:
        rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-no")
    assert code_of(error) == "InvalidDBInstanceState"
    rds.start_db_instance(DBInstanceIdentifier=name)
    available(rds, name)
    assert rows(rds, name) == [7]


def test_a_reboot_cuts_connections_as_in_aws(rds: Any, database: str) -> None:
    connection = connect(rds, database)
    rds.reboot_db_instance(DBInstanceIdentifier=database)
    available(rds, database)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")


def test_a_deleted_database_is_deleting_until_it_is_gone_as_in_aws(rds: Any) -> None:
    name = create(rds)
    deleted = rds.delete_db_instance(DBInstanceIdentifier=name, FinalDBSnapshotIdentifier=f"{name}-final")
    assert deleted["DBInstance"]["DBInstanceStatus"] == "deleting"
    rds.get_waiter("db_instance_deleted").wait(DBInstanceIdentifier=name, WaiterConfig=QUICK)
    final = rds.describe_db_snapshots(DBSnapshotIdentifier=f"{name}-final")["DBSnapshots"][0]
    assert final["Status"] == "available"


def test_deleting_without_saying_what_happens_to_the_data_is_refused_as_in_aws(
    rds: Any, database: str
) -> None:
    with pytest.raises(ClientError) as error:
        rds.delete_db_instance(DBInstanceIdentifier=database)
    assert code_of(error) == "InvalidParameterCombination"


def test_another_engine_is_refused_unlike_aws(rds: Any) -> None:
    with pytest.raises(ClientError) as error:
        rds.create_db_instance(
            DBInstanceIdentifier="m", DBInstanceClass="db.t4g.micro", Engine="mysql", AllocatedStorage=20
        )
    assert code_of(error) == "InvalidParameterValue"


def test_a_crashed_database_is_failed_and_is_back_with_its_data_when_mended(
    cloud: Cloud, rds: Any, database: str
) -> None:
    said = cloud.cli("break", "database", database).stdout
    status = described(rds, database)["DBInstanceStatus"]
    with pytest.raises(psycopg.OperationalError):
        connect(rds, database)
    cloud.cli("break", "none")
    available(rds, database)
    assert database in said
    assert status == "failed"
    assert rows(rds, database) == [1, 2]


def until(check: Any) -> None:
    deadline = time.monotonic() + 60
    while not check() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert check()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_a_state_directory_that_postgresql_s_user_cannot_enter_is_no_obstacle(new_cloud: Any) -> None:
    hidden: Cloud = new_cloud()
    hidden.state.parent.chmod(0o700)
    hidden.cli("up", "--no-platform")
    try:
        name = create(hidden.client("rds"))
        connect(hidden.client("rds"), name).close()
        assert databases_elsewhere(hidden.name).exists()
    finally:
        hidden.cli("down")
    assert not databases_elsewhere(hidden.name).exists()
