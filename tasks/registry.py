"""The registry: which digest a version is, and where an image is pulled from."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from decisions.errors import NotFound
from decisions.release import Image
from tasks import aws
from tasks.effect import effect
from tasks.topology import Platform

if TYPE_CHECKING:
    from mypy_boto3_ecr.type_defs import ImageDetailTypeDef, ImageIdentifierTypeDef

_NEWEST = 5


@effect("resolve image", retries=2)
def resolve_image(platform: Platform, service: str, version: str) -> Image:
    """The image that people call by this version.

    Args:
        platform: Its registry.
        service: Which service's repository.
        version: A tag such as "1.4.2", or a digest "sha256:…".

    Returns:
        Image: by digest, so that nobody can change what it is afterwards.

    Raises:
        NotFound: The repository has no such image; lists the newest versions it has.
    Safe to repeat: only reads.
    """
    repository = platform.service(service).repository
    if found := find_image(repository, version):
        tags = found.get("imageTags", [])
        named = version if version in tags or not tags else min(tags)
        return Image(service, repository, found["imageDigest"], named)
    newest = ", ".join(_newest_versions(repository)) or "none"
    seen = f"repository {repository} has no image {version!r}; the newest are {newest}"
    raise NotFound(f"{platform.name}/{service}", seen, do="name one of these, or run ci for that version")


def find_image(repository: str, version: str) -> ImageDetailTypeDef | None:
    """What the registry knows of a tag or digest; None if it has no such image.

    Raises:
        NotFound: There is no such repository.
    """
    by: ImageIdentifierTypeDef = (
        {"imageDigest": version} if version.startswith("sha256:") else {"imageTag": version}
    )
    ecr = aws.client("ecr")
    with aws.translated(f"registry {repository}"):
        try:
            details = ecr.describe_images(repositoryName=repository, imageIds=[by])["imageDetails"]
        except ecr.exceptions.ImageNotFoundException:
            return None
    return details[0] if details else None


def _newest_versions(repository: str) -> list[str]:
    pages = aws.client("ecr").get_paginator("describe_images").paginate(repositoryName=repository)
    with aws.translated(f"registry {repository}"):
        details = [detail for page in pages for detail in page["imageDetails"] if detail.get("imageTags")]
    details.sort(key=lambda detail: detail["imagePushedAt"], reverse=True)
    return [tag for detail in details for tag in detail["imageTags"]][:_NEWEST]


def image_uri(platform: Platform, image: Image) -> str:
    """Where the image is pulled from, by digest. Asks the registry once per repository."""
    return f"{repository_uri(platform, image.repository)}@{image.digest}"


def repository_uri(platform: Platform, repository: str) -> str:
    """Registry host and repository.

    Raises:
        NotFound: There is no such repository.
    """
    return _repository_uri(platform.name, repository, aws.world())


@lru_cache(maxsize=64)
def _repository_uri(environment: str, repository: str, _world: tuple[str, ...]) -> str:
    with aws.translated(f"{environment}: registry {repository}"):
        answer = aws.client("ecr").describe_repositories(repositoryNames=[repository])
    return answer["repositories"][0]["repositoryUri"]


def forget_repositories() -> None:
    """Ask the registry again where its repositories are (between tests, where the world starts anew)."""
    _repository_uri.cache_clear()
