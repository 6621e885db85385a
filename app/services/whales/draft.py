"""What has been found and is not written yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.services.whales.whale_store import Changes, FeeSnapshot, Sighting

if TYPE_CHECKING:
    from datetime import datetime

    from app.services.whales.whale_store import BlockFlow, Whale, WhalePrediction, WhaleStore


class Draft:
    """Collects changes until they could be written; each row once, in its latest state."""

    def __init__(self) -> None:
        self._sightings: dict[str, Sighting] = {}
        self._whales: dict[str, Whale] = {}
        self._predictions: dict[str, WhalePrediction] = {}
        self._blocks: dict[str, BlockFlow] = {}
        self._fees: FeeSnapshot | None = None
        self._events: list[tuple[str, dict[str, Any]]] = []

    @property
    def is_empty(self) -> bool:
        """Whether all is written."""
        return not (self._sightings or self._whales or self._predictions or self._blocks or self._fees or self._events)

    def holds(self, txid: str) -> bool:
        """Return whether anything about a whale is not written yet."""
        return txid in self._sightings or txid in self._whales

    def holds_prediction(self, prediction_id: str) -> bool:
        """Return whether a change of a prediction is not written yet."""
        return prediction_id in self._predictions

    def sight(self, whale: Whale, prediction: WhalePrediction | None, event: tuple[str, dict[str, Any]] | None) -> None:
        """Add a whale that nobody knew."""
        self._sightings.setdefault(whale.txid, Sighting(whale=whale, prediction=prediction, event=event))

    def change(self, whale: Whale) -> None:
        """Add the new state of a whale."""
        self._whales[whale.txid] = whale

    def predict(self, prediction: WhalePrediction) -> None:
        """Add the new state of a prediction."""
        self._predictions[prediction.prediction_id] = prediction

    def block(self, flow: BlockFlow) -> None:
        """Add a block, or its new state."""
        self._blocks[flow.block_hash] = flow

    def fees(self, snapshot: FeeSnapshot) -> None:
        """Add the state of the mempool, in place of an older one."""
        self._fees = snapshot

    def tell(self, event: tuple[str, dict[str, Any]]) -> None:
        """Add an event."""
        self._events.append(event)

    def write(self, store: WhaleStore, at: datetime) -> None:
        """Write all of it; raise StorageError and keep it when that fails."""
        if self.is_empty:
            return
        store.write(
            Changes(
                at=at,
                sightings=list(self._sightings.values()),
                whales=list(self._whales.values()),
                predictions=list(self._predictions.values()),
                blocks=list(self._blocks.values()),
                fees=self._fees,
                events=self._events,
            )
        )
        # A new one: whoever was given the lists may keep them.
        self.__init__()  # type: ignore[misc]
