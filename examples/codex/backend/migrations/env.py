"""Alembic's entry: migrates the database that the application uses."""

from alembic import context

from codex.database import engine
from codex.models import Base

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
