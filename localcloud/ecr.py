"""ECR: moto's repositories with true digests, sizes and tag rules; their images live in our registry."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from moto.ecr import models, responses
from moto.ecr.models import ECRBackend, Image, Repository

from localcloud import seams
from localcloud.ecr_blobs import Blobs, Tokens
from localcloud.ecr_registry import BREAKDOWN, Registry
from localcloud.listening import bind, serve_wsgi
from localcloud.parts import Fault
from localcloud.seams import ActionResult
from localcloud.state import Instance

TOKENS = Tokens()
ERROR = seams.errors_of("ecr")


def pull_credentials() -> dict[str, str]:
    """What the Docker SDK takes as `auth_config`, fresh from the registry."""
    return {"username": "AWS", "password": TOKENS.issue()[0]}


class EcrBackend(ECRBackend):
    """ECR of one region. Rules: ECR API reference, PutImage; ECR user guide, "Image tag mutability"."""

    def create_repository(self, repository_name: str, *args: Any, **kwargs: Any) -> Repository:
        """The repository exists, under the address of our registry."""
        repository = super().create_repository(repository_name, *args, **kwargs)
        repository.uri = f"{Instance.current().registry}/{repository.name}"
        return repository

    def put_image(
        self,
        repository_name: str,
        image_manifest: str,
        image_tag: str,
        image_manifest_mediatype: str | None = None,
        digest: str | None = None,
    ) -> Image:
        """The manifest is stored under its digest and the tag, which moves only in a mutable repository."""
        repository = self._get_repository(repository_name)
        manifest = _parse(image_manifest)
        true_digest = digest_of(image_manifest)
        if digest and digest != true_digest:
            text = f"The provided digest {digest} does not match the manifest's, {true_digest}"
            raise ERROR("ImageDigestDoesNotMatchException", text)
        _check_references(repository, manifest)
        existing = _by_digest(repository, true_digest)
        _check_tag(repository, existing, image_tag, true_digest)
        for image in repository.images:
            image.remove_tag(image_tag)
        if existing:
            existing.update_tag(image_tag)
            return existing
        media_type = image_manifest_mediatype or manifest.get("mediaType")
        image = Image(self.account_id, image_tag, image_manifest, repository_name, media_type, true_digest)
        seams.tell(image, artifact_media_type=manifest.get("config", {}).get("mediaType"))
        repository.images.append(image)
        return image

    def complete_layer_upload(
        self, repository_name: str, upload_id: str, layer_digests: list[str], registry_id: str | None = None
    ) -> dict[str, Any]:
        """The layer is available, and the registry serves it."""
        upload = self._get_repository(repository_name, registry_id).uploads.get(upload_id)
        if upload:
            PART.blobs.put(bytes(upload.layer_parts))
        done = super().complete_layer_upload(repository_name, upload_id, layer_digests, registry_id)
        return dict(done)

    def describe_image_scan_findings(
        self, registry_id: str | None, repository_name: str, image_id: dict[str, Any]
    ) -> dict[str, Any]:
        """Says that nothing was scanned; moto would invent a CVE."""
        repository = self._get_repository(repository_name, registry_id)
        image = repository._get_image(image_id.get("imageTag"), image_id.get("imageDigest"))  # noqa: SLF001
        return {
            "registryId": repository.registry_id,
            "repositoryName": repository_name,
            "imageId": {"imageDigest": image.image_digest, "imageTag": image.image_tag},
            "imageScanStatus": {
                "status": "UNSUPPORTED_IMAGE",
                "description": "the local cloud scans nothing",
            },
            "imageScanFindings": {"findings": [], "findingSeverityCounts": {}},
        }


def _parse(image_manifest: str) -> dict[str, Any]:
    try:
        manifest = json.loads(image_manifest)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        text = "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
        raise ERROR("InvalidParameterException", text)
    return manifest


def _by_digest(repository: Repository, digest: str) -> Image | None:
    return next((image for image in repository.images if image.image_digest == digest), None)


def _check_references(repository: Repository, manifest: Mapping[str, Any]) -> None:
    wanted = [*manifest.get("layers", []), *([manifest["config"]] if "config" in manifest else [])]
    if missing := [blob["digest"] for blob in wanted if blob["digest"] not in repository.layers]:
        text = f"Layers with digests '{missing}' required for pushing image do not exist in {repository.name}"
        raise ERROR("LayersNotFoundException", text)
    images = [image["digest"] for image in manifest.get("manifests", [])]
    if missing := [digest for digest in images if not _by_digest(repository, digest)]:
        text = f"Images with digests '{missing}' required for pushing image do not exist in {repository.name}"
        raise ERROR("ReferencedImagesNotFoundException", text)


def _check_tag(repository: Repository, existing: Image | None, tag: str | None, digest: str) -> None:
    """ECR refuses a tag that exists in an immutable repository even when it is the same image."""
    if repository.is_tag_immutable() and any(tag in image.image_tags for image in repository.images if tag):
        raise ERROR(
            "ImageTagAlreadyExistsException",
            f"The image tag '{tag}' already exists in the '{repository.name}' repository "
            "and cannot be overwritten because the tag is immutable.",
        )
    if existing and (not tag or tag in existing.image_tags):
        text = f"Image with digest '{digest}' and tag '{tag}' already exists in '{repository.name}'"
        raise ERROR("ImageAlreadyExistsException", text)


def digest_of(manifest: str) -> str:
    """What registries, Docker and AWS call this manifest."""
    return "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()


def _size(image: Image) -> int:
    manifest = json.loads(image.image_manifest)
    parts = [*manifest.get("layers", []), manifest.get("config", {})]
    return sum(part.get("size", 0) for part in parts)


def _get_authorization_token(_: responses.ECRResponse) -> ActionResult:
    token, expires = TOKENS.issue()
    data = {
        "authorizationToken": base64.b64encode(f"AWS:{token}".encode()).decode(),
        "expiresAt": expires,
        "proxyEndpoint": f"http://{Instance.current().registry}",
    }
    return ActionResult({"authorizationData": [data]})


def _get_download_url_for_layer(self: responses.ECRResponse) -> ActionResult:
    name, digest = self._get_param("repositoryName"), self._get_param("layerDigest")
    repository = self.ecr_backend._get_repository(name, self._get_param("registryId"))  # noqa: SLF001
    if digest not in repository.layers:
        text = f"Layer with digest '{digest}' does not exist in the repository with name '{name}'"
        raise ERROR("LayersNotFoundException", text)
    token = TOKENS.issue()[0]
    url = f"http://{Instance.current().registry}/v2/{name}/blobs/{digest}?token={token}"
    return ActionResult({"downloadUrl": url, "layerDigest": digest})


class EcrPart:
    """ECR and its registry."""

    name = "ecr"
    services = frozenset({"ecr"})
    blobs: Blobs

    @property
    def faults(self) -> Mapping[str, Fault]:
        """`registry`: every push and pull is answered with 500 until mended."""
        return {"registry": self._break_registry}

    def install(self) -> None:
        """Moto's ECR answers from our backend."""
        seams.expect(Image.__init__, ["account_id", "tag", "manifest", "repository", "digest"])
        seams.swap_backend(models.ecr_backends, EcrBackend)
        seams.replace(Image, "get_image_size_in_bytes", _size)
        seams.replace(responses.ECRResponse, "get_authorization_token", _get_authorization_token)
        seams.replace(responses.ECRResponse, "get_download_url_for_layer", _get_download_url_for_layer)

    def start(self, instance: Instance) -> None:
        """The registry answers docker push and pull."""
        self.blobs = Blobs(instance.directory("ecr"))
        address, port = instance.registry.split(":")
        registry = Registry(self.blobs, TOKENS, _repository)
        serve_wsgi(bind(address, int(port)), registry)

    def stop(self) -> None:
        """Its threads end with the process."""

    def mend(self) -> None:
        """The registry answers again."""
        BREAKDOWN.clear()

    def _break_registry(self, _: str) -> str:
        BREAKDOWN.set()
        return "registry: every push and pull is answered with 500 until `break none`"


def _repository(name: str) -> tuple[ECRBackend, Repository] | None:
    for account in list(models.ecr_backends.values()):
        for backend in list(account.values()):
            if name in backend.repositories:
                return backend, backend.repositories[name]
    return None


PART = EcrPart()
