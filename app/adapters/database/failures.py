"""Failures of the drivers, told as the errors of `app.services.storage`."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import exc

from app.adapters.database.postgresql_failures import told_of_postgresql
from app.adapters.database.sqlite_failures import told_of_sqlite
from app.services.storage import StorageBusyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

    from app.services.storage import StorageError


@contextmanager
def told_plainly(url: URL) -> Iterator[None]:
    """Turn what the drivers raise within the block into a StorageError about `url`; constraints stay as they are."""
    try:
        yield
    except exc.IntegrityError:
        raise
    except exc.TimeoutError as error:
        raise StorageBusyError("every connection to the database is in use; try again later") from error
    except (exc.DBAPIError, sqlite3.Error) as error:
        told = _told(error, url)
        if told is None:
            raise
        raise told from error


def _told(error: exc.DBAPIError | sqlite3.Error, url: URL) -> StorageError | None:
    """Return the failure in our words; None when it is a mistake of the program."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return told_of_sqlite(cause, Path(url.database or ""))
    return told_of_postgresql(cause, url)
