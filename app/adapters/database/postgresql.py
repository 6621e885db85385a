"""How we use PostgreSQL: connections proven before use, and nothing that waits for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import create_engine, event, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import URL, Connection, Engine

    from app.adapters.database.attentive_connection import AttentiveConnection

# Execution options of the two kinds of transactions.
READING: Mapping[str, object] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
WRITING: Mapping[str, object] = {}

# For libpq, unless the URL says otherwise. Of a server that died or was cut off nothing comes back, not even an
# error: the kernel notices after 15 s without traffic, or 10 s after something was sent in vain.
_CONNECTION = {
    "application_name": "utxoracle",
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "10000",
}
_SESSION = (
    "SET TIME ZONE 'UTC'; SET statement_timeout = '30s'; SET lock_timeout = '10s'; "
    "SET idle_in_transaction_session_timeout = '60s'"
)

# A statement may take its 30 s; whether a server is there at all is known sooner.
STATEMENT_SILENCE_SECONDS = 35.0
PROOF_SILENCE_SECONDS = 5.0


def postgresql_engine(url: URL, json: Mapping[str, Callable[..., Any]]) -> Engine:
    """Return an engine on the server of `url`; it connects when it is first used."""
    # Most appliances have SQLite, and no use for the driver's memory.
    from app.adapters.database.attentive_connection import AttentiveConnection  # noqa: PLC0415

    def connect(_dialect: object, _record: object, args: list[Any], options: dict[str, Any]) -> AttentiveConnection:
        return AttentiveConnection.connect(*args, **options)

    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={name: value for name, value in _CONNECTION.items() if name not in url.query},
        pool_pre_ping=True,
        pool_timeout=10,
        hide_parameters=True,
        **json,
    )
    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", _prepare)
    # The pool proves a connection before this, and after that leaves it for the next.
    event.listen(engine, "checkout", _expect_statements)
    event.listen(engine, "checkin", _expect_proof)
    return engine


def take_your_time(connection: Connection) -> None:
    """Let statements run for as long as they need, as those of migrations may, until this transaction ends."""
    _driver_of(connection).silence_seconds = None
    connection.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'"))


def _driver_of(connection: Connection) -> AttentiveConnection:
    return cast("AttentiveConnection", connection.connection.driver_connection)


def _prepare(connection: AttentiveConnection, _record: object) -> None:
    connection.silence_seconds = PROOF_SILENCE_SECONDS
    connection.autocommit = True
    connection.execute(_SESSION)
    connection.autocommit = False


def _expect_statements(connection: AttentiveConnection, _record: object, _proxy: object) -> None:
    connection.silence_seconds = STATEMENT_SILENCE_SECONDS


def _expect_proof(connection: AttentiveConnection | None, _record: object) -> None:
    if connection is not None:
        connection.silence_seconds = PROOF_SILENCE_SECONDS
