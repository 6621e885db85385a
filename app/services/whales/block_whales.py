"""Whales in a block, and those that it leaves without a coin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.services.whales.examination import Looked, new_whale

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.domain.whales.parts import Parts
    from app.services.whales.block_look import BlockLook
    from app.services.whales.candidates import Candidates
    from app.services.whales.examination import Examination
    from app.services.whales.followed import Followed
    from app.services.whales.mempool_node import BlockPlace, MempoolNode
    from app.services.whales.mempool_view import MempoolView
    from app.services.whales.whale_store import Whale, WhaleStore


class BlockWhales:
    """Tells the known from the unknown, and what was in the mempool from what nobody could have seen; changes nothing.

    Args:
        node: Tells what a transaction of the block spent.
        store: Knows the whales of earlier times.
        examination: Tells what a transaction moves.
        view: Knows what was in the mempool, and
        candidates: what of it has not been looked at.
        followed: The whales that wait.
        threshold_sat: A transaction that moves this much is a whale.
    """

    def __init__(  # noqa: PLR0913 - the parts that it connects, every one named
        self,
        *,
        node: MempoolNode,
        store: WhaleStore,
        examination: Examination,
        view: MempoolView,
        candidates: Candidates,
        followed: Followed,
        threshold_sat: int,
    ) -> None:
        self._node = node
        self._store = store
        self._examination = examination
        self._view = view
        self._candidates = candidates
        self._followed = followed
        self._threshold_sat = threshold_sat

    def of(self, look: BlockLook, place: BlockPlace, at: datetime) -> tuple[list[Whale], list[Whale]]:
        """Return the whales of a block that were known, and those that were not; may raise NodeError or StorageError.

        Those that were not are missed, or pending if they were in the mempool and left it unlooked-at.

        Args:
            look: What is in the block.
            place: Where it stands.
            at: When it came.
        """
        known = self._store.find([each.txid for each in look.worth_a_look if self._followed.get(each.txid) is None])
        held = []
        for parts in look.worth_a_look:
            whale = self._followed.get(parts.txid) or known.get(parts.txid)
            # One of this very block has been told of already.
            if whale is not None and whale.block_hash != place.block_hash:
                held.append(whale)
        followed = {whale.txid for whale in held}
        # Whatever its size, what was in the mempool may have replaced a whale there.
        unknown = [
            each
            for each in look.worth_a_look
            if each.txid not in followed
            and each.txid not in known
            and (each.value_sat >= self._threshold_sat or self._source_of(each.txid))
        ]
        return held, self._unknown_whales(self._not_judged(unknown), place, at)

    def conflicting(self, look: BlockLook) -> list[Whale]:
        """Return the followed whales that wanted to spend what the block spends; not those that it holds."""
        held = {parts.txid for parts in look.worth_a_look}
        found = {
            whale.txid: whale
            for parts in look.worth_a_look
            for whale in self._followed.rivals(parts.txid, parts.spent)
            if whale.txid not in held
        }
        return list(found.values())

    def _not_judged(self, unknown: Sequence[Parts]) -> Sequence[Parts]:
        """Return those of `unknown` that were not found to be no whales while they waited: each costs a question."""
        judged = self._view.judged(bytes.fromhex(each.txid) for each in unknown)
        return [
            each
            for each in unknown
            if bytes.fromhex(each.txid) not in judged
            or self._candidates.source_of(each.txid)
            or self._followed.rivals(each.txid, each.spent)
        ]

    def _unknown_whales(self, unknown: Sequence[Parts], place: BlockPlace, at: datetime) -> list[Whale]:
        """Return the whales among these, and what took the place of a whale."""
        mined = [self._node.mined(parts.txid, place.block_hash) for parts in unknown]
        moved = self._examination.movements(unknown, [each.prevouts if each else None for each in mined])
        whales = []
        for parts, said, movement in zip(unknown, mined, moved, strict=True):
            source = self._source_of(parts.txid)
            is_heir = source is not None and self._followed.rivals(parts.txid, parts.spent)
            if movement.moved_sat < self._threshold_sat and not is_heir:
                continue
            whale = new_whale(Looked(parts, None, movement), source or "block", at, None)
            if said is not None:
                whale.fee_sat, whale.fee_rate = said.fee_sat, said.fee_sat / parts.vsize_vb
            if source is None:
                whale.status, whale.confirmed_at = "missed", at
                whale.block_height, whale.block_hash = place.height, place.block_hash
            whales.append(whale)
        return whales

    def _source_of(self, txid: str) -> str | None:
        """Return by what a transaction was known to be in the mempool, looked at or not; None when it never was."""
        return self._candidates.source_of(txid) or ("snapshot" if self._view.was_known(bytes.fromhex(txid)) else None)
