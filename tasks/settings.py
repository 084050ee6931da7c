"""What the machine decides rather than the environment file: environment variables `DELIVERY_*`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

REPOSITORY_ROOT = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """Read anew wherever it is needed, so that a test or a shell can change it by the environment alone.

    `overlay` names a second file merged over the first: with `local`, `staging.local.toml` over
    `staging.toml`. `base_image` is given to builds as BASE_IMAGE; empty leaves the Dockerfile's own.
    """

    model_config = SettingsConfigDict(env_prefix="DELIVERY_", frozen=True)

    overlay: str = ""
    environments_dir: Path = REPOSITORY_ROOT / "deployments" / "environments"
    base_image: str = ""
    aws_connect_timeout_s: float = Field(default=5, gt=0, le=60)
    aws_read_timeout_s: float = Field(default=30, gt=0, le=300)
    aws_max_attempts: int = Field(default=5, ge=1, le=20)
    parallel_calls: int = Field(default=8, ge=1, le=64)
