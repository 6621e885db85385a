"""Blocks that join or leave the chain, and what that means for whales."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.services.block_source import BlockUnknownError
from app.services.whales.block_look import UNSEEN
from app.services.whales.block_reader import BlockReader
from app.services.whales.catching_up import CatchingUp
from app.services.whales.examination import Looked, new_whale
from app.services.whales.followed import outpoints_of
from app.services.whales.telling import NO_FORECAST, reorganisation, whale_alert
from app.services.whales.whale_store import BlockFlow

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from app.domain.mempool.outlook import Outlook
    from app.domain.whales.parts import Parts
    from app.services.whales.block_look import BlockLook
    from app.services.whales.candidates import Candidates
    from app.services.whales.chain import Chain, Step
    from app.services.whales.clocks import Clocks
    from app.services.whales.draft import Draft
    from app.services.whales.examination import Examination
    from app.services.whales.fates import Fates
    from app.services.whales.followed import Followed
    from app.services.whales.limits import DetectorLimits
    from app.services.whales.mempool_node import BlockPlace, MempoolNode
    from app.services.whales.mempool_view import MempoolView
    from app.services.whales.whale_store import Whale, WhalePrediction, WhaleStore

# A block may carry a time that far from ours; what is older was mined while nobody looked.
_FRESH = timedelta(hours=2)


class Blocks:
    """Takes one block at a time.

    Args:
        node: Has the blocks.
        store: Knows the whales of earlier times.
        examination: Tells what a transaction moves.
        outlook: What waits, and what blocks hold.
        view: Looks at what waits.
        chain: What has been looked through, and what comes next.
        candidates: What was in the mempool and has not been looked at.
        followed: The whales that wait.
        fates: Ends them.
        draft: Takes what was found.
        limits: From where on.
        clocks: The time.
    """

    def __init__(  # noqa: PLR0913 - the parts that it connects, every one named
        self,
        *,
        node: MempoolNode,
        store: WhaleStore,
        examination: Examination,
        outlook: Outlook,
        view: MempoolView,
        chain: Chain,
        candidates: Candidates,
        followed: Followed,
        fates: Fates,
        draft: Draft,
        limits: DetectorLimits,
        clocks: Clocks,
    ) -> None:
        self._node = node
        self._store = store
        self._examination = examination
        self._outlook = outlook
        self._view = view
        self._chain = chain
        self._candidates = candidates
        self._followed = followed
        self._fates = fates
        self._draft = draft
        self._limits = limits
        self._clocks = clocks
        self._reader = BlockReader(node, followed, limits.threshold_sat)
        self._catching_up = CatchingUp(node, clocks)
        # Up to here it has been told that outcomes are final.
        self._final_height = -1

    @property
    def problem(self) -> str | None:
        """Why no block is looked through at present, in words for operators."""
        return self._catching_up.problem

    def begin(self, done: Sequence[tuple[int, str]]) -> None:
        """Go on where an earlier detector stopped."""
        self._chain.begin(done)
        if done:
            self._final_height = done[-1][0] - self._limits.final_confirmations + 1

    def lead_to(self, tip: BlockPlace, due_seconds: float) -> None:
        """The node's tip is here; see Chain. The first one of all is kept, for a detector that goes on from there.

        That of a node in initial block download leads nowhere; raise NodeError when it does not say whether it is.
        """
        if self._catching_up.look():
            return
        if self._chain.lead_to(tip, due_seconds):
            self._draft.block(self._flow_of(tip, [], self._clocks.now(), is_connected=True))

    def go_on(self) -> None:
        """Take the next block, if there is one; may raise OnchainPriceError or StorageError, and then changes nothing.

        Nothing may be drafted: what is asked of the store has to be true.
        """
        if self._is_history():
            self._chain.stay()
            return
        step = self._chain.next_step(self._node, self._clocks.seconds())
        if step is None:
            return
        if not step.is_connect:
            self._disconnect(step)
            return
        try:
            self._connect(step)
        except BlockUnknownError:
            # A node that was killed comes back without its last blocks.
            self._chain.forget_the_way()
            raise

    def _is_history(self) -> bool:
        """Return whether the node is in initial block download; what it says of blocks says nothing of whales then."""
        was_on = self._catching_up.is_on
        if not was_on and not self._chain.has_work(self._clocks.seconds()):
            return False
        is_on = self._catching_up.look()
        if was_on and not is_on:
            # With the next snapshot comes the tip.
            self._view.read_all_again()
        return is_on

    def _connect(self, step: Step) -> None:
        place = step.place
        at = self._time_of(place)
        # Of one that cannot be had it stays unknown which whales it held; the chain goes on.
        look = self._reader.look(place.block_hash) or UNSEEN
        self._followed.recall(self._store, (outpoint for each in look.worth_a_look for outpoint in each.spent))
        held, unknown = self._whales_of(look, place, at)
        rivals = self._conflicting(look)
        final = self._final_with(place)
        predictions = self._predictions([*held, *rivals, *final])
        # From here on nothing is asked, and nothing can fail.
        replaced = self._sight(unknown, predictions, at)
        waited = [whale for whale in [*held, *unknown] if whale.status != "missed"]
        self._fates.confirm(waited, predictions, place.height, place.block_hash, at)
        rivals = [whale for whale in rivals if whale.txid not in replaced]
        self._fates.conflict(rivals, predictions, place.height, place.block_hash, at)
        self._fates.finish(final, predictions, at)
        self._draft.block(self._flow_of(place, [*held, *unknown], self._clocks.now(), is_connected=True))
        self._final_height = max(self._final_height, place.height - self._limits.final_confirmations + 1)
        if look is UNSEEN:
            self._chain.lost_blocks += 1
        else:
            self._forget(look, at)
        self._chain.done(step)

    def _disconnect(self, step: Step) -> None:
        place, now = step.place, self._clocks.now()
        whales = self._store.whales_in(place.block_hash)
        predictions = self._predictions(whales)
        held = [whale for whale in whales if whale.status != "conflicted"]
        self._draft.block(self._flow_of(place, held, now, is_connected=False))
        self._draft.tell(reorganisation(now, place.height - 1, [place.block_hash], [whale.txid for whale in whales]))
        self._fates.reopen(whales, predictions, now, "reorganisation")
        for whale in whales:
            if not self._view.knows(bytes.fromhex(whale.txid)):
                self._fates.leave(whale, now, self._clocks.seconds())
        if len(held) < len(whales) or any(map(self._rivals_of, whales)):
            # What spends the coins of these may be in the mempool now, and was looked at when they were of no interest.
            self._view.read_all_again()
        self._final_height = min(self._final_height, place.height - 1)
        self._chain.done(step)

    def _sight(self, unknown: Sequence[Whale], predictions: Sequence[WhalePrediction], at: datetime) -> set[str]:
        """Draft what a block shows that nobody knew; return the txids of those that were replaced by some of it.

        What was in the mempool replaced them there, though it was mined before it could be looked at.
        """
        replaced = set()
        for whale in unknown:
            rivals = self._rivals_of(whale) if whale.status == "pending" else []
            if rivals:
                whale.prediction_id = next((each.prediction_id for each in rivals if each.prediction_id), None)
            is_told = whale.status == "pending" and whale.moved_sat >= self._limits.threshold_sat
            before = [each.txid for each in rivals]
            self._draft.sight(whale, None, whale_alert(whale, NO_FORECAST, before) if is_told else None)
            self._fates.replace(rivals, predictions, whale, at)
            replaced |= {*before}
        return replaced

    def _rivals_of(self, whale: Whale) -> Sequence[Whale]:
        return self._followed.rivals(whale.txid, outpoints_of(whale))

    def _final_with(self, place: BlockPlace) -> Sequence[Whale]:
        """Return the whales about which a block decided that lies deep enough with this one, and did not before."""
        deep = self._chain.hash_at_depth(self._limits.final_confirmations - 1)
        if deep is None or place.height - self._limits.final_confirmations + 1 <= self._final_height:
            return []
        # Nobody was told of those that were missed.
        return [whale for whale in self._store.whales_in(deep) if whale.status != "missed"]

    def _predictions(self, whales: Sequence[Whale]) -> Sequence[WhalePrediction]:
        """Return what was predicted of these, and what is about them since they replaced others."""
        if not whales:
            return []
        own = self._store.predictions([whale.prediction_id for whale in whales if whale.prediction_id])
        about = self._store.predictions_of([whale.txid for whale in whales])
        return list({each.prediction_id: each for each in [*own, *about]}.values())

    def _time_of(self, place: BlockPlace) -> datetime:
        """Return when a block came: now, unless it came long before anybody looked."""
        now, told = self._clocks.now(), datetime.fromtimestamp(place.time, UTC)
        return told if now - told > _FRESH else now

    def _whales_of(self, look: BlockLook, place: BlockPlace, at: datetime) -> tuple[list[Whale], list[Whale]]:
        """Return the whales of a block that were known, and those that were not."""
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
            and (each.value_sat >= self._limits.threshold_sat or self._source_of(each.txid))
        ]
        return held, self._unknown_whales(self._not_judged(unknown), place, at)

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
        """Return the whales among these: missed, or pending if they were in the mempool and left it unlooked-at."""
        mined = [self._node.mined(parts.txid, place.block_hash) for parts in unknown]
        moved = self._examination.movements(unknown, [each.prevouts if each else None for each in mined])
        whales = []
        for parts, said, movement in zip(unknown, mined, moved, strict=True):
            source = self._source_of(parts.txid)
            is_heir = source is not None and self._followed.rivals(parts.txid, parts.spent)
            if movement.moved_sat < self._limits.threshold_sat and not is_heir:
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

    def _conflicting(self, look: BlockLook) -> list[Whale]:
        """Return the followed whales that wanted to spend what the block spends; not those that it holds."""
        held = {parts.txid for parts in look.worth_a_look}
        found = {
            whale.txid: whale
            for parts in look.worth_a_look
            for whale in self._followed.rivals(parts.txid, parts.spent)
            if whale.txid not in held
        }
        return list(found.values())

    def _forget(self, look: BlockLook, at: datetime) -> None:
        known = 0
        for txid in look.txids:
            known += self._view.mined(txid)
            self._candidates.mined(txid.hex())
        if 2 * known >= len(look.txids):
            self._outlook.block_connected(look.vsize_vb, at.timestamp())
        else:
            # It came while nobody looked: what it left behind says nothing about how full it was.
            self._outlook.block_time(at.timestamp())

    def _flow_of(self, place: BlockPlace, whales: Collection[Whale], now: datetime, *, is_connected: bool) -> BlockFlow:
        # What took the place of a whale need not be one.
        large = [whale for whale in whales if whale.moved_sat >= self._limits.threshold_sat]
        sums = dict.fromkeys(("inflow", "outflow", "internal", "unknown"), 0)
        for whale in large:
            sums[whale.flow_type] += whale.moved_sat
        return BlockFlow(
            block_hash=place.block_hash,
            block_height=place.height,
            block_time=datetime.fromtimestamp(place.time, UTC),
            is_connected=is_connected,
            whale_count=len(large),
            inflow_sat=sums["inflow"],
            outflow_sat=sums["outflow"],
            internal_sat=sums["internal"],
            unknown_sat=sums["unknown"],
            created_at=now,
        )
