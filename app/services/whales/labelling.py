"""Use case: learn which addresses belong to whom, always with who says so."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

from app.services.price_import import Checked
from app.services.whales.label_lines import known_address_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from app.services.price_import import Line
    from app.services.whales.label_lines import Context, KnownAddress

# A transaction of so many takes a fraction of a second, and nobody else can write to SQLite meanwhile.
BATCH_ROWS = 2000
# More of them tell an operator nothing new.
_MOST_PROBLEMS = 20


class LabelFile(Protocol):
    """A file of labels, which can be read again and again."""

    def lines(self) -> Iterator[Line]:
        """Yield its lines from the first."""


class Counts(NamedTuple):
    """Labels of a file, by what the table had of the same address and source: nothing, something else, the same."""

    new: int
    changed: int
    same: int


class OfSource(NamedTuple):
    """How many addresses one source labels with one category, and when it last said so, if it told."""

    source: str
    category: str
    addresses: int
    asserted_at: datetime | None


class LabelTable(Protocol):
    """The table `labels`. Every method may raise StorageError."""

    def keep(self, labels: Sequence[KnownAddress], now: datetime) -> Counts:
        """Put each in place of what its source said of its address before, all in one transaction."""

    def is_empty(self) -> bool:
        """Return whether there is none."""

    def sources(self) -> Sequence[OfSource]:
        """Return what there is, by source and category."""

    def every(self, source: str | None) -> Iterator[KnownAddress]:
        """Yield the labels of `source`, or all, always in one order; many need no more memory than few."""

    def remove(self, source: str) -> int:
        """Forget what `source` said; return of how many addresses."""


class FileChangedError(Exception):
    """The file was another one when it was read for the second time."""


class LabelImport:
    """Imports one file; reads it once to check every line, and a second time to take it over, in flat memory."""

    def __init__(self, file: LabelFile, context: Context) -> None:
        self._file = file
        self._context = context

    def check(self) -> Checked:
        """Return what the file is fit for; nothing is written."""
        checked = Checked()
        for label in self._labels():
            if not isinstance(label, str):
                checked.good += 1
                continue
            checked.bad += 1
            if len(checked.problems) < _MOST_PROBLEMS:
                checked.problems.append(label)
        return checked

    def write(self, table: LabelTable) -> Counts:
        """Import a file that was found good, batch by batch; an interruption is made good by doing it again.

        Raises:
            FileChangedError: A line has become bad; the batches before are kept.
            StorageError: The database failed; likewise.
        """
        total = Counts(0, 0, 0)
        labels = self._labels()
        while batch := list(islice(labels, BATCH_ROWS)):
            good = [label for label in batch if not isinstance(label, str)]
            if len(good) < len(batch):
                raise FileChangedError("the file changed while it was read; do it again")
            counts = table.keep(good, self._context.now)
            total = Counts(*(before + more for before, more in zip(total, counts, strict=True)))
        return total

    def _labels(self) -> Iterator[KnownAddress | str]:
        """Yield the label of each line, or the sentence that says what is wrong with it."""
        for number, fields in self._file.lines():
            try:
                if isinstance(fields, ValueError):
                    raise fields
                yield known_address_of(fields, self._context)
            except ValueError as error:
                yield f"line {number}: {error}"


def seed_shipped(table: LabelTable, shipped: LabelFile, context: Context) -> int:
    """Fill an empty table with the labels that come with the release; return how many there are of them.

    They are of the main network; elsewhere there are none to know.
    """
    if context.network != "main" or not table.is_empty():
        return 0
    return LabelImport(shipped, context).write(table).new
