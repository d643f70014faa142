"""Run by Alembic inside the transaction that the store has begun."""

from __future__ import annotations

from alembic import context

from ftl2_enterprise.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
