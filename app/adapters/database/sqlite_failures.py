"""What SQLite's errors mean, and what to do."""

from __future__ import annotations

import os
import re
import sqlite3
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
    from pathlib import Path

_NOT_OPENED = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}

# By primary code; the sentences begin with the file's name.
_MEANINGS: dict[int, tuple[type[StorageError], str]] = {
    sqlite3.SQLITE_BUSY: (StorageBusyError, "was locked for too long by another process; try again later"),
    sqlite3.SQLITE_LOCKED: (StorageBusyError, "was locked for too long by this process; try again later"),
    # Of its own, which it tries a hundred times: several processes open it at the same moment, or one was killed then.
    sqlite3.SQLITE_PROTOCOL: (StorageBusyError, "could not be joined with others at work; try again later"),
    sqlite3.SQLITE_FULL: (StorageFullError, "has no room left; make room on its disk, what was kept is not lost"),
    sqlite3.SQLITE_IOERR: (StorageUnavailableError, "cannot be read or written; look at the health of its disk"),
    sqlite3.SQLITE_CORRUPT: (StorageDamagedError, "is damaged; restore it from a backup"),
    sqlite3.SQLITE_NOTADB: (StorageDamagedError, "is no SQLite database; restore it from a backup"),
}


def told_of_sqlite(error: sqlite3.Error, file: Path) -> StorageError | None:
    """Return what `error` means for the database at `file`; None when it is a mistake of the program."""
    # The low byte is the primary code; errors that the module raises by itself have none.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
    if code in _NOT_OPENED:
        return why_not_opened(file)
    if code in _MEANINGS:
        kind, sentence = _MEANINGS[code]
        return kind(f"{file} {sentence}")
    if code == sqlite3.SQLITE_ERROR and re.match(r"no such (table|column)|table .* has no column", str(error)):
        return SchemaMismatchError(f"{file}: {error}; run `utxoracle db check`")
    return None


def why_not_opened(file: Path) -> StorageError:
    """Return the reason why SQLite cannot open or write `file`, found by looking at it as the process may."""
    directory, user = file.parent, os.geteuid()
    if not directory.is_dir():
        return StorageUnavailableError(f"the directory {directory} of the database does not exist; create it")
    if not _may(directory, os.W_OK | os.X_OK):
        return StorageNotWritableError(
            f"the directory {directory} cannot be written by user {user}, and SQLite keeps its log beside the "
            "database; give it to the service's user"
        )
    if not file.exists():
        return StorageUnavailableError(f"there is no database at {file}; `utxoracle db upgrade` makes it")
    if not _may(file, os.R_OK | os.W_OK):
        return StorageNotWritableError(f"{file} cannot be written by user {user}; give it to the service's user")
    return StorageNotWritableError(
        f"{file} cannot be opened for writing; look whether its filesystem is read-only, and who owns "
        f"{file.name}-wal and {file.name}-shm"
    )


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True)
