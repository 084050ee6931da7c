import pytest
from moto_platform import client, push, register_template

from decisions.errors import NotFound, Refused
from tasks.registry import image_uri
from tasks.task_definitions import describe_definition, register_task_definition
from tasks.topology import Platform


def revisions(platform: Platform) -> int:
    return len(
        client("ecs").list_task_definitions(familyPrefix=platform.service("web").family)["taskDefinitionArns"]
    )


def test_the_template_is_copied_with_image_and_version(platform: Platform) -> None:
    image = push("web", "1.2.3")
    arn = register_task_definition.fn(platform, "web", image)
    answer = client("ecs").describe_task_definition(taskDefinition=arn, include=["TAGS"])
    container = answer["taskDefinition"]["containerDefinitions"][0]
    assert container["image"] == image_uri(platform, image)
    assert container["image"].endswith(f"@{image.digest}")
    assert {"name": "APP_VERSION", "value": "1.2.3"} in container["environment"]
    assert {"name": "APP_ENVIRONMENT", "value": "production"} in container["environment"]
    assert len(container["environment"]) == 2
    assert answer["taskDefinition"]["executionRoleArn"] == "arn:aws:iam::123456789012:role/execution"
    tags = {tag["key"]: tag["value"] for tag in answer["tags"]}
    assert (tags["version"], tags["digest"]) == ("1.2.3", image.digest)


def test_the_same_content_is_registered_once(platform: Platform) -> None:
    image = push("web", "1")
    arns = {register_task_definition.fn(platform, "web", image) for _ in range(3)}
    assert (len(arns), revisions(platform)) == (1, 1)


def test_another_image_is_another_revision_and_so_is_another_template(platform: Platform) -> None:
    first = push("web", "1")
    register_task_definition.fn(platform, "web", first)
    register_task_definition.fn(platform, "web", push("web", "2"))
    register_task_definition.fn(platform, "web", first)
    assert revisions(platform) == 3
    register_template("production", "web", secret="arn:aws:secretsmanager:eu-central-1:1:secret:new")
    register_task_definition.fn(platform, "web", first)
    assert revisions(platform) == 4


def test_what_was_registered_is_described(platform: Platform) -> None:
    image = push("web", "1")
    definition = describe_definition(register_task_definition.fn(platform, "web", image), "web")
    assert (definition.digest, definition.version) == (image.digest, "1")
    assert (definition.log_group, definition.log_prefix) == ("/verificadores/production/web", "app")


def test_a_template_has_neither_digest_nor_version(platform: Platform) -> None:
    definition = describe_definition(platform.service("web").template_family, "web")
    assert (definition.digest, definition.version) == ("", "")


def test_a_definition_without_the_container_has_neither(platform: Platform) -> None:
    assert describe_definition(platform.service("web").template_family, "other").digest == ""


def test_a_template_without_the_container_is_refused(platform: Platform) -> None:
    register_template("production", "web", container="nginx")
    with pytest.raises(Refused, match="0 containers are called 'web', found nginx"):
        register_task_definition.fn(platform, "web", push("web", "1"))
    assert revisions(platform) == 0


def test_a_missing_family_is_told(platform: Platform) -> None:
    with pytest.raises(NotFound, match="verificadores-production-nothing"):
        describe_definition("verificadores-production-nothing", "web")
