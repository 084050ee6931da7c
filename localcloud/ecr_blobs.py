"""What the registry keeps beside moto: blobs on disk, and the tokens it accepts."""

from __future__ import annotations

import hashlib
import secrets
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

TOKEN_LIFE = timedelta(hours=12)  # ECR user guide, "Private registry authentication"
CHUNK_BYTES = 1 << 20


class Tokens:
    """Authorization tokens, each good for twelve hours."""

    def __init__(self) -> None:
        self._expiry: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def issue(self) -> tuple[str, datetime]:
        """A new token and the moment it expires."""
        token, now = secrets.token_urlsafe(40), datetime.now(UTC)
        with self._lock:
            self._expiry = {known: until for known, until in self._expiry.items() if until > now - TOKEN_LIFE}
            self._expiry[token] = now + TOKEN_LIFE
        return token, now + TOKEN_LIFE

    def state(self, token: str) -> str:
        """`valid`, `expired` or `unknown`."""
        until = self._expiry.get(token)
        if until is None:
            return "unknown"
        return "valid" if until > datetime.now(UTC) else "expired"

    def expire_all(self) -> None:
        """Every token issued so far has expired."""
        with self._lock:
            self._expiry = {token: datetime.now(UTC) - timedelta(seconds=1) for token in self._expiry}


class Blobs:
    """Blobs by digest, and uploads that are under way."""

    def __init__(self, directory: Path) -> None:
        self._blobs = directory / "blobs"
        self._uploads = directory / "uploads"
        for path in (self._blobs, self._uploads):
            path.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path | None:
        """The file that holds the blob."""
        path = self._blobs / digest.removeprefix("sha256:")
        return path if path.exists() else None

    def put(self, content: bytes) -> None:
        """A blob that is in memory is stored."""
        (self._blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)

    def begin(self) -> str:
        """A new upload; its id."""
        upload = uuid.uuid4().hex
        (self._uploads / upload).touch()
        return upload

    def append(self, upload: str, content: IO[bytes]) -> int:
        """The content is added to the upload, which is so many bytes now.

        Raises:
            FileNotFoundError: there is no such upload.
        """
        with self._upload(upload).open("r+b") as file:
            file.seek(0, 2)
            while chunk := content.read(CHUNK_BYTES):
                file.write(chunk)
            return file.tell()

    def finish(self, upload: str, digest: str) -> int | None:
        """The upload has become that blob: its size in bytes, or None when its digest is another."""
        path = self._upload(upload)
        found, size = hashlib.sha256(), 0
        for chunk in _chunks(path):
            found.update(chunk)
            size += len(chunk)
        if f"sha256:{found.hexdigest()}" != digest:
            path.unlink()
            return None
        path.replace(self._blobs / found.hexdigest())
        return size

    def _upload(self, upload: str) -> Path:
        if not upload.isalnum():
            raise FileNotFoundError(upload)
        return self._uploads / upload


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
