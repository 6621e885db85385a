"""The port through which exchange rates are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class RateUnavailableError(Exception):
    """No usable rate; the message says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A rate in USD per BTC, and when it was quoted (aware UTC)."""

    usd: float
    quoted_at: datetime


class ExchangeRate(Protocol):
    """A source of rates."""

    def quote(self) -> Quote:
        """Return the newest quote, however old; raise RateUnavailableError when there is none."""
