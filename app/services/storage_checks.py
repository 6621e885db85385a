"""What health and the acceptance test both ask about the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.services.storage import SchemaMismatchError

if TYPE_CHECKING:
    from app.services.storage import Storage


def check_database(storage: Storage) -> str:
    """Say that the database can be read; raise a StorageError when it cannot."""
    storage.probe()
    return "can be read"


def check_schema(storage: Storage) -> str:
    """Say which schema it has; raise SchemaMismatchError for one that this release cannot run on."""
    status = storage.schema()
    if not status.is_usable:
        raise SchemaMismatchError(" ".join(status.problems))
    return f"is at {status.current}"
