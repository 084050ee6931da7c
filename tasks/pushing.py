"""An image goes to the registry under a version that is never reused."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

from decisions.errors import NotFound, Refused, StepFailed
from decisions.release import Image
from tasks import aws
from tasks.docker_engine import engine, follow
from tasks.effect import effect
from tasks.registry import find_image, repository_uri
from tasks.topology import Platform

_log = logging.getLogger(__name__)
_MANIFESTS = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
]


@effect("push image", retries=2)
def push_image(platform: Platform, service: str, image_id: str, version: str) -> Image:
    """The registry has this image under this version.

    Args:
        platform: Its registry.
        service: Whose repository.
        image_id: Id of the image on this machine, as `build_image` returned it.
        version: The tag.

    Returns:
        Image: by digest.

    Raises:
        Refused: The version exists with other content, or there is no Docker engine here.
        StepFailed: The push failed; carries its last lines.
    Safe to repeat: the same content under the same version is not pushed again.
    """
    repository = platform.service(service).repository
    where = f"pushing {repository}:{version}"
    if there := find_image(repository, version):
        if there["imageDigest"] != image_id:  # an engine with the containerd store names images by manifest
            _refuse_other_content(repository, version, image_id, where)
        _log.info("%s: the registry has it already", where)
        return Image(service, repository, there["imageDigest"], version)
    uri = repository_uri(platform, repository)
    with engine(where) as docker:
        from docker.errors import ImageNotFound  # noqa: PLC0415 - costs time, and only ci needs it

        try:
            docker.images.get(image_id).tag(uri, tag=version)
        except ImageNotFound as error:
            raise NotFound(where, f"no image {image_id} on this machine", do="build it first") from error
        stream = docker.api.push(uri, tag=version, stream=True, decode=True, auth_config=_credentials())
        beside = follow(where, stream, "the version is not in the registry")
    return Image(service, repository, _digest(repository, version, beside, where), version)


def _refuse_other_content(repository: str, version: str, image_id: str, where: str) -> None:
    with aws.translated(where):
        answer = aws.client("ecr").batch_get_image(
            repositoryName=repository, imageIds=[{"imageTag": version}], acceptedMediaTypes=_MANIFESTS
        )
    manifests = [json.loads(image["imageManifest"]) for image in answer.get("images", [])]
    there = [manifest.get("config", {}).get("digest") for manifest in manifests]
    if there != [image_id]:
        seen = f"the version exists with other content: {', '.join(map(str, there))}, not {image_id}"
        raise Refused(where, seen, do="choose a new version; a version is never reused")


def _credentials() -> dict[str, str]:
    """The registry's token as user and password (ECR, "Using an authorization token")."""
    with aws.translated("asking the registry for a token"):
        data = aws.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return {"username": user, "password": password}


def _digest(repository: str, version: str, beside: list[dict[str, Any]], where: str) -> str:
    """What the registry says, which must be what the engine says."""
    pushed = [str(aux["Digest"]) for aux in beside if aux.get("Digest")]
    there = find_image(repository, version)
    seen = there["imageDigest"] if there else "nothing"
    if not there or (pushed and pushed[-1] != seen):
        said = f"the engine pushed {', '.join(pushed) or 'nothing'}, the registry shows {seen}"
        raise StepFailed(where, said, "the version may be in the registry", "look at the repository")
    return seen
