"""The data of one environment: PostgreSQL, Redis, their secrets, and the bucket."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from localcloud import REGION
from localcloud.seeding.clients import Clients, once, unless_missing, wait_until
from localcloud.seeding.plan import Plan


def seed_secrets(clients: Clients, plan: Plan, environment: str) -> dict[str, str]:
    """The secrets exist, with a database password that nobody chose; their ARNs by name.

    Addresses are added to them when the databases have some (seed_database, seed_redis).
    """
    first = {
        "database": {"username": plan.project, "password": secrets.token_urlsafe(24), "dbname": plan.project},
        "redis": {},
        "app": {"session_key": secrets.token_urlsafe(32)},
    }
    return {name: _secret(clients, plan.path(environment, name), content) for name, content in first.items()}


def _secret(clients: Clients, name: str, content: dict[str, Any]) -> str:
    arn: str = once(
        lambda: clients.secretsmanager.create_secret(Name=name, SecretString=json.dumps(content)),
        lambda: unless_missing(lambda: clients.secretsmanager.describe_secret(SecretId=name)),
    )["ARN"]
    return arn


def _complete(clients: Clients, name: str, **added: object) -> None:
    """The secret also holds `added`; no new version when it did already."""
    content = json.loads(clients.secretsmanager.get_secret_value(SecretId=name)["SecretString"])
    if content != {**content, **added}:
        text = json.dumps({**content, **added})
        clients.secretsmanager.put_secret_value(SecretId=name, SecretString=text)


def seed_database(clients: Clients, plan: Plan, environment: str) -> None:
    """PostgreSQL accepts connections, and the secret says how to make one."""
    identifier, secret = plan.stack(environment), plan.path(environment, "database")
    content = json.loads(clients.secretsmanager.get_secret_value(SecretId=secret)["SecretString"])
    wanted = plan.database

    def find() -> dict[str, Any] | None:
        answer = unless_missing(lambda: clients.rds.describe_db_instances(DBInstanceIdentifier=identifier))
        found: dict[str, Any] | None = answer["DBInstances"][0] if answer else None
        return found

    once(
        lambda: clients.rds.create_db_instance(
            DBInstanceIdentifier=identifier,
            Engine="postgres",
            EngineVersion=wanted.engine_version,
            DBInstanceClass=wanted.instance_class,
            AllocatedStorage=wanted.storage_gib,
            DBName=content["dbname"],
            MasterUsername=content["username"],
            MasterUserPassword=content["password"],
            BackupRetentionPeriod=1,
        ),
        find,
    )
    database = wait_until(f"database {identifier}", _when_available(find, "DBInstanceStatus"))
    host, port = database["Endpoint"]["Address"], database["Endpoint"]["Port"]
    url = f"postgresql://{content['username']}:{content['password']}@{host}:{port}/{content['dbname']}"
    _complete(clients, secret, host=host, port=port, url=url)


def seed_redis(clients: Clients, plan: Plan, environment: str) -> None:
    """Redis answers, and the secret says where."""
    identifier = plan.stack(environment)

    def find() -> dict[str, Any] | None:
        answer = unless_missing(
            lambda: clients.elasticache.describe_replication_groups(ReplicationGroupId=identifier)
        )
        found: dict[str, Any] | None = answer["ReplicationGroups"][0] if answer else None
        return found

    once(
        lambda: clients.elasticache.create_replication_group(
            ReplicationGroupId=identifier,
            ReplicationGroupDescription=f"sessions of {environment}",
            Engine="redis",
            CacheNodeType=plan.redis.node_type,
            NumCacheClusters=1,
        ),
        find,
    )
    group = wait_until(f"redis {identifier}", _when_available(find, "Status"))
    endpoint = group["NodeGroups"][0]["PrimaryEndpoint"]
    url = f"redis://{endpoint['Address']}:{endpoint['Port']}/0"
    _complete(clients, plan.path(environment, "redis"), url=url)


def _when_available(
    find: Callable[[], dict[str, Any] | None], status: str
) -> Callable[[], dict[str, Any] | None]:
    def check() -> dict[str, Any] | None:
        found = find()
        return found if found and found[status] == "available" else None

    return check


def seed_bucket(clients: Clients, plan: Plan, environment: str) -> None:
    """The bucket for assets exists, versioned."""
    name = f"{plan.stack(environment)}-assets"
    if name in {bucket["Name"] for bucket in clients.s3.list_buckets()["Buckets"]}:
        return
    clients.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    clients.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def seed_ledger(clients: Clients, plan: Plan) -> None:
    """The table for locks and records exists."""
    if plan.ledger in clients.dynamodb.list_tables()["TableNames"]:
        return
    clients.dynamodb.create_table(
        TableName=plan.ledger,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
