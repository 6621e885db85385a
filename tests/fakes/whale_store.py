"""What the detector remembers, kept in dictionaries: obvious, and of the same meaning as the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.services.storage import StorageError
from app.services.whales.whale_store import (
    BlockFlow,
    Changes,
    FeeSnapshot,
    Label,
    Remembered,
    Sighting,
    Whale,
    WhalePrediction,
)

Event = tuple[str, dict[str, Any]]
# What a whale was first seen with stays.
_OF_FIRST_SIGHT = (
    "timestamp",
    "detected_at",
    "prediction_id",
    "predicted_block",
    "tip_height",
    "ahead_vb",
    "source",
)


class MemoryWhales:
    """Answers WhaleStore. What goes in and comes out are copies, as from a database.

    Attributes:
        is_failing: Every call raises StorageError.
        usd: The price.
        writes: How many transactions there were.
    """

    def __init__(self) -> None:
        self.is_failing = False
        self.usd: float | None = None
        self.writes = 0
        self.whales: dict[str, Whale] = {}
        self.outcomes: dict[str, WhalePrediction] = {}
        self.blocks: dict[str, BlockFlow] = {}
        self.fees: list[FeeSnapshot] = []
        self.events: list[Event] = []

    def write(self, changes: Changes) -> None:
        self._may_fail()
        changes = deepcopy(changes)
        self.writes += 1
        events = [event for each in changes.sightings if (event := self._sight(each)) is not None]
        for whale in changes.whales:
            self._change(whale)
        for prediction in changes.predictions:
            self._predict(prediction)
        self.blocks |= {each.block_hash: each for each in changes.blocks}
        self.fees += [] if changes.fees is None else [changes.fees]
        self.events += [*events, *changes.events]

    def remembered(self, blocks: int) -> Remembered:
        self._may_fail()
        connected = [each for each in self.blocks.values() if each.is_connected]
        chain = sorted((each.block_height, each.block_hash) for each in connected)[-blocks:]
        waiting = _ordered(each for each in self.whales.values() if each.status == "pending")
        return deepcopy(Remembered(whales=waiting, chain=chain))

    def ended_below(self, value_sat: int, since: datetime, most: int) -> Sequence[Whale]:
        self._may_fail()
        ended = [each for each in self.whales.values() if each.status != "pending" and each.block_hash is None]
        return deepcopy(
            _ordered(each for each in ended if each.timestamp >= since and each.value_sat < value_sat)[-most:]
        )

    def find(self, txids: Collection[str]) -> Mapping[str, Whale]:
        self._may_fail()
        return deepcopy({txid: self.whales[txid] for txid in txids if txid in self.whales})

    def predictions_of(self, final_txids: Collection[str]) -> Sequence[WhalePrediction]:
        self._may_fail()
        return deepcopy([each for each in self.outcomes.values() if each.final_txid in final_txids])

    def predictions(self, prediction_ids: Collection[str]) -> Sequence[WhalePrediction]:
        self._may_fail()
        return deepcopy([each for each in self.outcomes.values() if each.prediction_id in prediction_ids])

    def whales_in(self, block_hash: str) -> Sequence[Whale]:
        self._may_fail()
        return deepcopy(_ordered(each for each in self.whales.values() if each.block_hash == block_hash))

    def pending_after(self, last: Whale | None, most: int) -> Sequence[Whale]:
        self._may_fail()
        pending = _ordered(each for each in self.whales.values() if each.status == "pending")
        later = [each for each in pending if last is None or _order(each) > _order(last)]
        return deepcopy(later[:most])

    def usd_per_btc(self) -> float | None:
        self._may_fail()
        return self.usd

    def told(self, event_type: str, txid: str | None = None) -> list[dict[str, Any]]:
        """Return the payloads of that type in their order, of one whale or of all."""
        return [
            payload
            for each, payload in self.events
            if each == event_type and (txid is None or payload.get("txid") == txid)
        ]

    def _may_fail(self) -> None:
        if self.is_failing:
            raise StorageError("the disk is full")

    def _sight(self, sighting: Sighting) -> Event | None:
        if sighting.whale.txid in self.whales:
            return None
        self.whales[sighting.whale.txid] = sighting.whale
        if sighting.prediction is not None:
            self.outcomes.setdefault(sighting.prediction.prediction_id, sighting.prediction)
        return sighting.event

    def _change(self, whale: Whale) -> None:
        known = self.whales.get(whale.txid)
        if known is not None:
            whale = replace(whale, **{name: getattr(known, name) for name in _OF_FIRST_SIGHT})
        self.whales[whale.txid] = whale

    def _predict(self, prediction: WhalePrediction) -> None:
        """Keep what was published: one that its whale does not name was not."""
        whale = self.whales.get(prediction.txid)
        if whale is not None and whale.prediction_id == prediction.prediction_id:
            self.outcomes[prediction.prediction_id] = prediction


class MemoryLabels:
    """Answers Labels."""

    def __init__(self) -> None:
        self.known: dict[bytes, Label] = {}
        self.is_failing = False

    def of_scripts(self, scripts: Collection[bytes]) -> Mapping[bytes, Label]:
        if self.is_failing:
            raise StorageError("the disk is full")
        return {script: self.known[script] for script in scripts if script in self.known}


def _ordered(whales: Iterable[Whale]) -> list[Whale]:
    return sorted(whales, key=_order)


def _order(whale: Whale) -> tuple[datetime, str]:
    return whale.timestamp, whale.txid
