"""The seams notice when moto is not what they were written against."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud import seams
from localcloud.errors import LocalCloudError


def test_this_moto_is_the_one() -> None:
    seams.expect_version()


def test_another_moto_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seams, "MOTO_VERSION", "0.0.1")
    with pytest.raises(LocalCloudError, match=r"0\.0\.1 is needed"):
        seams.expect_version()


def test_a_parameter_that_moto_dropped_is_named() -> None:
    def of_moto(kept: str) -> None:
        del kept

    seams.expect(of_moto, ["kept"])
    with pytest.raises(LocalCloudError, match="has no parameter dropped"):
        seams.expect(of_moto, ["kept", "dropped"])


def test_an_override_with_other_parameters_is_refused() -> None:
    class Theirs:
        def create(self, name: str) -> None: ...

    class Ours(Theirs):
        def create(self, title: str) -> None: ...  # type: ignore[override]

    class Backends(dict[str, Any]):
        backend: type[Any] = Theirs

    with pytest.raises(LocalCloudError, match=r"is not what .*create overrides"):
        seams.swap_backend(Backends(), Ours)  # type: ignore[arg-type]


def test_an_attribute_that_moto_lacks_cannot_be_replaced() -> None:
    with pytest.raises(LocalCloudError, match="has no attribute gone"):
        seams.replace(object(), "gone", None)
