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
from app.services.block_source import OnchainPriceError
from app.services.storage import StorageError
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
from app.services.whales.mempool_node import Topic
from app.services.whales.mempool_view import MempoolView
from app.services.whales.sightings import Sightings
from app.services.whales.stream_watch import StreamWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.domain.mempool.outlook import Outlook
    from app.services.whales.clocks import Clocks
    from app.services.whales.limits import DetectorLimits
    from app.services.whales.mempool_node import Heard, MempoolNode
    from app.services.whales.whale_store import Labels, WhaleStore

_log = logging.getLogger(__name__)

# After a failure of the node or of the store, until either is asked again.
_PAUSE_SECONDS = 0.5


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
        self._fees = FeeRecord(outlook, self._chain, self._draft, clocks, limits.fees_seconds)
        self._baseline = Baseline(
            node=node,
            store=store,
            chain=self._chain,
            draft=self._draft,
            clocks=clocks,
            every_seconds=limits.template_seconds,
        )
        self._fates = Fates(self._followed, self._draft, limits)
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
            candidates=self._candidates,
            followed=self._followed,
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
            chain=self._chain,
            candidates=self._candidates,
            followed=self._followed,
            fates=self._fates,
            draft=self._draft,
            limits=limits,
            clocks=clocks,
        )
        self._has_begun = self._is_first_snapshot_taken = False
        self._heard_disconnected: list[str] = []
        self._most_followed = limits.most_followed
        self._let_go = self._lost_messages = 0
        self._pauses: dict[str, float] = {}
        self.condition = Condition()

    @property
    def has_work(self) -> bool:
        """Whether the next turn need not wait for a message."""
        return bool(not self._pauses and (len(self._candidates) or self._view.has_backlog or self._chain.waiting))

    def hear(self, messages: Sequence[Heard], *, is_connected: bool) -> None:
        """Take what the stream said since the last time."""
        now_seconds = self._clocks.seconds()
        self._watch.note(len(messages), now_seconds, is_connected=is_connected)
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
            else:
                self._lost_messages += sequence
                self._watch.resynchronise(now_seconds)

    def turn(self) -> None:
        """Do what is to be done next, in pieces that take milliseconds.

        First what people wait for, then what there is time for; a block before all, since it says which is the next.
        What cannot be written stays drafted, and nothing is concluded from the store before it has been.
        """
        if not (self._has_begun or self._attempt(self._begin, "store")):
            return
        if self._draft.is_empty:
            self._attempt(self._blocks.go_on, "node", "store")
            self._attempt(self._write, "store")
        # Without fees nothing can be predicted of what is found.
        self._attempt(self._price, "node")
        self._attempt(self._sightings.look, "node", "store")
        self._attempt(self._write, "store")
        self._attempt(self._watch_mempool, "node")
        self._attempt(self._read_on, "node")
        if self._draft.is_empty:
            self._attempt(self._conclude, "node", "store")
            self._attempt(self._write, "store")
        self._look_at_itself()

    def keep_fewer(self, share: float) -> None:
        """Follow only so much of what is followed now, and never more until memory is there again; but always some."""
        self._most_followed = max(self._limits.least_followed, int(share * len(self._followed)))
        self.condition.set("memory", f"memory is short: no more than {self._most_followed} whales are followed")

    def keep_all(self) -> None:
        """Follow as many as there may be."""
        self._most_followed = self._limits.most_followed
        self.condition.set("memory", None)

    def _hear_raw(self, raw: bytes) -> None:
        try:
            txid = read_parts(raw).txid
        except MalformedBlockError:
            return
        self._view.raw(raw, txid)

    def _hear_added(self, txid: bytes, sequence: int, now_seconds: float) -> None:
        self._view.added(txid, sequence, now_seconds)
        whale = self._followed.get(txid.hex()) if len(self._followed) else None
        if whale is not None:
            self._fates.stay(whale)

    def _hear_removed(self, txid: bytes, sequence: int, now_seconds: float) -> None:
        is_news = self._view.removed(txid, sequence)
        whale = self._followed.get(txid.hex()) if is_news and len(self._followed) else None
        if whale is not None:
            self._fates.leave(whale, self._clocks.now(), now_seconds)

    def _begin(self) -> None:
        """Go on where an earlier detector stopped."""
        remembered = self._store.remembered(REMEMBERED_BLOCKS)
        self._chain.begin(remembered.chain)
        now, now_seconds = self._clocks.now(), self._clocks.seconds()
        for whale in remembered.whales:
            if whale.status != "pending":
                continue
            self._followed.add(whale)
            if whale.left_at is not None:
                away_seconds = max(0.0, (now - whale.left_at).total_seconds())
                self._followed.leave(whale, now_seconds - min(away_seconds, self._limits.away_seconds))
        self._has_begun = True

    def _watch_mempool(self) -> None:
        """Take a snapshot when one is due, and see which whales it lacks."""
        now_seconds = self._clocks.seconds()
        self._watch.listen(self._node, now_seconds)
        if not self._watch.is_snapshot_due(now_seconds) or self._view.unread:
            return
        if not self._node.is_mempool_loaded():
            self.condition.set("node", "bitcoind still loads its mempool")
            return
        self._view.take_snapshot()
        self._watch.snapshot_taken(now_seconds)
        now = self._clocks.now()
        for whale in self._followed:
            if self._view.knows(bytes.fromhex(whale.txid)):
                self._fates.stay(whale)
            else:
                self._fates.leave(whale, now, now_seconds)
        settle_seconds = 0 if self._watch.is_polling else self._limits.settle_seconds
        self._chain.lead_to(self._node.best_block(), now_seconds + settle_seconds)

    def _price(self) -> None:
        now_seconds = self._clocks.seconds()
        if not self._view.price(now_seconds) and not self._watch.is_polling:
            self._view.note_current(now_seconds)

    def _read_on(self) -> None:
        self._view.read_on("polling" if self._watch.is_polling else "snapshot")

    def _conclude(self) -> None:
        """What only time tells."""
        self._sightings.look_at_vanished()
        now, now_seconds = self._clocks.now(), self._clocks.seconds()
        gone = self._followed.away_since(now_seconds - self._limits.away_seconds)
        if gone:
            self._fates.give_up(gone, self._store.predictions_of([whale.txid for whale in gone]), now)
        self._baseline.keep()
        self._fees.keep("polling" if self._watch.is_polling else "stream")
        self._let_go += self._followed.let_go(self._most_followed)

    def _write(self) -> None:
        self._draft.write(self._store, self._clocks.now())

    def _attempt(self, step: Callable[[], None], *kinds: str) -> bool:
        """Carry out a step, unless what it needs has just failed; return whether it was done."""
        now_seconds = self._clocks.seconds()
        if any(self._pauses.get(kind, now_seconds) > now_seconds for kind in kinds):
            return False
        try:
            step()
        except OnchainPriceError as error:
            self._fail("node", str(error), now_seconds)
            return False
        except StorageError as error:
            self._fail("store", str(error), now_seconds)
            return False
        for kind in kinds:
            self._recover(kind)
        return True

    def _fail(self, kind: str, problem: str, now_seconds: float) -> None:
        self._pauses[kind] = now_seconds + _PAUSE_SECONDS
        if self.condition.set(kind, problem):
            _log.warning("the detector waits", extra={"for": kind, "reason": problem})

    def _recover(self, kind: str) -> None:
        if self._pauses.pop(kind, None) is not None and self.condition.set(kind, None):
            _log.info("the detector goes on", extra={"waited_for": kind})

    def _look_at_itself(self) -> None:
        problem = self._watch.problem(self._clocks.seconds())
        if self.condition.set("stream", problem):
            _log.log(logging.WARNING if problem else logging.INFO, "the stream changed", extra={"problem": problem})
        self.condition.figures = {
            "source": "polling" if self._watch.is_polling else "stream",
            "followed": len(self._followed),
            "most_followed": self._most_followed,
            "let_go": self._let_go,
            "waiting": self._view.waiting,
            "unread": self._view.unread,
            "blocks_to_read": self._chain.waiting,
            "lost_blocks": self._chain.lost_blocks,
            "lost_messages": self._lost_messages,
            "tip_height": self._chain.tip[0] if self._chain.tip else None,
        }
