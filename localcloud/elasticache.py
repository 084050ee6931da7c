"""ElastiCache: moto's API over real Redis servers, one process per node. Redis without cluster mode only."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from typing import Any

from moto.elasticache import models, responses
from moto.elasticache.models import CacheCluster, ElastiCacheBackend, ReplicationGroup

from localcloud import redis_server, seams
from localcloud.errors import LocalCloudError
from localcloud.parts import Fault
from localcloud.redis_server import Server
from localcloud.seams import PaginatedResult
from localcloud.state import LOCK, POOL, Instance

log = logging.getLogger(__name__)

ERROR = seams.errors_of("elasticache")
FIRST_PORT = 6379
SERVERS: dict[str, Server] = {}
"""By id of the cache cluster or of the member of a replication group."""


class CacheBackend(ElastiCacheBackend):
    """ElastiCache of one region."""

    def create_cache_cluster(self, **arguments: Any) -> CacheCluster:  # type: ignore[override]  # by keyword
        """The cluster is being created; it is `available` when Redis answers."""
        _only_redis(arguments["engine"])
        cluster = super().create_cache_cluster(**arguments)
        server = _server(cluster.cache_cluster_id, cluster.port, arguments["auth_token"])
        cluster.port, cluster.engine_version = server.port, redis_server.version()
        cluster.cache_cluster_status = "creating"

        def ready(status: str) -> None:
            cluster.cache_cluster_status = status
            node = {
                "CacheNodeId": "0001",
                "CacheNodeStatus": status,
                "Endpoint": {"Address": server.instance.gateway, "Port": server.port},
                "CustomerAvailabilityZone": f"{self.region_name}a",
            }
            seams.tell(cluster, cache_nodes=[node])

        _start([server], ready)
        return cluster

    def delete_cache_cluster(self, cache_cluster_id: str) -> CacheCluster:
        """Deleting; not found any more when Redis has ended."""
        cluster = super().delete_cache_cluster(cache_cluster_id)
        _end([cache_cluster_id], lambda: self.cache_clusters.pop(cache_cluster_id, None))
        return cluster

    def create_replication_group(  # type: ignore[override]  # moto passes all by keyword
        self, **arguments: Any
    ) -> ReplicationGroup:
        """A primary and its replicas are being created; `available` when all answer."""
        _only_redis(arguments["engine"])
        if arguments["cluster_mode"] == "enabled" or (arguments["num_node_groups"] or 1) > 1:
            raise ERROR("InvalidParameterCombination", "Cluster mode is not emulated here")
        if clusters := arguments["num_cache_clusters"]:  # moto reads only the other parameter
            arguments["replicas_per_node_group"] = clusters - 1
        group = super().create_replication_group(**arguments)
        group.status = "creating"
        servers = [_server(member, group.port, arguments["auth_token"]) for member in group.member_clusters]
        for replica in servers[1:]:
            replica.primary = servers[0].port
        _tell_endpoints(group, servers)

        def ready(status: str) -> None:
            group.status = status

        _start(servers, ready)
        return group

    def delete_replication_group(
        self,
        replication_group_id: str,
        retain_primary_cluster: bool | None,  # noqa: FBT001  # moto's signature
    ) -> ReplicationGroup:
        """Deleting; not found any more when all of its Redis servers have ended."""
        members = [*self.describe_replication_groups(replication_group_id)[0].member_clusters]
        group = super().delete_replication_group(replication_group_id, retain_primary_cluster)
        _end(members, lambda: self.replication_groups.pop(replication_group_id, None))
        return group


def _only_redis(engine: str | None) -> None:
    if engine not in {None, "", "redis", "valkey"}:
        raise ERROR("InvalidParameterValue", f"Engine {engine} is not emulated here, only redis is")


def _server(name: str, port: int, password: str | None) -> Server:
    instance = Instance.current()
    server = Server(instance, name, instance.take_port(port or FIRST_PORT), password or "")
    SERVERS[name] = server
    return server


def _tell_endpoints(group: ReplicationGroup, servers: list[Server]) -> None:
    """The addresses moto invented are replaced by those that answer."""
    endpoints = [{"address": server.instance.gateway, "port": server.port} for server in servers]
    node_group = group.node_groups[0]
    node_group["primary_endpoint"] = endpoints[0]
    node_group["reader_endpoint"] = endpoints[-1]
    for member, endpoint in zip(node_group["node_group_members"], endpoints, strict=True):
        member["read_endpoint"] = endpoint
    group.port = servers[0].port


def _start(servers: list[Server], ready: Callable[[str], None]) -> None:
    def run() -> None:
        try:
            for server in servers:
                server.start()
        except (LocalCloudError, OSError):
            log.exception("Redis")
            status = "create-failed"
        else:
            status = "available"
        with LOCK:
            ready(status)

    POOL.submit(run)


def _end(names: list[str], gone: Callable[[], object]) -> None:
    servers = [server for name in names if (server := SERVERS.pop(name, None))]

    def run() -> None:
        for server in servers:
            server.stop()
        with LOCK:
            gone()
            for server in servers:
                server.instance.give_back_port(server.port)

    POOL.submit(run)


def _describe_cache_clusters(self: responses.ElastiCacheResponse) -> PaginatedResult:
    """Nodes are told only when they were asked for, as AWS does."""
    clusters = self.elasticache_backend.describe_cache_clusters(
        cache_cluster_id=self._get_param("CacheClusterId")
    )
    if not self._get_bool_param("ShowCacheNodeInfo"):
        clusters = [copy.copy(cluster) for cluster in clusters]
        for cluster in clusters:
            seams.tell(cluster, cache_nodes=None)
    return PaginatedResult({"CacheClusters": clusters})


class ElastiCachePart:
    """ElastiCache over Redis."""

    name = "elasticache"
    services = frozenset({"elasticache"})

    @property
    def faults(self) -> Mapping[str, Fault]:
        """`redis [NAME]`: Redis is killed, its data is lost, and it stays down until mended."""
        return {"redis": self._kill}

    def install(self) -> None:
        """Moto's ElastiCache answers from our backend; Redis is there."""
        redis_server.program()
        seams.expect(ElastiCacheBackend.create_cache_cluster, ["cache_cluster_id", "engine", "auth_token"])
        created = ["cluster_mode", "num_node_groups", "auth_token", "engine"]
        seams.expect(ElastiCacheBackend.create_replication_group, created)
        seams.swap_backend(models.elasticache_backends, CacheBackend)
        seams.replace(responses.ElastiCacheResponse, "describe_cache_clusters", _describe_cache_clusters)

    def start(self, instance: Instance) -> None:
        """Servers start when clusters are created."""
        del instance

    def stop(self) -> None:
        """Nothing is kept, so the servers are killed."""
        for server in list(SERVERS.values()):
            server.crash()

    def mend(self) -> None:
        """Killed servers run again, empty."""
        for server in list(SERVERS.values()):
            if not server.alive:
                server.start()

    def _kill(self, target: str) -> str:
        for name, server in list(SERVERS.items()):
            if target in name and server.alive:
                server.crash()
                return f"redis: {name} was killed, its data is lost, and it stays down until `break none`"
        raise LocalCloudError("break redis", f"no running Redis matches {target!r}", "nothing was broken")


PART = ElastiCachePart()
