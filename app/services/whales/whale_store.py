"""The port through which the detector remembers: whales, predictions, blocks and the events about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime


@dataclass(slots=True, kw_only=True)
class Whale:
    """A row of `whale_transactions`.

    `timestamp` is when it was first seen, `detected_at` when we knew it for a whale; `block_hash` that of the block it
    is in. Null figures of fee and urgency: could not be known. `inputs_resolved` is False when `moved_sat` is all of
    its outputs for want of its inputs. `left_at`: it is not in the mempool and we do not know yet why.
    """

    txid: str
    timestamp: datetime
    detected_at: datetime
    prediction_id: str | None
    value_sat: int
    moved_sat: int
    inputs_resolved: bool
    vsize_vb: int
    fee_sat: int | None
    fee_rate: float | None
    is_rbf: bool
    kind: str
    flow_type: str
    exchange_labels: list[str]
    urgency_score: float | None
    urgency_level: str | None
    status: str
    replaced_by: str | None
    left_at: datetime | None
    predicted_block: int | None
    tip_height: int | None
    ahead_vb: int | None
    block_height: int | None
    block_hash: str | None
    confirmed_at: datetime | None
    source: str
    usd_value: float | None
    # Of what it spends, as `txid:vout`; kept so that a conflict is known after a restart.
    outpoints: list[str]

    @property
    def btc_value(self) -> float:
        """What it moves, in BTC."""
        return self.moved_sat / 100_000_000


@dataclass(slots=True, kw_only=True)
class WhalePrediction:
    """A row of `prediction_outcomes`; `distribution` of `inputs` is the probability of each block from the next on."""

    prediction_id: str
    txid: str
    final_txid: str
    predicted_at: datetime
    tip_height: int
    predicted_block: int
    earliest_block: int
    latest_block: int
    next_block_probability: float
    urgency_score: float
    feerate_sat_vb: float
    ahead_vb: int
    inputs: dict[str, Any]
    baseline_block: int | None
    outcome: str
    outcome_block: int | None
    resolved_at: datetime | None
    on_time: bool | None


@dataclass(slots=True, kw_only=True)
class BlockFlow:
    """A row of `block_flows`: a block that was looked through, and what whales moved in it."""

    block_hash: str
    block_height: int
    block_time: datetime
    is_connected: bool
    whale_count: int
    inflow_sat: int
    outflow_sat: int
    internal_sat: int
    unknown_sat: int
    created_at: datetime


@dataclass(slots=True, kw_only=True)
class FeeSnapshot:
    """A row of `fee_snapshots`."""

    taken_at: datetime
    source: str
    tip_height: int
    transaction_count: int
    mempool_vsize_vb: int
    next_block_feerate_sat_vb: float | None
    economy_feerate_sat_vb: float | None
    histogram: list[dict[str, Any]]
    projected_blocks: list[dict[str, Any]]


@dataclass(slots=True, kw_only=True)
class Sighting:
    """A whale that nobody knew, with the prediction made of it and the event that tells of it, if one does.

    Should the store know the txid already, nothing of the sighting is written.
    """

    whale: Whale
    prediction: WhalePrediction | None
    event: tuple[str, dict[str, Any]] | None


@dataclass(slots=True, kw_only=True)
class Changes:
    """What is written together, or not at all.

    Attributes:
        at: When.
        sightings: New whales, in their order, before anything else.
        whales: Known ones, in their present state.
        predictions: Likewise.
        blocks: Inserted, or their `is_connected`, counts and sums brought to those given.
        fees: The state of the mempool, in place of that of the same ten minutes.
        events: Type and payload, in their order, after those of the sightings.
    """

    at: datetime
    sightings: list[Sighting] = field(default_factory=list)
    whales: list[Whale] = field(default_factory=list)
    predictions: list[WhalePrediction] = field(default_factory=list)
    blocks: list[BlockFlow] = field(default_factory=list)
    fees: FeeSnapshot | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Return whether there is nothing to write."""
        return not (self.sightings or self.whales or self.predictions or self.blocks or self.fees or self.events)


@dataclass(slots=True, kw_only=True)
class Remembered:
    """Where an earlier detector stopped.

    Attributes:
        whales: Those that wait.
        chain: Height and hash of the connected blocks that were looked through last, oldest first.
    """

    whales: Sequence[Whale]
    chain: Sequence[tuple[int, str]]


class WhaleStore(Protocol):
    """Keeps what the detector found. Every method may raise StorageError, and then nothing was written."""

    def write(self, changes: Changes) -> None:
        """Write `changes` in one transaction, and wake those who follow the event log."""

    def remembered(self, blocks: int) -> Remembered:
        """Return where an earlier detector stopped; `chain` of up to `blocks` blocks."""

    def ended_below(self, value_sat: int, since: datetime, most: int) -> Sequence[Whale]:
        """Return up to `most` first seen since then that ended without a block, and pay out less; the newest last."""

    def find(self, txids: Collection[str]) -> Mapping[str, Whale]:
        """Return those of `txids` that are known, whatever has become of them."""

    def predictions_of(self, final_txids: Collection[str]) -> Sequence[WhalePrediction]:
        """Return the predictions whose chain of replacements ends in one of these."""

    def predictions(self, prediction_ids: Collection[str]) -> Sequence[WhalePrediction]:
        """Return those predictions, whatever has become of them."""

    def whales_in(self, block_hash: str) -> Sequence[Whale]:
        """Return the whales about which this block decided: confirmed, conflicted or missed."""

    def pending_after(self, last: Whale | None, most: int) -> Sequence[Whale]:
        """Return up to `most` pending whales that come after `last`, by when they were first seen and by txid."""

    def usd_per_btc(self) -> float | None:
        """Return the newest valid price: our estimate, or else the exchange rate; None when it is older than a day."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of an address: who says so, and when, stands in the table."""

    name: str
    category: str


class Labels(Protocol):
    """Known addresses."""

    def of_scripts(self, scripts: Collection[bytes]) -> Mapping[bytes, Label]:
        """Return the label of each output script that has one; may raise StorageError."""
