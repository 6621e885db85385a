"""One way in: a database, and transactions that read or write."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import exc, inspect, make_url

from app.adapters.database import postgresql, sqlite
from app.adapters.database.failures import told_plainly
from app.adapters.database.schema import schema_status
from app.adapters.database.sqlite_failures import why_not_opened
from app.services.storage import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import URL, Connection, Engine

    from app.services.storage import SchemaStatus

# NaN and infinity are not JSON, and PostgreSQL would refuse them later and less clearly.
_JSON = {"json_serializer": partial(json.dumps, allow_nan=False, ensure_ascii=False)}


@dataclass(frozen=True, slots=True)
class Database:
    """The database of one process; answers `app.services.storage.Storage`.

    A process that forks opens it afterwards. Transactions raise a StorageError for every failure but a violated
    constraint, and are rolled back then. Nothing that takes long belongs inside a writing one: on SQLite it is the
    only one of all processes.
    """

    engine: Engine
    url: URL
    reading_options: Mapping[str, Any]
    writing_options: Mapping[str, Any]

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees the database as it is at one moment and cannot write."""
        with self._transaction(self.reading_options) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection whose changes are committed together at the end of the block, or not at all."""
        with self._transaction(self.writing_options) as connection:
            yield connection

    @contextmanager
    def _transaction(self, options: Mapping[str, Any]) -> Iterator[Connection]:
        with (
            told_plainly(self.url),
            self.engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection

    def probe(self) -> None:
        """Read something from the database itself; raise a StorageError when that fails."""
        with self.reading() as connection:
            # On SQLite a bare SELECT 1 would not look at the file.
            inspect(connection).has_table("events")

    def schema(self) -> SchemaStatus:
        """Return the state of the schema; raise a StorageError when it cannot be read."""
        with self.reading() as connection:
            return schema_status(connection)

    def close(self) -> None:
        """Close the connections that are not in use; `with` does so at the end of its block."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        """Return the database itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def open_database(url: str, *, create: bool = False) -> Database:
    """Return the database at `url`; it connects when it is first used.

    Args:
        url: SQLAlchemy URL of a SQLite file or of PostgreSQL.
        create: Make the SQLite file when it is not there, as the migrations do.

    Raises:
        StorageUnavailableError: The URL is neither.
        StorageNotWritableError: The file was to be made and cannot be.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "postgresql":
        return Database(postgresql.postgresql_engine(parsed, _JSON), parsed, postgresql.READING, postgresql.WRITING)
    file = Path(parsed.database or "")
    if create:
        try:
            sqlite.create_file(file)
        except OSError as error:
            raise why_not_opened(file) from error
    return Database(sqlite.sqlite_engine(parsed, _JSON), parsed, sqlite.READING, sqlite.WRITING)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        # The message of either may repeat a password.
        raise StorageUnavailableError("the URL of the database cannot be understood; correct DATABASE_URL") from None
    backend = parsed.get_backend_name()
    if backend == "postgresql" or (backend == "sqlite" and parsed.database not in {None, "", ":memory:"}):
        return parsed
    raise StorageUnavailableError(
        "the database must be a SQLite file (sqlite:////absolute/path) or PostgreSQL (postgresql://user:password@host/name)"
    )
