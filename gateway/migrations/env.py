"""What Alembic runs steps in: the connection and transaction of `upgrade`, which holds the lock."""

from alembic import context

from gateway.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
