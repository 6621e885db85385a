"""What wallets are told that bitcoin costs now: our own estimate, in dollars and in what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.price.comparison import SLOT, PriceComparison, slot_of
from app.services.price_view import STALE_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from app.services.price_history import PriceHistory


@dataclass(frozen=True, slots=True)
class WalletPrice:
    """A price in USD per BTC, its time (aware UTC), and whether it is too old to be shown as that of now.

    Attributes:
        derived: Prices in other currencies by code: our price, at what an exchange rate says that they cost in dollars.
    """

    usd: float
    timestamp: datetime
    derived: Mapping[str, float]
    is_stale: bool


class WalletPrices:
    """Reads the history as of now.

    Args:
        history: Of prices.
        max_age: Of prices and of what currencies cost. Half an hour at least: a shorter one would run out between runs.
        clock: Says what time it is.
    """

    def __init__(self, history: PriceHistory, max_age: timedelta, clock: Callable[[], datetime]) -> None:
        self._history = history
        self._max_age = max(max_age, STALE_AFTER)
        self._clock = clock
        self._found: tuple[str, PriceComparison | None, Mapping[str, float]] | None = None

    def newest(self) -> WalletPrice | None:
        """Return the newest valid price; None when there is none yet."""
        # Asked before the rows are read: they may be newer than it says, and never older.
        version = self._history.version()
        if self._found is None or self._found[0] != version:
            self._found = (version, *self._look())
        _, row, ratios = self._found
        if row is None or row.utxoracle_price is None:
            return None
        usd = row.utxoracle_price
        derived = {code: usd * ratio for code, ratio in ratios.items()}
        return WalletPrice(usd, row.timestamp, derived, self._clock() - row.timestamp > self._max_age)

    def _look(self) -> tuple[PriceComparison | None, Mapping[str, float]]:
        # What a clock that was ahead has left in the future is not a price of now.
        row = self._history.newest_valid_before(slot_of(self._clock()) + SLOT)
        return row, {} if row is None else self._ratios(row)

    def _ratios(self, row: PriceComparison) -> Mapping[str, float]:
        """Return those of `row`, or of the last before it: currencies move little in an hour without a quote."""
        if row.exchange_ratios:
            return row.exchange_ratios
        before = self._history.between(row.timestamp - self._max_age, row.timestamp)
        return next((each.exchange_ratios for each in reversed(before) if each.exchange_ratios), {})
