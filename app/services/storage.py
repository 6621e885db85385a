"""The port through which the state of the database is known, and how its failures are told.

Every port that is answered from the database raises these. The messages are for operators: they say what to do and
name hosts and files, never a password. What a stranger may read is for the web to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class StorageError(Exception):
    """The database did not do what it was asked; nothing of the transaction was kept."""


class StorageUnavailableError(StorageError):
    """The database is not there, cannot be reached, or refused the login."""


class StorageNotWritableError(StorageError):
    """The database can be read, or seen, but not written."""


class StorageFullError(StorageError):
    """There is no room left for the database."""


class StorageBusyError(StorageError):
    """Others kept the database busy for longer than we wait; trying again later may help."""


class StorageDamagedError(StorageError):
    """What is there is no database, or a broken one."""


class SchemaMismatchError(StorageError):
    """A table or column that we need is missing."""


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """What the schema is, and what it should be.

    Attributes:
        current: Revision of the database; None when it was never migrated.
        expected: Revision that this release was written for.
        missing: Tables (`events`) and columns (`events.payload`) that this release needs and that are not there.
    """

    current: str | None
    expected: str
    missing: tuple[str, ...] = ()

    @property
    def is_at_head(self) -> bool:
        """Whether the revision is the one expected and nothing is missing."""
        return self.current == self.expected and not self.missing

    @property
    def is_newer(self) -> bool:
        """Whether a later release migrated the database, as after a rollback; revisions begin with their date."""
        return self.current is not None and self.current > self.expected

    @property
    def is_usable(self) -> bool:
        """Whether this release can run on it: at head, or ahead of it with nothing missing."""
        return not self.missing and (self.current == self.expected or self.is_newer)

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each thing that keeps this release from running on it."""
        found = []
        if self.current is None:
            return ("The database has no tables of ours yet; run `utxoracle db upgrade`.",)
        if self.current < self.expected:
            found.append(
                f"The schema is at {self.current}, this release needs {self.expected}; run `utxoracle db upgrade`."
            )
        found += [f"{name} is missing from the database; restore it from a backup." for name in self.missing]
        return tuple(found)


class Storage(Protocol):
    """The database as a whole."""

    def probe(self) -> None:
        """Read something from the database itself; raise a StorageError when that fails."""

    def schema(self) -> SchemaStatus:
        """Return the state of the schema; raise a StorageError when it cannot be read."""
