"""How we use SQLite: WAL, one writer at a time who waits its turn, readers who never wait."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from sqlalchemy import create_engine, event, exc, pool

from app.services.storage import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import URL, Connection, Engine

# A writer waits for another this long; each of them is done in milliseconds.
WRITER_PATIENCE_SECONDS = 10.0
# Readers wait only while a crashed process's log is recovered.
_READER_PATIENCE_MS = 5000
_LONGEST_PAUSE_SECONDS = 0.02

# Execution options of the two kinds of transactions.
READING: Mapping[str, object] = {}
WRITING: Mapping[str, object] = {"utxoracle_writing": True}

Answer = TypeVar("Answer")


def sqlite_engine(url: URL, json: Mapping[str, Callable[..., Any]]) -> Engine:
    """Return an engine on the file of `url`, which must exist when it is first used."""
    file = Path(url.database or "")
    # Without mode=rw a mistyped path would be a new, empty database.
    existing = url.set(database=f"file:{quote(str(file))}").update_query_dict({"uri": "true", "mode": "rw"})
    engine = create_engine(
        existing,
        # BEGIN is ours to say, in the words we want; the driver would say it late and deferred.
        connect_args={"isolation_level": None},
        poolclass=pool.QueuePool,
        hide_parameters=True,
        **json,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    _notice_replaced_file(engine, file)
    return engine


def create_file(file: Path) -> None:
    """Make an empty database that nobody else may read; SQLite gives its log the same mode. Keep an existing one."""
    if file.parent.is_dir() and not file.exists():
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    try:
        _configure(connection)
    except BaseException:
        # SQLAlchemy forgets a connection that it could not make ready.
        connection.close()
        raise


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_READER_PATIENCE_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    # NORMAL may forget the last commits when the power fails; their event ids, which clients have already seen, would
    # then be given to other events.
    connection.execute("PRAGMA synchronous = FULL")
    if _journal_mode(connection, "PRAGMA journal_mode") != "wal":
        # SQLite does not wait by itself for this lock.
        mode = _patiently(lambda: _journal_mode(connection, "PRAGMA journal_mode = WAL"))
        if mode != "wal":
            raise StorageUnavailableError(
                "SQLite cannot keep a write-ahead log where the database is; put it on a local, writable disk"
            )


def _journal_mode(connection: sqlite3.Connection, statement: str) -> str:
    return str(connection.execute(statement).fetchone()[0])


def _begin(connection: Connection) -> None:
    """Begin a transaction: a writing one takes the lock at once, since a reader cannot become a writer safely."""
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - narrows the type; this engine has no other
    if "utxoracle_writing" not in connection.get_execution_options():
        driver.execute("PRAGMA query_only = ON")
        driver.execute("BEGIN")
        return
    driver.execute("PRAGMA query_only = OFF")
    # SQLite would wait inside C, and with it every greenlet of the process.
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        _patiently(lambda: driver.execute("BEGIN IMMEDIATE"))
    finally:
        driver.execute(f"PRAGMA busy_timeout = {_READER_PATIENCE_MS}")


def _patiently(attempt: Callable[[], Answer]) -> Answer:
    deadline = time.monotonic() + WRITER_PATIENCE_SECONDS
    pause_seconds = 0.001
    while True:
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)


def _notice_replaced_file(engine: Engine, file: Path) -> None:
    """Let go of connections to a file that was removed or replaced, as by a restore."""

    def remember(_connection: object, record: pool.ConnectionPoolEntry) -> None:
        record.info["file"] = _identity(file)

    def compare(_connection: object, record: pool.ConnectionPoolEntry, _proxy: object) -> None:
        if record.info["file"] != _identity(file):
            raise exc.DisconnectionError("the file of the database was replaced")

    event.listen(engine, "connect", remember)
    event.listen(engine, "checkout", compare)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
