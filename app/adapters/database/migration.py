"""Move the schema to a revision, all of the way or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text

from app.adapters.database.failures import told_plainly
from app.adapters.database.postgresql import take_your_time
from app.adapters.database.schema import EXPECTED_REVISION
from app.adapters.database.tables import Base
from app.services.storage import SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from app.adapters.database.engine import Database

# Beside `app/` and `migrations/`, in a checkout as in a release.
ALEMBIC_INI = Path(__file__).resolve().parents[3] / "alembic.ini"
_MIGRATION_LOCK = 0x6D696772


def upgrade(database: Database, revision: str = "head") -> tuple[str | None, str | None]:
    """Move the schema up to `revision`; return where it was and where it is.

    A second call at the same time waits and finds nothing left to do. A database that a later release migrated stays
    as it is: this release runs on it.

    Raises:
        StorageError: The database failed, or `revision` is unknown; nothing was changed.
    """
    return _move(database, revision, up=True)


def downgrade(database: Database, revision: str) -> tuple[str | None, str | None]:
    """Move the schema down to `revision` (`base`: no tables); return where it was and where it is.

    Raises:
        StorageError: The database failed, or `revision` is unknown; nothing was changed.
    """
    return _move(database, revision, up=False)


def differences(database: Database) -> list[str]:
    """Return what differs between the tables of this release and those of the database, for a developer's eye."""
    with database.reading() as connection:
        context = MigrationContext.configure(connection)
        return [str(difference) for difference in compare_metadata(context, Base.metadata)]


def _move(database: Database, revision: str, *, up: bool) -> tuple[str | None, str | None]:
    config = Config(ALEMBIC_INI)
    with _exclusively(database) as connection:
        before = _current(connection)
        if up and before is not None and before > EXPECTED_REVISION and not _known(config, before):
            return before, before
        config.attributes["connection"] = connection
        try:
            (command.upgrade if up else command.downgrade)(config, revision)
        except CommandError as error:
            raise SchemaMismatchError(f"{error}; this release knows revisions up to {EXPECTED_REVISION}") from error
        return before, _current(connection)


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _known(config: Config, revision: str) -> bool:
    return any(script.revision == revision for script in ScriptDirectory.from_config(config).walk_revisions())


@contextmanager
def _exclusively(database: Database) -> Iterator[Connection]:
    """Give the one connection that may change the schema, in a transaction around all revisions."""
    with (
        told_plainly(database.url),
        database.engine.connect().execution_options(**database.writing_options) as connection,
    ):
        if connection.dialect.name == "postgresql":
            with connection.begin():
                take_your_time(connection)
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
                yield connection
            return
        with _unreferenced(connection), connection.begin():
            yield connection
            broken = connection.execute(text("PRAGMA foreign_key_check")).all()
            if broken:
                raise SchemaMismatchError(f"a migration would leave {len(broken)} rows without what they refer to")


@contextmanager
def _unreferenced(connection: Connection) -> Iterator[None]:
    """Leave foreign keys alone meanwhile: SQLite changes a table by dropping it, which would drop what refers to it.

    The setting cannot be changed inside a transaction.
    """
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - narrows the type of an open connection
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON")
