"""The platform that Terraform creates in AWS, made through boto3. Repeating it changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from localcloud.seeding import compute, data, parameters, traffic
from localcloud.seeding.clients import Clients
from localcloud.seeding.plan import Plan, load
from localcloud.seeding.traffic import Network


def seed(clients: Clients) -> dict[str, dict[str, str]]:
    """All environments exist. Their addresses, by name: `url` and `test_url`.

    Raises:
        LocalCloudError: a database did not become available.
        botocore.exceptions.ClientError: the local cloud refused something.
    """
    plan = load()
    with ThreadPoolExecutor(8) as workers:
        shared = [
            workers.submit(compute.seed_repositories, clients, plan),
            workers.submit(data.seed_ledger, clients, plan),
        ]
        environments = {}
        for name in plan.environments:  # one after the other: every start gives them the same addresses
            network = traffic.seed_network(clients, plan, name)
            traffic.seed_load_balancer(clients, plan, name, network)
            environments[name] = workers.submit(_seed_environment, clients, plan, name, network)
        for job in shared:
            job.result()
        return {name: job.result() for name, job in environments.items()}


def _seed_environment(clients: Clients, plan: Plan, environment: str, network: Network) -> dict[str, str]:
    secrets = data.seed_secrets(clients, plan, environment)
    with ThreadPoolExecutor(4) as workers:
        beside = [
            workers.submit(data.seed_database, clients, plan, environment),
            workers.submit(data.seed_redis, clients, plan, environment),
            workers.submit(data.seed_bucket, clients, plan, environment),
        ]
        templates = workers.submit(compute.seed_templates, clients, plan, environment, secrets)
        balanced = traffic.seed_traffic(clients, plan, environment, network)
        templates.result()
        compute.seed_services(clients, plan, environment, (network, balanced))
        parameters.seed_parameters(clients, plan, environment, (network, balanced))
        for job in beside:
            job.result()
    return parameters.urls(plan, balanced)
