"""docker push, docker pull and boto3 against the same repositories."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import tarfile
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import docker
import httpx
import pytest
from botocore.exceptions import ClientError
from docker.errors import APIError, ImageNotFound, NotFound

if TYPE_CHECKING:
    from tests.localcloud.conftest import Cloud

pytestmark = pytest.mark.docker


@pytest.fixture
def image() -> Iterator[Any]:
    """An image of a few bytes that nobody else has."""
    client = docker.from_env()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        content = uuid.uuid4().hex.encode()
        member = tarfile.TarInfo("only-file")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    loaded = client.api.import_image_from_data(archive.getvalue(), repository=f"t-{uuid.uuid4().hex}")
    image = client.images.get(json.loads(loaded)["status"])
    yield image
    with contextlib.suppress(ImageNotFound):  # a test has removed it
        client.images.remove(image.id, force=True)


def new_repository(cloud: Cloud, mutability: str = "IMMUTABLE") -> str:
    name = f"test/{uuid.uuid4().hex[:8]}"
    cloud.client("ecr").create_repository(repositoryName=name, imageTagMutability=mutability)
    return name


def credentials(cloud: Cloud) -> dict[str, str]:
    data = cloud.client("ecr").get_authorization_token()["authorizationData"][0]
    username, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return {"username": username, "password": password}


def push(cloud: Cloud, image: Any, repository: str, tag: str) -> str:
    """The digest, or docker's error text."""
    target = f"{cloud.endpoints['registry']}/{repository}"
    image.tag(target, tag)
    log = docker.from_env().images.push(target, tag, auth_config=credentials(cloud), stream=True, decode=True)
    answers = list(log)
    errors = [answer["error"] for answer in answers if "error" in answer]
    return errors[0] if errors else next(a["aux"]["Digest"] for a in answers if "aux" in a)


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_what_docker_pushes_boto3_describes_and_docker_pulls_again(cloud: Cloud, image: Any) -> None:
    repository = new_repository(cloud)
    digest = push(cloud, image, repository, "1.0.0")
    detail = cloud.client("ecr").describe_images(repositoryName=repository)["imageDetails"][0]
    assert detail["imageDigest"] == digest
    assert detail["imageTags"] == ["1.0.0"]
    reference = f"{cloud.endpoints['registry']}/{repository}"
    docker.from_env().images.remove(image.id, force=True)
    again = docker.from_env().images.pull(f"{reference}@{digest}", auth_config=credentials(cloud))
    assert again.id == image.id


def test_the_digest_is_the_sha256_of_the_manifest_and_the_size_is_its_layers(
    cloud: Cloud, image: Any
) -> None:
    repository = new_repository(cloud)
    digest = push(cloud, image, repository, "1")
    ecr = cloud.client("ecr")
    found = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])["images"][0]
    raw = found["imageManifest"]
    manifest = json.loads(raw)
    assert digest == "sha256:" + hashlib.sha256(raw.encode()).hexdigest() == found["imageId"]["imageDigest"]
    detail = ecr.describe_images(repositoryName=repository)["imageDetails"][0]
    expected = sum(layer["size"] for layer in manifest["layers"]) + manifest["config"]["size"]
    assert detail["imageSizeInBytes"] == expected


def test_a_tag_of_an_immutable_repository_cannot_be_pushed_again_not_even_with_the_same_image(
    cloud: Cloud, image: Any
) -> None:
    repository = new_repository(cloud)
    push(cloud, image, repository, "1.0.0")
    assert "cannot be overwritten because the tag is immutable" in push(cloud, image, repository, "1.0.0")


def test_put_image_gives_an_existing_image_another_tag(cloud: Cloud, image: Any) -> None:
    repository, ecr = new_repository(cloud), cloud.client("ecr")
    digest = push(cloud, image, repository, "1")
    manifest = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])["images"][0]
    ecr.put_image(repositoryName=repository, imageManifest=manifest["imageManifest"], imageTag="good")
    detail = ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert [(d["imageDigest"], sorted(d["imageTags"])) for d in detail] == [(digest, ["1", "good"])]
    with pytest.raises(ClientError) as error:
        ecr.put_image(repositoryName=repository, imageManifest=manifest["imageManifest"], imageTag="good")
    assert code_of(error) == "ImageTagAlreadyExistsException"


def test_a_tag_moves_in_a_mutable_repository_and_leaves_the_old_image_untagged(
    cloud: Cloud, image: Any
) -> None:
    repository, ecr = new_repository(cloud, "MUTABLE"), cloud.client("ecr")
    first = push(cloud, image, repository, "latest")
    changed = docker.from_env().containers.create(image.id, "never-run", labels={"t": "1"})
    try:
        second_image = changed.commit(changes="ENV CHANGED=1")
    finally:
        changed.remove()
    try:
        second = push(cloud, second_image, repository, "latest")
    finally:
        docker.from_env().images.remove(second_image.id, force=True)
    tags = {
        d["imageDigest"]: d.get("imageTags")
        for d in ecr.describe_images(repositoryName=repository)["imageDetails"]
    }
    assert tags == {first: None, second: ["latest"]}


def test_an_image_that_is_not_there_is_an_error_by_name(cloud: Cloud) -> None:
    repository, ecr = new_repository(cloud), cloud.client("ecr")
    with pytest.raises(ClientError) as error:
        ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": "9.9.9"}])
    assert code_of(error) == "ImageNotFoundException"
    failures = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "9.9.9"}])["failures"]
    assert failures[0]["failureCode"] == "ImageNotFound"
    with pytest.raises((ImageNotFound, NotFound)):
        docker.from_env().images.pull(
            f"{cloud.endpoints['registry']}/{repository}", "9.9.9", auth_config=credentials(cloud)
        )


def test_pushing_to_a_repository_that_does_not_exist_fails(cloud: Cloud, image: Any) -> None:
    assert "does not exist" in push(cloud, image, "test/nowhere", "1")


def test_a_deleted_image_cannot_be_pulled(cloud: Cloud, image: Any) -> None:
    repository, ecr = new_repository(cloud), cloud.client("ecr")
    digest = push(cloud, image, repository, "1")
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    assert ecr.describe_images(repositoryName=repository)["imageDetails"] == []
    docker.from_env().images.remove(image.id, force=True)
    with pytest.raises(APIError):
        docker.from_env().images.pull(
            f"{cloud.endpoints['registry']}/{repository}@{digest}", auth_config=credentials(cloud)
        )


def test_only_a_token_from_ecr_opens_the_registry(cloud: Cloud) -> None:
    url = f"http://{cloud.endpoints['registry']}/v2/"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, auth=("AWS", "guess")).status_code == 401
    given = credentials(cloud)
    assert httpx.get(url, auth=(given["username"], given["password"])).status_code == 200


def test_a_manifest_whose_layers_were_never_pushed_is_refused(cloud: Cloud) -> None:
    repository = new_repository(cloud)
    layer = {"digest": "sha256:" + "0" * 64, "size": 1, "mediaType": "application/vnd.oci.image.layer.v1.tar"}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "layers": [layer],
    }
    with pytest.raises(ClientError) as error:
        cloud.client("ecr").put_image(
            repositoryName=repository, imageManifest=json.dumps(manifest), imageTag="1"
        )
    assert code_of(error) == "LayersNotFoundException"


def test_a_layer_uploaded_by_api_can_be_downloaded(cloud: Cloud) -> None:
    repository, ecr = new_repository(cloud), cloud.client("ecr")
    content = b"layer"
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    ecr.upload_layer_part(
        repositoryName=repository, uploadId=upload, partFirstByte=0, partLastByte=4, layerPartBlob=content
    )
    ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])
    url = ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=digest)["downloadUrl"]
    assert httpx.get(url).content == content


def test_a_registry_that_is_broken_refuses_until_it_is_mended(cloud: Cloud, image: Any) -> None:
    repository = new_repository(cloud)
    cloud.cli("break", "registry")
    broken = httpx.get(f"http://{cloud.endpoints['registry']}/v2/")
    cloud.cli("break", "none")
    assert broken.status_code == 500
    assert push(cloud, image, repository, "1").startswith("sha256:")
