"""Passwords as scrypt hashes (parameters: OWASP Password Storage Cheat Sheet, the 16 MiB row)."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_N, _R, _P = 2**14, 8, 5


def hashed(password: str) -> str:
    """A salted hash to store."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_digest(password, salt).hex()}"


def matches(password: str, stored: str | None) -> bool:
    """Whether the password is the stored one; takes as long when there is none, so names cannot be probed."""
    _, salt, digest = (stored or "scrypt$00$00").split("$")
    return hmac.compare_digest(_digest(password, bytes.fromhex(salt)), bytes.fromhex(digest))


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=64 * 1024 * 1024)
