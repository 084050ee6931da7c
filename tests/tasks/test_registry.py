import pytest
from moto_platform import client, push

from decisions.errors import NotFound
from decisions.release import Image
from tasks.registry import image_uri, resolve_image
from tasks.topology import Platform


def test_a_version_is_resolved_to_its_digest(platform: Platform) -> None:
    pushed = push("web", "1.2.3")
    assert resolve_image.fn(platform, "web", "1.2.3") == pushed


def test_a_digest_is_resolved_to_its_version(platform: Platform) -> None:
    pushed = push("web", "1.2.3")
    assert resolve_image.fn(platform, "web", pushed.digest) == pushed


def test_an_unknown_version_is_told_with_the_newest_ones(platform: Platform) -> None:
    for number in range(7):
        push("web", f"1.{number}")
    with pytest.raises(
        NotFound, match=r"has no image '2\.0'; the newest are (1\.\d, ){4}1\.\d$|no image"
    ) as caught:
        resolve_image.fn(platform, "web", "2.0")
    assert caught.value.seen.count(", ") == 4


def test_an_unknown_digest_is_told(platform: Platform) -> None:
    with pytest.raises(NotFound, match="the newest are none"):
        resolve_image.fn(platform, "web", f"sha256:{'0' * 64}")


def test_a_missing_repository_is_told(platform: Platform) -> None:
    client("ecr").delete_repository(repositoryName="verificadores/web", force=True)
    with pytest.raises(NotFound, match="RepositoryNotFoundException"):
        resolve_image.fn(platform, "web", "1")
    with pytest.raises(NotFound):
        image_uri(platform, Image("web", "verificadores/web", "sha256:1", "1"))


def test_an_image_is_pulled_by_digest(platform: Platform) -> None:
    pushed = push("web", "1")
    uri = image_uri(platform, pushed)
    assert uri.endswith(f".amazonaws.com/verificadores/web@{pushed.digest}")
