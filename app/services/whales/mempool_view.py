"""The mempool as the stream and snapshots tell it, and what of it has still to be asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from app.domain.whales.worth_a_look import is_worth_a_look
from app.services.whales.recently import Recently
from app.services.whales.swept import Swept
from app.services.whales.txid_queue import TxidQueue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.domain.mempool.outlook import Outlook
    from app.services.whales.candidates import Candidates
    from app.services.whales.followed import Followed
    from app.services.whales.mempool_node import Entry, MempoolNode

# In one request: some milliseconds of the node's time.
_RAW_BATCH = 200
_RAW_BATCH_VB = 1_000_000
_ENTRY_BATCH = 200
# A request takes as long as fifty entries in it, so few are not asked for at once.
_GATHER_SECONDS = 0.1
# Of listening, within which both messages about a transaction come, unless one is lost.
_PAIR_SECONDS = 10.0
# For as long as a snapshot cannot be had: minutes of a busy mempool, in a few megabytes.
_MOST_HALF_HEARD = 50_000
# As few bytes each, for as long as a block cannot be had.
_MOST_SWEPT = 100_000
# Less of the mempool does not tell what is ahead.
_LEAST_PRICED_SHARE = 0.9


def key_of(txid: bytes) -> int:
    """Return the key under which a transaction is kept; `txid` of 32 bytes in display order."""
    return int.from_bytes(txid[:8], "big")


class MempoolView:
    """Keeps `outlook` in step with the node's mempool, and hands on what may be a whale.

    Args:
        node: Is asked for snapshots, bytes and fees.
        outlook: All that waits.
        candidates: Get what is worth a look.
        followed: The whales among what waits.
        threshold_sat: From which sum of outputs on something is worth a look.
    """

    def __init__(
        self,
        node: MempoolNode,
        outlook: Outlook,
        candidates: Candidates,
        followed: Followed,
        threshold_sat: int,
    ) -> None:
        self._node = node
        self._outlook = outlook
        self._candidates = candidates
        self._followed = followed
        self._threshold_sat = threshold_sat
        self._recently = Recently(_PAIR_SECONDS, _MOST_HALF_HEARD)
        # A snapshot's go from the first to the second, so that hundreds of thousands are never kept twice.
        self._unknown = TxidQueue()
        self._unread = TxidQueue()
        self._unpriced = TxidQueue()
        # Numbers below it tell of changes that the last snapshot holds already.
        self._next_sequence = 0
        self._swept = Swept(_MOST_SWEPT)
        self._is_to_be_read = True
        self._current_at_seconds = self._asked_at_seconds = -math.inf

    @property
    def waiting(self) -> int:
        """How many transactions are in the mempool."""
        return len(self._outlook)

    @property
    def unread(self) -> int:
        """How many transactions have not been looked at since a snapshot showed them."""
        return len(self._unknown) + len(self._unread)

    @property
    def is_to_be_read(self) -> bool:
        """Whether the next snapshot will show what nobody knows, however long it has been waiting."""
        return self._is_to_be_read

    def read_all_again(self) -> None:
        """What was not worth a look may be by now: with the next snapshot everything is looked at again."""
        self._is_to_be_read = True

    @property
    def has_backlog(self) -> bool:
        """Whether anything is still to be asked for, and not better with what comes in the next moment."""
        return bool(self.unread or (self._to_be_priced and not self._is_little_unpriced))

    def knows(self, txid: bytes) -> bool:
        """Return whether a transaction is in the mempool."""
        return key_of(txid) in self._outlook

    def raw(self, body: bytes, txid: str, listened_seconds: float) -> None:
        """Take a transaction that is worth a look: from the mempool, or out of a block; when, by `ListeningTime`."""
        txid_bytes = bytes.fromhex(txid)
        if not self.knows(txid_bytes):
            self._candidates.heard(txid, body, listened_seconds)
            return
        # Long after the word that it entered it comes with a block, and has been looked at.
        is_news = self.unread or key_of(txid_bytes) in self._recently
        if is_news and not self._candidates.add(txid, body, "stream"):
            self._unread.append(txid_bytes)

    def added(self, txid: bytes, sequence: int, listened_seconds: float, *, is_in_doubt: bool) -> bool:
        """Take the word that a transaction entered the mempool, by `ListeningTime`; return whether that is news.

        As long as it `is_in_doubt` whether all its bytes came, the next snapshot tells what is to be read.
        """
        key, name = key_of(txid), txid.hex()
        is_whole = self._candidates.is_heard(name)
        if is_whole and not self._candidates.entered(name):
            self._unread.append(txid)
        if sequence < self._next_sequence:
            if key not in self._outlook and self._candidates.source_of(name) is None:
                # It left before the snapshot; should its bytes have been lost, only a block can tell.
                self._candidates.unread(name)
            return False
        self._outlook.added(key)
        self._unpriced.append(txid)
        if not is_whole and not self._recently.add(key, listened_seconds, is_held=is_in_doubt):
            self.read_all_again()
        return True

    def removed(self, txid: bytes, sequence: int) -> bool:
        """Take the word that one left it, other than by a block; return whether that is news."""
        if sequence < self._next_sequence:
            return False
        self._outlook.left(key_of(txid))
        return True

    def take_snapshot(self) -> None:
        """Ask for all that is in the mempool, and note what of it has to be looked at; may raise NodeError.

        What the stream told before, and is in the snapshot, stays as it is, but for what it told before the first one.
        """
        snapshot = self._node.snapshot()
        outlook, recently, unread, unknown = self._outlook, self._recently, self._unread, self._unknown
        outlook.begin_sweep(snapshot.size)
        for txid in snapshot.txids:
            key = key_of(txid)
            if not outlook.mark(key):
                outlook.added(key)
                unknown.append(txid)
            elif self._is_to_be_read or key in recently:
                unread.append(txid)
        self._swept.add(outlook.sweep())
        # Those that were said to have left, and may have been mined all the same, are not in the sweep.
        self._swept.add(key for key in recently if key not in outlook)
        recently.clear()
        self._is_to_be_read = False
        self._next_sequence = snapshot.sequence

    def settle(self) -> None:
        """All blocks up to the last snapshot were looked through: what only earlier ones lacked is in none of them."""
        self._swept.turn()

    def read_on(self, source: str) -> None:
        """Look at some of what has not been looked at, as long as there is room for what it finds; may raise NodeError.

        Fees first: without them nothing could be predicted of what is found.
        """
        if self._candidates.is_full or (self._to_be_priced and not self._is_mostly_priced):
            return
        txids = self._no_larger_than_a_block(self._unread.first(_RAW_BATCH))
        if not txids:
            return
        threshold_sat, outpoints = self._threshold_sat, self._followed.outpoints
        for txid, raw in zip(txids, self._node.raw_transactions(txids), strict=True):
            if raw is None or not self.knows(txid):
                # Most likely a block took it, of which an indexing node has the bytes all the same; should it come
                # back, it has still to be read.
                self._candidates.unread(txid.hex())
                self._outlook.mined(key_of(txid))
            elif is_worth_a_look(raw, threshold_sat, outpoints) and not self._candidates.add(txid.hex(), raw, source):
                self._unread.append(txid)
        self._unread.drop(len(txids))

    def mined(self, txid: bytes) -> bool:
        """Take the word that a block holds a transaction; return whether it was known to wait."""
        key = key_of(txid)
        return self._outlook.mined(key) or key in self._swept

    def was_known(self, txid: bytes) -> bool:
        """Return whether a transaction waits, or did until just now or a snapshot whose blocks were not looked through.

        Whether it was a whale may not be known: its bytes were not heard, or were not worth a look.
        """
        key = key_of(txid)
        return key in self._outlook or key in self._swept or key in self._recently

    def judged(self, txids: Iterable[bytes]) -> set[bytes]:
        """Return those of `txids` that wait and have been looked at: what is known of no whale then is none.

        What came just now is not among them: of a loss that concerns it one may not have heard yet.
        """
        if self._is_to_be_read:
            return set()
        unread = {*map(key_of, self._unread), *map(key_of, self._unknown)}
        return {
            txid
            for txid in txids
            if self.knows(txid) and (key := key_of(txid)) not in unread and key not in self._recently
        }

    def is_fresh(self, now_seconds: float, max_age_seconds: float) -> bool:
        """Return whether so much is known of the mempool, and of its last seconds, that it can be told about."""
        return self._is_mostly_priced and now_seconds - self._current_at_seconds <= max_age_seconds

    def note_current(self, now_seconds: float) -> None:
        """Whatever is in the mempool is known, but for fees that are still to be asked for."""
        if not self._to_be_priced:
            self._current_at_seconds = now_seconds

    def price(self, now_seconds: float) -> None:
        """Ask for the fees of some of what has none yet, once that is worth a request; may raise NodeError.

        A few wait until what may be a whale has been looked at.
        """
        is_early = now_seconds - self._asked_at_seconds < _GATHER_SECONDS
        if self._is_little_unpriced and (is_early or len(self._candidates)):
            return
        self._asked_at_seconds = now_seconds
        queue = self._unknown if len(self._unknown) else self._unpriced
        txids = queue.first(_ENTRY_BATCH)
        waiting = [txid for txid in txids if self.knows(txid)]
        if waiting:
            for txid, entry in zip(waiting, self._node.entries(waiting), strict=True):
                if entry is not None:
                    self.price_one(txid, entry)
            self._current_at_seconds = now_seconds
        if queue is self._unknown:
            self._unread.extend(txids)
        queue.drop(len(txids))

    def price_one(self, txid: bytes, entry: Entry) -> None:
        """Take what the node says about one that waits, and what that means for its parents."""
        feerate = entry.effective_feerate_sat_vb
        self._outlook.priced(key_of(txid), feerate, entry.vsize_vb, entry.time)
        for parent in entry.depends:
            self._outlook.lifted(key_of(parent), feerate)

    def _no_larger_than_a_block(self, txids: Sequence[bytes]) -> Sequence[bytes]:
        """Return the first of `txids`, at least one, whose bytes make a reasonable answer together."""
        left_vb = _RAW_BATCH_VB
        for at, txid in enumerate(txids):
            left_vb -= self._outlook.vsize_vb(key_of(txid))
            if left_vb < 0:
                return txids[: max(1, at)]
        return txids

    @property
    def _to_be_priced(self) -> int:
        return len(self._unknown) + len(self._unpriced)

    @property
    def _is_mostly_priced(self) -> bool:
        return self._outlook.priced_share >= _LEAST_PRICED_SHARE

    @property
    def _is_little_unpriced(self) -> bool:
        return self._to_be_priced < _ENTRY_BATCH and self._is_mostly_priced
