"""ElastiCache: real Redis behind the API."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import redis
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.localcloud.conftest import Cloud

pytestmark = pytest.mark.docker

QUICK = {"Delay": 1, "MaxAttempts": 30}


def connect(endpoint: dict[str, Any], **options: Any) -> redis.Redis:
    return redis.Redis(host=endpoint["Address"], port=endpoint["Port"], decode_responses=True, **options)


def new_cluster(cloud: Cloud) -> tuple[str, dict[str, Any]]:
    name, client = f"t-{uuid.uuid4().hex[:8]}", cloud.client("elasticache")
    client.create_cache_cluster(
        CacheClusterId=name, CacheNodeType="cache.t4g.micro", Engine="redis", NumCacheNodes=1
    )
    client.get_waiter("cache_cluster_available").wait(CacheClusterId=name, WaiterConfig=QUICK)
    shown = client.describe_cache_clusters(CacheClusterId=name, ShowCacheNodeInfo=True)["CacheClusters"][0]
    endpoint: dict[str, Any] = shown["CacheNodes"][0]["Endpoint"]
    return name, endpoint


def new_group(cloud: Cloud, **options: Any) -> dict[str, Any]:
    name, client = f"t-{uuid.uuid4().hex[:8]}", cloud.client("elasticache")
    client.create_replication_group(
        ReplicationGroupId=name,
        ReplicationGroupDescription="sessions",
        CacheNodeType="cache.t4g.micro",
        Engine="redis",
        **options,
    )
    client.get_waiter("replication_group_available").wait(ReplicationGroupId=name, WaiterConfig=QUICK)
    group: dict[str, Any] = client.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][
        0
    ]
    return group


def test_an_available_cluster_answers_at_its_node_s_endpoint_as_in_aws(cloud: Cloud) -> None:
    _, endpoint = new_cluster(cloud)
    server = connect(endpoint)
    server.set("session", "1", ex=60)
    assert server.get("session") == "1"


def test_nodes_are_shown_only_when_asked_for_as_in_aws(cloud: Cloud) -> None:
    name, _ = new_cluster(cloud)
    shown = cloud.client("elasticache").describe_cache_clusters(CacheClusterId=name)["CacheClusters"][0]
    assert "CacheNodes" not in shown


def test_a_deleted_cluster_is_gone_and_refuses_connections_as_in_aws(cloud: Cloud) -> None:
    name, endpoint = new_cluster(cloud)
    client = cloud.client("elasticache")
    client.delete_cache_cluster(CacheClusterId=name)
    client.get_waiter("cache_cluster_deleted").wait(CacheClusterId=name, WaiterConfig=QUICK)
    with pytest.raises(redis.ConnectionError):
        connect(endpoint).ping()


def test_a_replication_group_replicates_as_in_aws(cloud: Cloud) -> None:
    group = new_group(cloud, NumCacheClusters=2)
    nodes = group["NodeGroups"][0]
    primary, reader = connect(nodes["PrimaryEndpoint"]), connect(nodes["ReaderEndpoint"])
    assert len(group["MemberClusters"]) == 2
    assert nodes["PrimaryEndpoint"] != nodes["ReaderEndpoint"]
    primary.set("session", "1")
    deadline = time.monotonic() + 30
    while reader.get("session") != "1" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert reader.get("session") == "1"
    with pytest.raises(redis.ReadOnlyError):
        reader.set("session", "2")


def test_an_auth_token_is_asked_for_as_in_aws(cloud: Cloud) -> None:
    group = new_group(
        cloud, NumCacheClusters=1, AuthToken="sixteen-characters", TransitEncryptionEnabled=True
    )
    endpoint = group["NodeGroups"][0]["PrimaryEndpoint"]
    with pytest.raises(redis.AuthenticationError):
        connect(endpoint).ping()
    assert connect(endpoint, password="sixteen-characters").ping()


def test_cluster_mode_is_refused_unlike_aws(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="Cluster mode is not emulated here"):
        new_group(cloud, NumNodeGroups=2)


def test_memcached_is_refused_unlike_aws(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="memcached is not emulated here"):
        cloud.client("elasticache").create_cache_cluster(
            CacheClusterId="m", CacheNodeType="cache.t4g.micro", Engine="memcached", NumCacheNodes=1
        )


def test_a_killed_redis_refuses_connections_and_comes_back_empty(cloud: Cloud) -> None:
    name, endpoint = new_cluster(cloud)
    connect(endpoint).set("session", "1")
    cloud.cli("break", "redis", name)
    with pytest.raises(redis.ConnectionError):
        connect(endpoint).ping()
    cloud.cli("break", "none")
    assert connect(endpoint).get("session") is None
