"""Use case: take prices over from a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from app.services.price_lines import comparison_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from app.domain.price.comparison import PriceComparison
    from app.services.judgement import Limits

# A transaction of so many takes a fraction of a second, and nobody else can write to SQLite meanwhile.
BATCH_ROWS = 2000
# More of them tell an operator nothing new.
_MOST_PROBLEMS = 20


class Line(NamedTuple):
    """A line of a file: its number from 1, and its fields by name, or what is wrong with it as a whole."""

    number: int
    fields: Mapping[str, Any] | ValueError


class PriceFile(Protocol):
    """A file of prices, read once."""

    @property
    def origin(self) -> str:
        """What says which file it was: its name and its digest."""

    def lines(self) -> Iterator[Line]:
        """Yield its lines, alike each time."""


@dataclass(slots=True)
class Counts:
    """Rows of a file, by what the table has in their slots.

    Attributes:
        new: Nothing from an import.
        same: The same.
        differing: Other figures.
    """

    new: int = 0
    same: int = 0
    differing: int = 0


class ImportedPrices(Protocol):
    """The imported rows of the history."""

    def compared(self, rows: Sequence[PriceComparison]) -> Counts:
        """Return how `rows` compare with those that are there."""

    def write(self, rows: Sequence[PriceComparison], origin: str, now: datetime, *, replace: bool) -> Counts:
        """Write what is new, and what differs if `replace`, with one event for both, all in one transaction.

        Whatever is there already is left as it is, so that a second time changes nothing. Returns what was found.
        """


@dataclass(slots=True)
class Checked:
    """What a file is fit for.

    Attributes:
        good: Lines that can be imported.
        bad: Lines that cannot.
        problems: A sentence for each of the first of those.
    """

    good: int = 0
    bad: int = 0
    problems: list[str] = field(default_factory=list)


class PriceImport:
    """Imports one file; reads it once to check every line, and a second time to take it over.

    A row is one 10-minute slot: a time is rounded down to it, and a day stands for its beginning, at 00:00 UTC.
    """

    def __init__(self, file: PriceFile, limits: Limits, now: datetime) -> None:
        self._file = file
        self._limits = limits
        self._now = now

    def check(self) -> Checked:
        """Return what the file is fit for; nothing is written."""
        checked = Checked()
        for row in self._rows():
            if isinstance(row, str):
                checked.bad += 1
                if len(checked.problems) < _MOST_PROBLEMS:
                    checked.problems.append(row)
            else:
                checked.good += 1
        return checked

    def compare(self, prices: ImportedPrices) -> Counts:
        """Return what an import would find; nothing is written."""
        return _sum(prices.compared(batch) for batch in self._batches())

    def write(self, prices: ImportedPrices, *, replace: bool) -> Counts:
        """Import the good lines, batch by batch; an interruption is made good by doing it again.

        Raises:
            StorageError: The database failed; the batches before are kept.
        """
        return _sum(prices.write(batch, self._file.origin, self._now, replace=replace) for batch in self._batches())

    def _batches(self) -> Iterator[list[PriceComparison]]:
        good = (row for row in self._rows() if not isinstance(row, str))
        while batch := list(islice(good, BATCH_ROWS)):
            yield batch

    def _rows(self) -> Iterator[PriceComparison | str]:
        """Yield the row of each line, or the sentence that says what is wrong with it."""
        lines_by_slot: dict[int, int] = {}
        for number, fields in self._file.lines():
            try:
                if isinstance(fields, ValueError):
                    raise fields
                row = comparison_of(fields, self._limits, self._now, f"{self._file.origin} line {number}")
            except ValueError as error:
                yield f"line {number}: {error}"
                continue
            earlier = lines_by_slot.setdefault(int(row.timestamp.timestamp()), number)
            if earlier == number:
                yield row
            else:
                yield f"line {number}: it is of the same 10 minutes as line {earlier}"


def _sum(each: Iterable[Counts]) -> Counts:
    total = Counts()
    for counts in each:
        total.new += counts.new
        total.same += counts.same
        total.differing += counts.differing
    return total
