"""Which whales a client wants to hear of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.services.event_log import Event
    from app.web.stream_messages import Filters

# Everything else comes in any case.
FILTERED = frozenset({"whale_alert", "status_update"})


class WhaleFilter:
    """Judges each event by its payload.

    A figure that is not known reaches no least one above 0.
    """

    __slots__ = ("_flow_types", "_min_btc", "_min_urgency", "_statuses")

    def __init__(self, wish: Filters) -> None:
        self._min_btc = wish.min_btc or 0
        self._min_urgency = wish.min_urgency or 0
        self._flow_types = _chosen(wish.flow_types)
        self._statuses = _chosen(wish.statuses)

    @classmethod
    def of(cls, wish: Filters) -> WhaleFilter | None:
        """Return the filter of a client; None if it wants all."""
        return cls(wish) if wish != type(wish)() else None

    def lets_through(self, event: Event) -> bool:
        """Return whether the client wants it."""
        if event.type not in FILTERED:
            return True
        whale = event.payload
        return (
            _reaches(whale.get("btc_value"), self._min_btc)
            and _reaches(whale.get("urgency_score"), self._min_urgency)
            and (self._flow_types is None or whale.get("flow_type") in self._flow_types)
            and (self._statuses is None or whale.get("status") in self._statuses)
        )


def _chosen(names: Collection[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _reaches(figure: float | None, least: float) -> bool:
    return least <= 0 or (figure is not None and figure >= least)
