"""How we use PostgreSQL: connections proven before use, and nothing that waits for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg import Connection
    from sqlalchemy import URL, Engine

# Execution options of the two kinds of transactions.
READING: Mapping[str, object] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
WRITING: Mapping[str, object] = {}

_CONNECT_TIMEOUT_SECONDS = 5
_SESSION = (
    "SET TIME ZONE 'UTC'; SET statement_timeout = '30s'; SET lock_timeout = '10s'; "
    "SET idle_in_transaction_session_timeout = '60s'"
)


def postgresql_engine(url: URL, json: Mapping[str, Callable[..., Any]]) -> Engine:
    """Return an engine on the server of `url`; it connects when it is first used."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={
            "connect_timeout": int(str(url.query.get("connect_timeout", _CONNECT_TIMEOUT_SECONDS))),
            "application_name": "utxoracle",
        },
        pool_pre_ping=True,
        pool_timeout=10,
        hide_parameters=True,
        **json,
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Connection, _record: object) -> None:
    connection.autocommit = True
    connection.execute(_SESSION)
    connection.autocommit = False
