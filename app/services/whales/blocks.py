"""Blocks that join or leave the chain, and what that means for whales."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.services.block_source import BadBlockError, BlockUnknownError
from app.services.whales.block_flow import flow_of
from app.services.whales.block_look import UNSEEN
from app.services.whales.block_reader import BlockReader
from app.services.whales.block_whales import BlockWhales
from app.services.whales.catching_up import CatchingUp
from app.services.whales.followed import outpoints_of
from app.services.whales.predictions import predictions_of
from app.services.whales.telling import NO_FORECAST, reorganisation, whale_alert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.mempool.outlook import Outlook
    from app.services.whales.block_look import BlockLook
    from app.services.whales.candidates import Candidates
    from app.services.whales.chain import Chain, Step
    from app.services.whales.clocks import Clocks
    from app.services.whales.draft import Draft
    from app.services.whales.examination import Examination
    from app.services.whales.fates import Fates
    from app.services.whales.followed import Followed
    from app.services.whales.let_go import LetGo
    from app.services.whales.limits import DetectorLimits
    from app.services.whales.mempool_node import BlockPlace, MempoolNode
    from app.services.whales.mempool_view import MempoolView
    from app.services.whales.predictions import Predicted
    from app.services.whales.whale_store import Whale, WhaleStore

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
        followed: The whales that wait,
        let_go: and those that do so unwatched.
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
        let_go: LetGo,
        fates: Fates,
        draft: Draft,
        limits: DetectorLimits,
        clocks: Clocks,
    ) -> None:
        self._node = node
        self._store = store
        self._outlook = outlook
        self._view = view
        self._chain = chain
        self._candidates = candidates
        self._followed = followed
        self._let_go = let_go
        self._fates = fates
        self._draft = draft
        self._limits = limits
        self._clocks = clocks
        self._reader = BlockReader(node, followed, limits.threshold_sat, clocks)
        self._whales = BlockWhales(
            node=node,
            store=store,
            examination=examination,
            view=view,
            candidates=candidates,
            followed=followed,
            threshold_sat=limits.threshold_sat,
        )
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
            self._note(tip, [], is_connected=True)

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
        except (BadBlockError, BlockUnknownError):
            # A node that was killed comes back without its last blocks, or on another branch.
            if not self._is_in_chain(step.place):
                self._chain.forget_the_way()
            raise

    def _is_in_chain(self, place: BlockPlace) -> bool:
        try:
            return self._node.place_of(place.block_hash).confirmations >= 0
        except BlockUnknownError:
            return False

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
        self._let_go.recall(outpoint for each in look.worth_a_look for outpoint in each.spent)
        held, unknown = self._whales.of(look, place, at)
        rivals = self._whales.conflicting(look)
        final = self._final_with(place)
        predictions = predictions_of(self._store, [*held, *rivals, *final])
        # From here on nothing is asked, and nothing can fail.
        replaced = self._sight(unknown, predictions, at)
        waited = [whale for whale in [*held, *unknown] if whale.status != "missed"]
        self._fates.confirm(waited, predictions, place.height, place.block_hash, at)
        rivals = [whale for whale in rivals if whale.txid not in replaced]
        self._fates.conflict(rivals, predictions, place.height, place.block_hash, at)
        self._fates.finish(final, predictions, at)
        self._note(place, [*held, *unknown], is_connected=True)
        self._final_height = max(self._final_height, place.height - self._limits.final_confirmations + 1)
        if look is UNSEEN:
            self._chain.lost_blocks += 1
        else:
            self._forget(look, at)
        self._chain.done(step)

    def _disconnect(self, step: Step) -> None:
        place, now = step.place, self._clocks.now()
        whales = self._store.whales_in(place.block_hash)
        predictions = predictions_of(self._store, whales)
        held = [whale for whale in whales if whale.status != "conflicted"]
        self._note(place, held, is_connected=False)
        self._draft.tell(reorganisation(now, place.height - 1, [place.block_hash], [whale.txid for whale in whales]))
        self._fates.reopen(whales, predictions, now, "reorganisation")
        self._fates.note_where(whales, self._view, now, self._clocks.seconds())
        if len(held) < len(whales) or any(map(self._rivals_of, whales)):
            # What spends the coins of these may be in the mempool now, and was looked at when they were of no interest.
            self._view.read_all_again()
        self._final_height = min(self._final_height, place.height - 1)
        self._chain.done(step)

    def _sight(self, unknown: Sequence[Whale], predictions: Sequence[Predicted], at: datetime) -> set[str]:
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

    def _time_of(self, place: BlockPlace) -> datetime:
        """Return when a block came: now, unless it came long before anybody looked."""
        now, told = self._clocks.now(), datetime.fromtimestamp(place.time, UTC)
        return told if now - told > _FRESH else now

    def _note(self, place: BlockPlace, whales: Sequence[Whale], *, is_connected: bool) -> None:
        """Draft what a block that joins or leaves means for the flow; whatever took a whale's place need not be one."""
        large = [whale for whale in whales if whale.moved_sat >= self._limits.threshold_sat]
        self._draft.block(flow_of(place, large, self._clocks.now(), is_connected=is_connected))

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
