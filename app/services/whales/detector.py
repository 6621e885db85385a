"""The detector: hears the mempool, finds whales in it, and follows them to their end.

It is driven by turns, and knows neither threads nor sockets: `hear` takes what the stream said, `turn` does a bounded
piece of the work that follows from it. Whatever fails is tried again in a later turn; nothing is lost by it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app.domain.blocks.malformed import MalformedBlockError
from app.domain.whales.parts import read_parts
from app.domain.whales.worth_a_look import is_worth_a_look
from app.services.block_source import NodeNotReadyError
from app.services.whales.attempts import Attempts
from app.services.whales.baseline import Baseline
from app.services.whales.blocks import Blocks
from app.services.whales.candidates import Candidates
from app.services.whales.chain import REMEMBERED_BLOCKS, Chain
from app.services.whales.condition import Condition
from app.services.whales.draft import Draft
from app.services.whales.examination import Examination
from app.services.whales.fates import Fates
from app.services.whales.fee_record import FeeRecord
from app.services.whales.followed import Followed
from app.services.whales.forecasts import Forecasts
from app.services.whales.let_go import LetGo
from app.services.whales.mempool_node import Topic
from app.services.whales.mempool_view import MempoolView
from app.services.whales.predictions import predictions_of
from app.services.whales.sightings import Sightings
from app.services.whales.stream_watch import StreamWatch
from app.services.whales.unseen_blocks import mined_unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.domain.mempool.outlook import Outlook
    from app.services.whales.clocks import Clocks
    from app.services.whales.limits import DetectorLimits
    from app.services.whales.mempool_node import Heard, MempoolNode
    from app.services.whales.whale_store import Labels, Whale, WhaleStore

_log = logging.getLogger(__name__)

# In which it is heard what else happened to a transaction that has left the mempool.
_SOON_SECONDS = 0.5

# That are asked about in one turn.
_MOST_GIVEN_UP = 200

# After a restart, of the small ones that took the place of a whale and have ended: with ten inputs each, all that there
# is room for.
_MOST_REMEMBERED = 2_000


class Detector:
    """Everything between the node and the store.

    Args:
        node: Is asked.
        store: Remembers.
        labels: Known addresses.
        outlook: What waits in the mempool, and when it will be mined.
        limits: How much, how often, how long.
        clocks: The time.
        is_stream_wanted: False when the operator turned the stream off.

    Attributes:
        condition: How it is.
    """

    def __init__(  # noqa: PLR0913 - the parts that it connects, every one named
        self,
        *,
        node: MempoolNode,
        store: WhaleStore,
        labels: Labels,
        outlook: Outlook,
        limits: DetectorLimits,
        clocks: Clocks,
        is_stream_wanted: bool = True,
    ) -> None:
        self._node, self._store, self._limits, self._clocks = node, store, limits, clocks
        self._draft, self._followed, self._chain = Draft(), Followed(), Chain()
        self._candidates = Candidates(limits.most_candidates)
        self._watch = StreamWatch(limits, is_wanted=is_stream_wanted)
        self._view = MempoolView(node, outlook, self._candidates, self._followed, limits.threshold_sat)
        self._fees = FeeRecord(
            outlook=outlook,
            view=self._view,
            chain=self._chain,
            draft=self._draft,
            clocks=clocks,
            every_seconds=limits.fees_seconds,
        )
        self._baseline = Baseline(
            node=node,
            store=store,
            chain=self._chain,
            draft=self._draft,
            clocks=clocks,
            every_seconds=limits.template_seconds,
        )
        self._fates = Fates(self._followed, self._draft, limits)
        self._let_go = LetGo(
            store=store, followed=self._followed, fates=self._fates, view=self._view, limits=limits, clocks=clocks
        )
        examination = Examination(node, labels, limits.most_inputs)
        self._sightings = Sightings(
            store=store,
            examination=examination,
            forecasts=Forecasts(
                store=store,
                outlook=outlook,
                view=self._view,
                chain=self._chain,
                clocks=clocks,
                max_age_seconds=limits.stale_seconds,
            ),
            baseline=self._baseline,
            chain=self._chain,
            candidates=self._candidates,
            followed=self._followed,
            let_go=self._let_go,
            fates=self._fates,
            draft=self._draft,
            limits=limits,
            clocks=clocks,
        )
        self._blocks = Blocks(
            node=node,
            store=store,
            examination=examination,
            outlook=outlook,
            view=self._view,
            chain=self._chain,
            candidates=self._candidates,
            followed=self._followed,
            let_go=self._let_go,
            fates=self._fates,
            draft=self._draft,
            limits=limits,
            clocks=clocks,
        )
        self._has_begun = False
        self._most_followed = limits.most_followed
        self._lost_messages = self._lost_blocks = 0
        self.condition = Condition()
        self._attempts = Attempts(self.condition, clocks)

    @property
    def has_work(self) -> bool:
        """Whether the next turn need not wait for a message."""
        if self._attempts.is_held_up:
            return False
        is_block_due = self._chain.has_work(self._clocks.seconds())
        return bool(len(self._candidates) or self._view.has_backlog or is_block_due)

    def hear(self, messages: Sequence[Heard], *, is_connected: bool) -> None:
        """Take what the stream said since the last time."""
        now_seconds = self._clocks.seconds()
        self._watch.note(len(messages), now_seconds, is_connected=is_connected)
        self._watch.compare({each.topic for each in messages}, now_seconds)
        threshold_sat, outpoints = self._limits.threshold_sat, self._followed.outpoints
        for topic, body, sequence in messages:
            if topic is Topic.RAW:
                if is_worth_a_look(body, threshold_sat, outpoints):
                    self._hear_raw(body)
            elif topic is Topic.ADDED:
                self._hear_added(body, sequence, now_seconds)
            elif topic is Topic.REMOVED:
                self._hear_removed(body, sequence, now_seconds)
            elif topic is Topic.CONNECTED:
                self._chain.connected(body.hex(), now_seconds)
            elif topic is Topic.DISCONNECTED:
                self._chain.disconnected(body.hex(), now_seconds)
                # Most of what it held is in the mempool again, however the two kinds of messages are dealt with.
                self._watch.resynchronise(now_seconds)
            else:
                self._lost_messages += sequence
                self._watch.resynchronise(now_seconds)

    def turn(self) -> None:
        """Do what is to be done next, in pieces that take milliseconds.

        First what people wait for, then what there is time for; a block before all, since it says which is the next.
        What cannot be written stays drafted, and nothing is concluded from the store before it has been.
        """
        if self._has_begun or self._attempts.take(self._begin, "store"):
            self._attempts.take(self._write, "store")
            self._conclude(self._blocks.go_on, "node", "store")
            # Without fees nothing can be predicted of what is found.
            self._attempts.take(self._price, "node")
            self._conclude(self._sightings.look, "node", "store")
            self._attempts.take(self._watch_mempool, "node")
            self._attempts.take(self._read_on, "node")
            self._attempts.take(self._write, "store")
            self._conclude(self._look_at_vanished, "node", "store")
            self._conclude(self._give_up, "node", "store")
            self._conclude(self._baseline.keep, "node", "store")
            self._conclude(self._keep_fees)
            self._conclude(self._look_for_let_go, "store")
            self._let_go.keep_to(self._most_followed)
        self._look_at_itself()

    def keep_fewer(self, share: float) -> None:
        """Follow only so much of what is followed now, and never more until memory is there again; but always some."""
        self._most_followed = max(self._limits.least_followed, int(share * len(self._followed)))
        self.condition.set("memory", f"memory is short: no more than {self._most_followed} whales are followed")

    def keep_all(self) -> None:
        """Follow as many as there may be."""
        self._most_followed = self._limits.most_followed
        self.condition.set("memory", None)

    def _conclude(self, step: Callable[[], None], *kinds: str) -> None:
        """Take a step that relies on what the store says, so that nothing may be drafted, and write what it drafts."""
        if self._draft.is_empty:
            self._attempts.take(step, *kinds)
            self._attempts.take(self._write, "store")

    def _hear_raw(self, raw: bytes) -> None:
        try:
            txid = read_parts(raw).txid
        except MalformedBlockError:
            return
        self._view.raw(raw, txid, self._watch.listened_seconds)

    def _hear_added(self, txid: bytes, sequence: int, now_seconds: float) -> None:
        watch = self._watch
        is_news = self._view.added(txid, sequence, watch.listened_seconds, is_in_doubt=watch.is_in_doubt)
        if not is_news:
            self._chain.let_the_stream_tell(now_seconds + self._limits.settle_seconds)
        whale = self._followed.get(txid.hex()) if is_news and len(self._followed) else None
        if whale is not None:
            self._fates.stay(whale)

    def _hear_removed(self, txid: bytes, sequence: int, now_seconds: float) -> None:
        is_news = self._view.removed(txid, sequence)
        if not is_news:
            self._chain.let_the_stream_tell(now_seconds + self._limits.settle_seconds)
            return
        self._candidates.left(txid.hex(), now_seconds + _SOON_SECONDS)
        whale = self._followed.get(txid.hex()) if len(self._followed) else None
        if whale is not None:
            self._fates.leave(whale, self._clocks.now(), now_seconds)

    def _begin(self) -> None:
        """Go on where an earlier detector stopped."""
        now, now_seconds = self._clocks.now(), self._clocks.seconds()
        remembered = self._store.remembered(REMEMBERED_BLOCKS)
        small = self._store.ended_below(self._limits.threshold_sat, now - self._limits.lifetime, _MOST_REMEMBERED)
        # From here on nothing is asked, and nothing can fail.
        self._blocks.begin(remembered.chain)
        for whale in small:
            self._followed.remember(whale)
        for whale in remembered.whales:
            self._followed.add(whale)
            if whale.left_at is not None:
                away_seconds = max(0.0, (now - whale.left_at).total_seconds())
                self._followed.leave(whale, now_seconds - min(away_seconds, self._limits.away_seconds))
        self._has_begun = True

    def _watch_mempool(self) -> None:
        """Take a snapshot when one is due, and see which whales it lacks."""
        now_seconds = self._clocks.seconds()
        self._watch.listen(self._node, self._view.waiting, now_seconds)
        if self._view.is_to_be_read or self._chain.lost_blocks > self._lost_blocks:
            # What a lost block took is told by a snapshot alone.
            self._lost_blocks = self._chain.lost_blocks
            self._watch.resynchronise(now_seconds)
        if not self._watch.is_snapshot_due(now_seconds, is_busy=bool(self._view.unread)):
            return
        if not self._node.is_mempool_loaded():
            raise NodeNotReadyError("bitcoind still loads its mempool")
        self._view.take_snapshot()
        self._view.note_current(now_seconds)
        self._fates.note_where(self._followed, self._view, self._clocks.now(), now_seconds)
        settle_seconds = 0 if self._watch.is_unheard else self._limits.settle_seconds
        self._blocks.lead_to(self._node.best_block(), now_seconds + settle_seconds)
        if not self._chain.waiting:
            self._view.settle()
        # Last of all: what failed before is done again, from the snapshot on.
        self._watch.snapshot_taken(now_seconds)

    def _price(self) -> None:
        now_seconds = self._clocks.seconds()
        self._view.price(now_seconds)
        if not self._watch.is_polling:
            self._view.note_current(now_seconds)

    def _read_on(self) -> None:
        self._view.read_on("polling" if self._watch.is_polling else "snapshot")

    def _look_at_vanished(self) -> None:
        if self._candidates.not_shown(self._clocks.seconds()) and self._is_up_to_date():
            self._sightings.look_at_vanished()

    def _give_up(self) -> None:
        """Let those that have been away for too long be gone, if the node agrees."""
        until_seconds = self._clocks.seconds() - self._limits.away_seconds
        away = self._followed.away_since(until_seconds)[:_MOST_GIVEN_UP]
        if not away or not self._is_up_to_date():
            return
        entries = self._node.entries([bytes.fromhex(whale.txid) for whale in away])
        if not self._let_be_gone([whale for whale, entry in zip(away, entries, strict=True) if entry is None]):
            return
        for whale, entry in zip(away, entries, strict=True):
            if entry is not None:
                self._view.price_one(bytes.fromhex(whale.txid), entry)
                self._fates.stay(whale)

    def _let_be_gone(self, gone: Sequence[Whale]) -> bool:
        """End these, for a block that nobody could look through or for good; return False when it is too early."""
        mined = mined_unseen(self._node, gone)
        if mined and not self._is_up_to_date():
            # The block that holds them may be one that came just now, and is looked through first.
            return False
        lost = [whale for whale in gone if whale.txid not in mined]
        predictions = predictions_of(self._store, lost)
        # From here on nothing is asked, and nothing can fail.
        now = self._clocks.now()
        self._fates.confirm_unseen([whale for whale in gone if whale.txid in mined], now)
        self._fates.give_up(lost, predictions, now)
        return True

    def _look_for_let_go(self) -> None:
        self._let_go.go_on(self._most_followed)

    def _is_up_to_date(self) -> bool:
        """Return whether there is no block, and no part of the mempool, that the node knows and we do not yet."""
        if not self._node.is_mempool_loaded():
            return False
        best, tip = self._node.best_block(), self._chain.tip
        if tip is not None and best.block_hash == tip[1]:
            return True
        self._blocks.lead_to(best, self._clocks.seconds() + self._limits.settle_seconds)
        return False

    def _keep_fees(self) -> None:
        self._fees.keep("polling" if self._watch.is_polling else "stream")

    def _write(self) -> None:
        self._draft.write(self._store, self._clocks.now())

    def _look_at_itself(self) -> None:
        stream, blocks = self._watch.problem(self._clocks.seconds()), self._blocks.problem
        for kind, problem in (("stream", stream), ("blocks", blocks)):
            if self.condition.set(kind, problem):
                level = logging.WARNING if problem else logging.INFO
                _log.log(level, "the detector's sources changed", extra={"source": kind, "problem": problem})
        self.condition.figures = {
            "source": "polling" if self._watch.is_polling else "stream",
            "followed": len(self._followed),
            "most_followed": self._most_followed,
            "let_go": self._let_go.count,
            "waiting": self._view.waiting,
            "unread": self._view.unread,
            "blocks_to_read": self._chain.waiting,
            "lost_blocks": self._chain.lost_blocks,
            "lost_messages": self._lost_messages,
            "tip_height": self._chain.tip[0] if self._chain.tip else None,
        }
