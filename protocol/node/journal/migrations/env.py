"""Alembic's entry: the connection (SQLCipher or PostgreSQL) and its transaction are the journal's."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
context.run_migrations()
