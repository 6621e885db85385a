"""What PostgreSQL's errors mean, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.services.storage import (
    SchemaMismatchError,
    StorageBusyError,
    StorageDamagedError,
    StorageError,
    StorageFullError,
    StorageNotWritableError,
    StorageUnavailableError,
)

if TYPE_CHECKING:
    from sqlalchemy import URL

# By the beginning of the SQLSTATE, since the server's words are in its own language. The first that fits counts.
_MEANINGS: tuple[tuple[tuple[str, ...], type[StorageError], str], ...] = (
    (("40", "55P03", "57014", "53300", "25P03"), StorageBusyError, "is too busy; try again later"),
    (("08", "57P"), StorageUnavailableError, "has closed the connection; look whether it is running"),
    (("28",), StorageUnavailableError, "refused the login; correct DATABASE_URL"),
    (("3D000",), StorageUnavailableError, "has no such database; create it, or correct DATABASE_URL"),
    (("53",), StorageFullError, "has no room left; make room on its disk, what was kept is not lost"),
    (("25006", "42501"), StorageNotWritableError, "does not let us write; grant it to the user of DATABASE_URL"),
    (("42P01", "42703"), SchemaMismatchError, "lacks something that we need; run `utxoracle db check`"),
    (("58", "XX"), StorageDamagedError, "failed by itself; look at its log"),
)
# libpq gives no SQLSTATE when a connection cannot be made, or breaks.
_OF_A_CONNECTION = {"OperationalError", "ConnectionTimeout", "InterfaceError"}


def told_of_postgresql(error: BaseException | None, url: URL) -> StorageError | None:
    """Return what `error` means for the server of `url`; None when it is a mistake of the program."""
    place = f"PostgreSQL at {url.host or url.query.get('host') or 'its local socket'}, database {url.database},"
    state = getattr(error, "sqlstate", None)
    if state is None:
        if type(error).__name__ not in _OF_A_CONNECTION:
            return None
        return StorageUnavailableError(
            f"{place} cannot be reached, or refused the login of DATABASE_URL: {_words(error, url)}"
        )
    for beginnings, kind, sentence in _MEANINGS:
        if state.startswith(beginnings):
            return kind(f"{place} {sentence}: {_words(error, url)}")
    return None


def _words(error: BaseException | None, url: URL) -> str:
    """Return the server's own words on one line, and not the password, which libpq repeats if it cannot parse it."""
    words = " ".join(str(error).split())
    return words.replace(url.password, "***") if url.password else words
