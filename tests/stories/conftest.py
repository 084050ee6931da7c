from collections.abc import Iterator
from pathlib import Path

import pytest
from platform_town import Town, town


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town in which version 1.0.0 serves production, and 1.1.0 is ready to be released."""
    with town(tmp_path_factory.mktemp("town")) as built:
        for version in ("1.0.0", "1.1.0"):
            built.push(version)
        first = built.flows("release", "production", "1.0.0", "--without-staging")
        assert first.returncode == 0, first.stderr
        yield built


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
