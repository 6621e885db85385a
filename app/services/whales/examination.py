"""A closer look at transactions that may be whales: what they move, what they pay, whom they replace."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from app.domain.blocks.malformed import MalformedBlockError
from app.domain.whales.movement import movement
from app.domain.whales.parts import outpoint_of, read_parts
from app.services.whales.whale_store import Whale

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.domain.whales.movement import Movement
    from app.domain.whales.parts import Parts
    from app.domain.whales.prevout import Prevout
    from app.services.whales.mempool_node import Entry, MempoolNode
    from app.services.whales.whale_store import Labels

_EXCHANGE = "exchange"
# In one request.
_COINS = 500


class Looked(NamedTuple):
    """A transaction, and what the node and the labels said about it.

    Attributes:
        parts: The transaction.
        entry: How it waits; None when it does not.
        moved: What it moves.
    """

    parts: Parts
    entry: Entry | None
    moved: Movement


class Examination:
    """Asks the node and the labels, for many transactions at a time."""

    def __init__(self, node: MempoolNode, labels: Labels, most_inputs: int) -> None:
        self._node = node
        self._labels = labels
        self._most_inputs = most_inputs

    def entries(self, txids: Sequence[str]) -> Mapping[str, Entry]:
        """Return the entry of each transaction that is in the mempool; raise NodeError."""
        found = self._node.entries([bytes.fromhex(txid) for txid in txids])
        return {txid: entry for txid, entry in zip(txids, found, strict=True) if entry is not None}

    def look(self, waiting: Sequence[tuple[Parts, Entry | None]]) -> list[Looked]:
        """Return what each moves; may raise NodeError or StorageError."""
        spent = self._spent(waiting)
        moved = self.movements([parts for parts, _ in waiting], spent)
        return [Looked(parts, entry, each) for (parts, entry), each in zip(waiting, moved, strict=True)]

    def movements(self, transactions: Sequence[Parts], spent: Sequence[Sequence[Prevout] | None]) -> list[Movement]:
        """Return what each of these moves, by what its inputs spend; may raise StorageError."""
        scripts = {output.script for parts in transactions for output in parts.outputs}
        scripts |= {each.script for prevouts in spent if prevouts is not None for each in prevouts}
        labels = self._labels.of_scripts(scripts)
        exchanges = {script: label.name for script, label in labels.items() if label.category == _EXCHANGE}
        return [
            movement(len(parts.spent), parts.outputs, prevouts, exchanges)
            for parts, prevouts in zip(transactions, spent, strict=True)
        ]

    def _spent(self, waiting: Sequence[tuple[Parts, Entry | None]]) -> list[list[Prevout] | None]:
        """Return what the inputs of each spend; None where one of them cannot be known."""
        few = [(parts, entry) for parts, entry in waiting if len(parts.spent) <= self._most_inputs]
        made = self._outputs_of(parent for _, entry in few if entry is not None for parent in entry.depends)
        wanted = [each for parts, _ in few for each in map(outpoint_of, parts.spent) if each not in made]
        for start in range(0, len(wanted), _COINS):
            some = wanted[start : start + _COINS]
            made |= {each: coin for each, coin in zip(some, self._node.coins(some), strict=True) if coin is not None}
        found: list[list[Prevout] | None] = []
        for parts, _ in waiting:
            prevouts = [made[each] for each in map(outpoint_of, parts.spent) if each in made]
            found.append(prevouts if len(prevouts) == len(parts.spent) else None)
        return found

    def _outputs_of(self, parents: Iterable[bytes]) -> dict[tuple[str, int], Prevout]:
        """Return the outputs of transactions in the mempool; not of those that have just left it, or make no sense."""
        txids = list(dict.fromkeys(parents))
        made: dict[tuple[str, int], Prevout] = {}
        for txid, raw in zip(txids, self._node.raw_transactions(txids) if txids else (), strict=True):
            if raw is not None:
                with suppress(MalformedBlockError):
                    made |= {(txid.hex(), vout): each for vout, each in enumerate(read_parts(raw).outputs)}
        return made


def new_whale(looked: Looked, source: str, now: datetime, usd_per_btc: float | None) -> Whale:
    """Return a whale that waits, as far as it is known without a forecast.

    A transaction found by the stream was first seen now, any other when the node says that it entered the mempool.
    """
    parts, entry, moved = looked
    entered = now if source == "stream" or entry is None else min(now, datetime.fromtimestamp(entry.time, UTC))
    return Whale(
        txid=parts.txid,
        timestamp=max(entered, now - timedelta(days=365)),
        detected_at=now,
        prediction_id=None,
        value_sat=parts.value_sat,
        moved_sat=moved.moved_sat,
        inputs_resolved=moved.inputs_resolved,
        vsize_vb=parts.vsize_vb,
        fee_sat=entry.fee_sat if entry else None,
        fee_rate=entry.effective_feerate_sat_vb if entry else None,
        is_rbf=parts.is_rbf,
        kind=moved.kind,
        flow_type=moved.flow_type,
        exchange_labels=moved.exchange_labels,
        urgency_score=None,
        urgency_level=None,
        status="pending",
        replaced_by=None,
        left_at=None,
        predicted_block=None,
        tip_height=None,
        ahead_vb=None,
        block_height=None,
        block_hash=None,
        confirmed_at=None,
        source=source,
        usd_value=None if usd_per_btc is None else round(moved.moved_sat / 100_000_000 * usd_per_btc, 2),
        outpoints=[f"{each.txid}:{each.vout}" for each in map(outpoint_of, parts.spent)],
    )
