from __future__ import annotations

from backend import passwords


def test_only_the_right_password_matches() -> None:
    stored = passwords.hashed("correct horse")
    assert passwords.matches("correct horse", stored)
    assert not passwords.matches("correct hors", stored)
    assert not passwords.matches("correct horse", None)


def test_the_same_password_is_stored_differently_each_time() -> None:
    assert passwords.hashed("x") != passwords.hashed("x")
