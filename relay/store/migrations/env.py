"""Run by alembic, with the store's own connection."""

from alembic import context

from relay.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        # Relays that start together take turns.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(1128682863)")
    context.run_migrations()
