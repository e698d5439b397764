"""Alembic's entry: runs on the connection and inside the transaction that `Database.migrate` opened."""

from alembic import context

from inference.registry.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, transactional_ddl=True
)
context.run_migrations()
