"""The plan that is seeded."""

from __future__ import annotations

from localcloud.seeding.plan import load


def test_both_services_are_planned_with_the_paths_of_the_contract() -> None:
    services = {service.name: service for service in load().services}
    assert services["backend"].paths == ("/api", "/api/*")
    assert services["backend"].port == 3000
    assert services["web"].paths == ("/*",)
    assert services["web"].port == 8080


def test_the_narrower_rule_is_evaluated_first() -> None:
    services = {service.name: service for service in load().services}
    assert services["backend"].priority < services["web"].priority


def test_names_are_those_of_terraform() -> None:
    plan = load()
    backend = plan.services[0]
    assert plan.stack("staging") == "verificadores-staging"
    assert plan.family("staging", backend) == "verificadores-staging-backend"
    assert plan.repository(backend) == "verificadores/backend"
    assert plan.path("production", "database") == "verificadores/production/database"
