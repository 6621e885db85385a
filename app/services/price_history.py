"""The port through which price comparisons are kept and read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.domain.price.comparison import PriceComparison

Bucket = Literal["raw", "hour", "day"]


@dataclass(frozen=True, slots=True)
class DifferenceSummary:
    """Differences (estimate minus rate, USD) of the valid rows of a timeframe; None without any."""

    mean: float | None
    median: float | None
    min: float | None
    max: float | None
    count: int
    valid_count: int
    compared_count: int


class PriceHistory(Protocol):
    """The table `price_comparisons`, and the `price_update` event that goes with each row."""

    def record(self, comparison: PriceComparison, now: datetime) -> int:
        """Keep `comparison` and append its event, in one transaction; return the event's id.

        A second run in one slot replaces the row, except that an invalid one never replaces a valid one:
        then nothing changes and 0 is returned.
        """

    def newest(self) -> PriceComparison | None:
        """Return the newest row, valid or not."""

    def newest_valid_before(self, moment: datetime) -> PriceComparison | None:
        """Return the newest valid row with a timestamp below `moment`, of any source; None when there is none."""

    def span(self) -> tuple[datetime, datetime] | None:
        """Return the timestamps of the oldest and the newest row, valid or not; None when there is no row yet."""

    def between(self, start: datetime, end: datetime) -> Sequence[PriceComparison]:
        """Return rows with start <= timestamp < end, oldest first."""

    def table(self, columns: Sequence[str], start: datetime, end: datetime, bucket: Bucket) -> Sequence[Sequence[Any]]:
        """Return these columns, names of the table's, of rows with start <= timestamp < end, oldest first.

        With a bucket of an hour or a day each row is the mean of the valid rows of that bucket, stamped with
        the bucket's start (UTC); its height is the highest, a difference that of the rows that have both prices,
        and what has no mean is None. The exchange rate is the mean of all rows that have one: a bucket that has no
        valid row is there with that alone, and is not valid itself.
        """

    def version(self) -> str:
        """Return what is another after every change of the rows, and costs next to nothing to ask."""

    def differences(self, start: datetime, end: datetime) -> DifferenceSummary:
        """Summarise the differences of the rows with start <= timestamp < end."""
