"""Beginnings and ends of divergences in the event log, each told once whoever finds it, and whenever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.adapters.database.events import append
from app.adapters.database.tables import EventRow, PriceRow

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from app.domain.price.comparison import PriceComparison
    from app.domain.price.divergence import DivergenceRule

DIVERGENCE_EVENT = "price_divergence"
_RAISED, _CLEARED = "raised", "cleared"


def append_crossing(
    connection: Connection, rule: DivergenceRule, kept: PriceComparison, now: datetime
) -> dict[str, Any] | None:
    """Append that a divergence began or ended with the row `kept`, and return what was appended; None if neither.

    The log itself is what is remembered, so it must have been appended to in this transaction: then no other host
    can do so, and those that did are seen.
    """
    difference_percent = kept.difference_percent
    if kept.source != "live" or not kept.is_valid or difference_percent is None:
        return None
    before = _last_state(connection) == _RAISED
    holds = rule.holds(difference_percent, before=before)
    if holds == before or _has_newer(connection, kept, now):
        return None
    payload = {
        "timestamp": kept.timestamp.isoformat(),
        "state": _RAISED if holds else _CLEARED,
        "difference_percent": difference_percent,
        "threshold_percent": rule.threshold_percent,
        "utxoracle_price": kept.utxoracle_price,
        "exchange_price": kept.exchange_price,
    }
    append(connection, DIVERGENCE_EVENT, payload, now)
    return payload


def _last_state(connection: Connection) -> str | None:
    newest = select(EventRow.payload).where(EventRow.type == DIVERGENCE_EVENT).order_by(EventRow.id.desc()).limit(1)
    payload = connection.execute(newest).scalar()
    return None if payload is None else payload["state"]


def _has_newer(connection: Connection, kept: PriceComparison, now: datetime) -> bool:
    """Return whether a newer slot has been compared, so that `kept` came late and says nothing about now.

    Rows of the future are left behind by a clock that was ahead.
    """
    newer = (
        select(PriceRow.id)
        .where(
            PriceRow.timestamp > kept.timestamp,
            PriceRow.timestamp <= now,
            PriceRow.source == "live",
            PriceRow.is_valid,
            PriceRow.difference_percent.is_not(None),
        )
        .limit(1)
    )
    return connection.execute(newer).first() is not None
