"""What has been found and is not written yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.services.whales.whale_store import Changes, FeeSnapshot, Sighting

if TYPE_CHECKING:
    from datetime import datetime

    from app.services.whales.whale_store import BlockFlow, Whale, WhalePrediction, WhaleStore


@dataclass(slots=True)
class _Unwritten:
    """As Changes, by what tells one row from another."""

    sightings: dict[str, Sighting] = field(default_factory=dict)
    whales: dict[str, Whale] = field(default_factory=dict)
    predictions: dict[str, WhalePrediction] = field(default_factory=dict)
    blocks: dict[str, BlockFlow] = field(default_factory=dict)
    fees: FeeSnapshot | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def changes(self, at: datetime) -> Changes:
        return Changes(
            at=at,
            sightings=list(self.sightings.values()),
            whales=list(self.whales.values()),
            predictions=list(self.predictions.values()),
            blocks=list(self.blocks.values()),
            fees=self.fees,
            events=self.events,
        )


# Compared with in each turn several times, and never changed.
_NOTHING = _Unwritten()


class Draft:
    """Collects changes until they could be written; each row once, in its latest state."""

    def __init__(self) -> None:
        self._unwritten = _Unwritten()

    @property
    def is_empty(self) -> bool:
        """Whether all is written."""
        return self._unwritten == _NOTHING

    def holds(self, txid: str) -> bool:
        """Return whether anything about a whale is not written yet."""
        return txid in self._unwritten.sightings or txid in self._unwritten.whales

    def sight(self, whale: Whale, prediction: WhalePrediction | None, event: tuple[str, dict[str, Any]] | None) -> None:
        """Add a whale that nobody knew."""
        self._unwritten.sightings.setdefault(whale.txid, Sighting(whale=whale, prediction=prediction, event=event))

    def change(self, whale: Whale) -> None:
        """Add the new state of a whale."""
        self._unwritten.whales[whale.txid] = whale

    def predict(self, prediction: WhalePrediction) -> None:
        """Add the new state of a prediction."""
        self._unwritten.predictions[prediction.prediction_id] = prediction

    def block(self, flow: BlockFlow) -> None:
        """Add a block, or its new state."""
        self._unwritten.blocks[flow.block_hash] = flow

    def fees(self, snapshot: FeeSnapshot) -> None:
        """Add the state of the mempool, in place of an older one."""
        self._unwritten.fees = snapshot

    def tell(self, event: tuple[str, dict[str, Any]]) -> None:
        """Add an event."""
        self._unwritten.events.append(event)

    def write(self, store: WhaleStore, at: datetime) -> None:
        """Write all of it; raise StorageError and keep it when that fails."""
        if self.is_empty:
            return
        store.write(self._unwritten.changes(at))
        # A new one: whoever was given the lists may keep them.
        self._unwritten = _Unwritten()
