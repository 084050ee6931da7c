"""The registry behind ECR, as docker push and pull speak to it (OCI distribution specification 1.1)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import FileWrapper

from localcloud.ecr_blobs import Blobs, Tokens
from localcloud.seams import ServiceException
from localcloud.state import LOCK

BREAKDOWN = threading.Event()
"""Set while `break registry` holds."""

Lookup = Callable[[str], "tuple[Any, Any] | None"]

URLS = Map(
    [
        Rule("/v2/", endpoint="ping"),
        Rule("/v2/<path:name>/tags/list", endpoint="tags", methods=["GET"]),
        Rule("/v2/<path:name>/blobs/uploads/", endpoint="begin", methods=["POST"]),
        Rule("/v2/<path:name>/blobs/uploads/<upload>", endpoint="append", methods=["PATCH"]),
        Rule("/v2/<path:name>/blobs/uploads/<upload>", endpoint="finish", methods=["PUT"]),
        Rule("/v2/<path:name>/blobs/<digest>", endpoint="blob", methods=["GET"]),
        Rule("/v2/<path:name>/manifests/<reference>", endpoint="manifest", methods=["GET"]),
        Rule("/v2/<path:name>/manifests/<reference>", endpoint="put_manifest", methods=["PUT"]),
    ],
    strict_slashes=False,
)


class Registry:
    """A WSGI application.

    Args:
        blobs: Where layers and configurations are kept.
        tokens: Which passwords are good.
        lookup: ECR backend and repository by name.
    """

    def __init__(self, blobs: Blobs, tokens: Tokens, lookup: Lookup) -> None:
        self._blobs, self._tokens, self._lookup = blobs, tokens, lookup

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request; a body that was not read is read, so that the connection stays usable."""
        request = Request(environ)
        response = self._answer(request)
        request.stream.read()
        response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if BREAKDOWN.is_set():
            return _error(500, "UNKNOWN", "broken on purpose (localcloud break registry)")
        if refused := self._refusal(request):
            return refused
        try:
            endpoint, arguments = URLS.bind_to_environ(request.environ).match()
        except HTTPException as error:
            return _error(error.code or 404, "UNSUPPORTED", str(error.description))
        if endpoint == "ping":
            return Response("{}", content_type="application/json")
        name, *rest = arguments.values()
        found = self._lookup(name)
        if not found:
            text = f"The repository with name '{name}' does not exist in the registry"
            return _error(404, "NAME_UNKNOWN", text)
        answer: Response = getattr(self, f"_{endpoint}")(request, *found, *rest)
        return answer

    def _refusal(self, request: Request) -> Response | None:
        given = request.authorization
        token = request.args.get("token") or (given.password if given and given.username == "AWS" else None)
        state = self._tokens.state(token or "")
        if state == "expired":
            text = "Your authorization token has expired. Reauthenticate and try again."
            return _error(403, "DENIED", text)
        if state == "unknown":
            response = _error(401, "UNAUTHORIZED", "Not Authorized")
            response.headers["WWW-Authenticate"] = (
                f'Basic realm="{request.host_url}",service="ecr.amazonaws.com"'
            )
            return response
        return None

    def _tags(self, _: Request, __: Any, repository: Any) -> Response:
        with LOCK:
            tags = [tag for image in repository.images for tag in image.image_tags]
        return _json({"name": repository.name, "tags": tags})

    def _begin(self, request: Request, _: Any, repository: Any) -> Response:
        upload = self._blobs.begin()
        if "digest" in request.args:  # the whole blob in one request
            return self._finish(request, None, repository, upload)
        return _uploading(repository.name, upload, 0)

    def _append(self, request: Request, _: Any, repository: Any, upload: str) -> Response:
        try:
            size = self._blobs.append(upload, request.stream)
        except FileNotFoundError:
            return _error(404, "BLOB_UPLOAD_UNKNOWN", f"no upload {upload}")
        return _uploading(repository.name, upload, size)

    def _finish(self, request: Request, _: Any, repository: Any, upload: str) -> Response:
        digest = request.args.get("digest", "")
        try:
            self._blobs.append(upload, request.stream)
            size = self._blobs.finish(upload, digest)
        except FileNotFoundError:
            return _error(404, "BLOB_UPLOAD_UNKNOWN", f"no upload {upload}")
        if size is None:
            return _error(400, "DIGEST_INVALID", f"the content's digest is not {digest}")
        with LOCK:
            repository.layers[digest] = size
        return _created(f"/v2/{repository.name}/blobs/{digest}", digest)

    def _blob(self, request: Request, _: Any, repository: Any, digest: str) -> Response:
        path = self._blobs.path(digest) if digest in repository.layers else None
        if path is None:
            return _error(404, "BLOB_UNKNOWN", f"no blob {digest} in {repository.name}")
        headers = {"Content-Length": str(path.stat().st_size), "Docker-Content-Digest": digest}
        body = FileWrapper(path.open("rb"), 1 << 20) if request.method == "GET" else None
        return Response(
            body, headers=headers, content_type="application/octet-stream", direct_passthrough=True
        )

    def _manifest(self, request: Request, _: Any, repository: Any, reference: str) -> Response:
        with LOCK:
            for image in repository.images:
                if reference in (image.image_digest, *image.image_tags):
                    if request.method == "GET":
                        image.last_recorded_pull_time = datetime.now(UTC)
                    return Response(
                        image.image_manifest,
                        headers={"Docker-Content-Digest": image.image_digest},
                        content_type=image.image_manifest_media_type,
                    )
        return _error(404, "MANIFEST_UNKNOWN", f"Requested image not found: {repository.name}:{reference}")

    def _put_manifest(self, request: Request, backend: Any, repository: Any, reference: str) -> Response:
        manifest = request.get_data(as_text=True)
        by_digest = reference.startswith("sha256:")
        tag, digest = (None, reference) if by_digest else (reference, None)
        with LOCK:
            try:
                pushed = backend.put_image(repository.name, manifest, tag, request.content_type, digest)
            except ServiceException as error:
                existing = _same_image(error, repository, manifest)
                if not existing:
                    return _error(400, _OCI_CODES.get(error.code, "MANIFEST_INVALID"), error.message)
                pushed = existing
        return _created(f"/v2/{repository.name}/manifests/{pushed.image_digest}", pushed.image_digest)


_OCI_CODES = {
    "ImageTagAlreadyExistsException": "TAG_INVALID",
    "ImageDigestDoesNotMatchException": "DIGEST_INVALID",
    "LayersNotFoundException": "MANIFEST_BLOB_UNKNOWN",
}


def _same_image(error: ServiceException, repository: Any, manifest: str) -> Any:
    """Pushing what is there already is no error for Docker, though it is one for PutImage."""
    if error.code != "ImageAlreadyExistsException":
        return None
    return next(image for image in repository.images if image.image_manifest == manifest)


def _uploading(name: str, upload: str, size: int) -> Response:
    location = f"/v2/{name}/blobs/uploads/{upload}"
    headers = {"Location": location, "Range": f"0-{max(0, size - 1)}", "Docker-Upload-UUID": upload}
    return Response(status=202, headers=headers)


def _created(location: str, digest: str) -> Response:
    return Response(status=201, headers={"Location": location, "Docker-Content-Digest": digest})


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, content_type="application/json")


def _error(status: int, code: str, message: str) -> Response:
    return _json({"errors": [{"code": code, "message": message}]}, status)
