"""Alarms about the accuracy of predictions in the event log, each told once whoever finds it, and whenever."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.adapters.database.events import append, hold_log
from app.adapters.database.tables import EventRow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.domain.whales.accuracy import Accuracy, AccuracyRule
    from app.domain.whales.score import Figure

ACCURACY_EVENT = "accuracy"
_COOLDOWN = timedelta(hours=1)


def append_alarm(
    connection: Connection, rule: AccuracyRule, recent: Figure, period: str, now: datetime
) -> dict[str, Any] | None:
    """Append that the accuracy has become low, very low or good again, and return what was appended; None if neither.

    The log itself is what is remembered, over restarts and by all hosts. After each alarm there is an hour's silence,
    at the end of which the state is told that then is, if it is another.
    """
    if recent.value is None:
        return None
    hold_log(connection)
    newest = select(EventRow.payload).where(EventRow.type == ACCURACY_EVENT).order_by(EventRow.id.desc()).limit(1)
    last = connection.execute(newest).scalar()
    before: Accuracy = "recovered" if last is None else last["state"]
    state = rule.state(recent.value, before)
    # What a clock that was ahead has left in the future does not silence the present.
    if state == before or (last is not None and timedelta(0) <= now - datetime.fromisoformat(last["at"]) < _COOLDOWN):
        return None
    payload = {
        "at": now.isoformat(),
        "state": state,
        "period": period,
        "accuracy": recent.value,
        "sample_size": recent.sample,
        "threshold": rule.threshold(state),
    }
    append(connection, ACCURACY_EVENT, payload, now)
    return payload
