"""Create: questions, and who may answer them."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Both tables exist."""
    op.execute(
        """
        CREATE TABLE verifications (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            claim text NOT NULL CHECK (length(claim) BETWEEN 1 AND 2000),
            source_url text,
            asked_by text,
            asked_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute(
        """
        CREATE TABLE verifiers (
            name text PRIMARY KEY,
            password text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )


def downgrade() -> None:
    """Neither exists."""
    op.execute("DROP TABLE verifiers")
    op.execute("DROP TABLE verifications")
