"""What the detector found, kept in the tables of whales, their predictions, blocks and fees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select

from app.adapters.database.events import append_all
from app.adapters.database.fee_snapshots import keep_fees
from app.adapters.database.many_rows import KEYS, chunks, insert_absent, upsert
from app.adapters.database.tables import BlockFlowRow, PredictionOutcomeRow, PriceRow, WhaleRow
from app.services.whales.whale_store import BlockFlow, Remembered, Whale, WhalePrediction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sqlalchemy import Connection, Select

    from app.adapters.database.engine import Database
    from app.services.whales.whale_store import Changes, Sighting

_WHALE, _PREDICTION, _BLOCK = (tuple(each.__dataclass_fields__) for each in (Whale, WhalePrediction, BlockFlow))
# Made once: SQLAlchemy takes three times as long for a statement that it has not seen before as for the answer.
_WHALES = select(*(getattr(WhaleRow, name) for name in _WHALE)).order_by(WhaleRow.timestamp, WhaleRow.txid)
_WHALES_OF_TXIDS = _WHALES.where(WhaleRow.txid.in_(KEYS))
_PENDING = _WHALES.where(WhaleRow.status == "pending")
_PREDICTIONS = select(*(getattr(PredictionOutcomeRow, name) for name in _PREDICTION)).order_by(
    PredictionOutcomeRow.predicted_at
)
_PREDICTIONS_OF_IDS = _PREDICTIONS.where(PredictionOutcomeRow.prediction_id.in_(KEYS))
_PREDICTIONS_OF_FINAL_TXIDS = _PREDICTIONS.where(PredictionOutcomeRow.final_txid.in_(KEYS))
_PUBLISHED = select(WhaleRow.txid, WhaleRow.prediction_id).where(WhaleRow.txid.in_(KEYS))
# What was published with the first alert is what is scored, whoever sees the whale later.
_OF_FIRST_SIGHT = frozenset(
    {"timestamp", "detected_at", "prediction_id", "predicted_block", "tip_height", "ahead_vb", "source"}
)
_PRICE_MAX_AGE = timedelta(days=1)


def _now() -> datetime:
    return datetime.now(UTC)


class DatabaseWhales:
    """Answers `app.services.whales.whale_store.WhaleStore`; `ring` is called after each commit and must not raise."""

    def __init__(self, database: Database, ring: Callable[[], None], clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock

    def write(self, changes: Changes) -> None:
        """Write `changes` in one transaction, and wake those who follow the event log.

        A sighting of a known whale writes nothing, so that of two detectors one tells. What a whale was first seen
        with stays, its prediction included; one that its whale does not name was never published and is not kept.
        """
        if changes.is_empty():
            return
        with self._database.writing() as connection:
            events = [*_keep_sightings(connection, changes.sightings), *changes.events]
            upsert(connection, WhaleRow, ("txid",), [_whale_row(each) for each in changes.whales], _OF_FIRST_SIGHT)
            _keep_predictions(connection, changes.predictions)
            upsert(connection, BlockFlowRow, ("block_hash",), [_row(each, _BLOCK) for each in changes.blocks])
            if changes.fees is not None:
                keep_fees(connection, changes.fees)
            append_all(connection, events, changes.at)
        if events:
            self._ring()

    def remembered(self, blocks: int) -> Remembered:
        """Return where an earlier detector stopped; `chain` of up to `blocks` blocks."""
        newest = (
            select(BlockFlowRow.block_height, BlockFlowRow.block_hash)
            .where(BlockFlowRow.is_connected)
            .order_by(BlockFlowRow.block_height.desc())
            .limit(blocks)
        )
        with self._database.reading() as connection:
            chain = [(height, block_hash) for height, block_hash in connection.execute(newest)][::-1]
            return Remembered(whales=_whales(connection, _PENDING), chain=chain)

    def ended_below(self, value_sat: int, since: datetime, most: int) -> Sequence[Whale]:
        """Return up to `most` first seen since then that ended without a block, and pay out less; the newest last."""
        newest = (
            _WHALES.where(
                WhaleRow.timestamp >= since,
                WhaleRow.status != "pending",
                WhaleRow.block_hash.is_(None),
                WhaleRow.value_sat < value_sat,
            )
            .order_by(None)
            .order_by(WhaleRow.timestamp.desc(), WhaleRow.txid.desc())
            .limit(most)
        )
        with self._database.reading() as connection:
            return _whales(connection, newest)[::-1]

    def find(self, txids: Collection[str]) -> Mapping[str, Whale]:
        """Return those of `txids` that are known, whatever has become of them."""
        with self._database.reading() as connection:
            return {
                whale.txid: whale for chunk in chunks(txids) for whale in _whales(connection, _WHALES_OF_TXIDS, chunk)
            }

    def predictions_of(self, final_txids: Collection[str]) -> Sequence[WhalePrediction]:
        """Return the predictions whose chain of replacements ends in one of these."""
        with self._database.reading() as connection:
            return [
                prediction
                for chunk in chunks(final_txids)
                for prediction in _predictions(connection, _PREDICTIONS_OF_FINAL_TXIDS, chunk)
            ]

    def predictions(self, prediction_ids: Collection[str]) -> Sequence[WhalePrediction]:
        """Return those predictions, whatever has become of them."""
        with self._database.reading() as connection:
            return [
                prediction
                for chunk in chunks(prediction_ids)
                for prediction in _predictions(connection, _PREDICTIONS_OF_IDS, chunk)
            ]

    def whales_in(self, block_hash: str) -> Sequence[Whale]:
        """Return the whales about which this block decided: confirmed, conflicted or missed."""
        with self._database.reading() as connection:
            return _whales(connection, _WHALES.where(WhaleRow.block_hash == block_hash))

    def pending_after(self, last: Whale | None, most: int) -> Sequence[Whale]:
        """Return up to `most` pending whales that come after `last`, by when they were first seen and by txid."""
        page = _PENDING.limit(most)
        if last is not None:
            is_later = or_(WhaleRow.timestamp > last.timestamp, WhaleRow.txid > last.txid)
            page = page.where(and_(WhaleRow.timestamp >= last.timestamp, is_later))
        with self._database.reading() as connection:
            return _whales(connection, page)

    def usd_per_btc(self) -> float | None:
        """Return the newest valid price of a day: our estimate, or else the exchange rate."""
        now = self._clock()
        newest = (
            select(PriceRow.is_valid, PriceRow.utxoracle_price, PriceRow.exchange_price)
            .where(
                PriceRow.source == "live",
                PriceRow.timestamp >= now - _PRICE_MAX_AGE,
                PriceRow.timestamp <= now,
                or_(PriceRow.is_valid, PriceRow.exchange_price.is_not(None)),
            )
            .order_by(PriceRow.is_valid.desc(), PriceRow.timestamp.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(newest).first()
        if row is None:
            return None
        is_valid, estimate, rate = row
        return estimate if is_valid else rate


def _keep_sightings(connection: Connection, sightings: Sequence[Sighting]) -> list[tuple[str, dict[str, Any]]]:
    """Insert what nobody knew; return the events that tell of it, in the order of `sightings`."""
    fresh = insert_absent(connection, WhaleRow, "txid", [_whale_row(each.whale) for each in sightings])
    predictions, events = [], []
    for sighting in sightings:
        if sighting.whale.txid not in fresh:
            continue
        fresh.remove(sighting.whale.txid)
        predictions += [] if sighting.prediction is None else [_row(sighting.prediction, _PREDICTION)]
        events += [] if sighting.event is None else [sighting.event]
    insert_absent(connection, PredictionOutcomeRow, "prediction_id", predictions)
    return events


def _keep_predictions(connection: Connection, predictions: Sequence[WhalePrediction]) -> None:
    published: dict[str, str | None] = {}
    for chunk in chunks({each.txid for each in predictions}):
        named = connection.execute(_PUBLISHED, {KEYS.key: chunk})
        published.update((txid, prediction_id) for txid, prediction_id in named)
    rows = [_row(each, _PREDICTION) for each in predictions if published.get(each.txid) == each.prediction_id]
    upsert(connection, PredictionOutcomeRow, ("prediction_id",), rows)


def _whales(connection: Connection, wanted: Select[Any], keys: Sequence[str] = ()) -> list[Whale]:
    rows = connection.execute(wanted, {KEYS.key: keys} if keys else None)
    return [Whale(**dict(zip(_WHALE, row, strict=True))) for row in rows]


def _predictions(connection: Connection, wanted: Select[Any], keys: Sequence[str]) -> list[WhalePrediction]:
    rows = connection.execute(wanted, {KEYS.key: keys})
    return [WhalePrediction(**dict(zip(_PREDICTION, row, strict=True))) for row in rows]


def _whale_row(whale: Whale) -> dict[str, Any]:
    return _row(whale, _WHALE) | {"btc_value": whale.btc_value}


def _row(record: Whale | WhalePrediction | BlockFlow, fields: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in fields}
