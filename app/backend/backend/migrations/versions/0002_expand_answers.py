"""Expand: answers. Nullable columns without a default, so the table is not rewritten and old code goes on."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """A verification can carry an answer, whole or not at all."""
    op.execute(
        """
        ALTER TABLE verifications
            ADD COLUMN verdict text,
            ADD COLUMN explanation text,
            ADD COLUMN answered_by text,
            ADD COLUMN answered_at timestamptz
        """
    )
    op.execute(
        """
        ALTER TABLE verifications ADD CONSTRAINT answer_is_whole
            CHECK (num_nonnulls(verdict, explanation, answered_by, answered_at) IN (0, 4)) NOT VALID
        """
    )
    op.execute("ALTER TABLE verifications VALIDATE CONSTRAINT answer_is_whole")


def downgrade() -> None:
    """Answers are gone."""
    op.execute(
        """
        ALTER TABLE verifications
            DROP COLUMN verdict,
            DROP COLUMN explanation,
            DROP COLUMN answered_by,
            DROP COLUMN answered_at
        """
    )
