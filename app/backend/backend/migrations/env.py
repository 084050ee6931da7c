"""What alembic runs migrations in: the connection that `backend.migrate` holds the lock with."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
# A transaction a migration: one that fails leaves nothing of itself, and those before it stay.
context.configure(connection=connection, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
