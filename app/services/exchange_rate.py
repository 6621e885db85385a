"""The port through which exchange rates are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# A bitcoin has cost more than a dollar since 2011; at a billion, all of them would be worth more than all else.
LOWEST_USD, HIGHEST_USD = 1.0, 1e9


class RateUnavailableError(Exception):
    """No usable rate; the message says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A rate in USD per BTC, and when it was quoted (aware UTC).

    Attributes:
        ratios: Units of other currencies by code that cost a dollar, of a source that quotes in them as well.

    Raises:
        RateUnavailableError: The rate is no number, or not one that a bitcoin can cost.
    """

    usd: float
    quoted_at: datetime
    ratios: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what an upstream may send in place of a rate."""
        is_number = isinstance(self.usd, (int, float)) and not isinstance(self.usd, bool)
        if not is_number or not LOWEST_USD <= self.usd <= HIGHEST_USD:
            raise RateUnavailableError(f"the quote of {self.usd!r:.40} USD is not plausible")


class ExchangeRate(Protocol):
    """A source of rates."""

    def quote(self) -> Quote:
        """Return the newest quote, however old; raise RateUnavailableError when there is none."""
