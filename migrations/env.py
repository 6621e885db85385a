"""Run migrations on the connection that `app.adapters.database.migration` hands over in the attributes.

A developer's `alembic -x url=…` gets one of its own, to compare the tables with a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context
from alembic.util import CommandError

from app.adapters.database.engine import open_database
from app.adapters.database.tables import Base

if TYPE_CHECKING:
    from sqlalchemy import Connection


def run() -> None:
    """Find the connection and run on it."""
    connection = context.config.attributes.get("connection")
    url = context.get_x_argument(as_dictionary=True).get("url")
    if connection is not None:
        run_on(connection)
    elif url:
        with open_database(url).writing() as opened:
            run_on(opened)
    else:
        raise CommandError("use `utxoracle db`; or give a database with -x url=… to write a new revision")


def run_on(connection: Connection) -> None:
    """Run inside the transaction of `connection`, which is the caller's to commit."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
