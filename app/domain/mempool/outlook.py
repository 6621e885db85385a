"""All that is said about the mempool and about when something will be mined: the one thing the detector holds.

What to tell it, as it happens (`key` is the first 8 bytes of the txid in display order, as an integer; times are Unix
times; feerates are effective ones, in sat/vB):

    outlook = Outlook(is_proof_of_work=network == "main", since=time of the tip when we began)
    outlook.block_time(at)                      before all else: of the last 25 blocks or so, the oldest first; optional
    outlook.added(key)                          it is in the mempool
    outlook.priced(key, feerate, vsize, entered_at)     the node told its entry; again when that changed
    outlook.lifted(key, feerate)                a child pays for it (feerate: that of the child, with its ancestors)
    outlook.left(key)                           it left, and not by a block
    outlook.mined(key)                          for each transaction of a block, and then
    outlook.block_connected(vsize, at)          once for the block (vsize without the coinbase);
                                                of blocks that came while we did not look, only block_time(at)
    outlook.begin_sweep(expected) ... outlook.mark(key) ... outlook.sweep()     a snapshot: what is in it stays

What to ask:

    outlook.urgency(feerate, own_vsize)         score and level
    outlook.prediction(feerate, package_vsize, now, is_waiting=...)     blocks to wait, with probabilities
    outlook.fees()                              histogram, projected blocks, feerates
    key in outlook, len(outlook), outlook.unpriced, outlook.priced_share
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.mempool.bands import band_of
from app.domain.mempool.experience import Experience, Standing
from app.domain.mempool.histogram import Ahead
from app.domain.mempool.prediction import Prediction, predict
from app.domain.mempool.projected_blocks import (
    ProjectedBlock,
    economy_feerate_sat_vb,
    next_block_feerate_sat_vb,
    projected_blocks,
)
from app.domain.mempool.table import MULTIPLIER
from app.domain.mempool.urgency import urgency_level, urgency_score
from app.domain.mempool.waiting import MOST, Priced, Waiting

if TYPE_CHECKING:
    from app.domain.mempool.histogram import FeeBand

__all__ = ["Fees", "Outlook", "Prediction", "Urgency"]


class Urgency(NamedTuple):
    """The share of the mempool that is outbid, 0 to 1, and what that is called."""

    score: float
    level: str


class Fees(NamedTuple):
    """The state of the mempool; feerates are None when nothing waits.

    Attributes:
        transaction_count: All that wait, with or without a known fee.
        vsize_vb: Of those with a known fee, as everything that follows.
        bands: The histogram, the highest feerate first.
    """

    transaction_count: int
    vsize_vb: int
    next_block_feerate_sat_vb: float | None
    economy_feerate_sat_vb: float | None
    bands: list[FeeBand]
    projected_blocks: list[ProjectedBlock]


class Outlook:
    """What waits, what comes, and what blocks take.

    Args:
        is_proof_of_work: Blocks come every 600 seconds on average, at random; else their pace is learned.
        since: Unix time from which on all that entered the mempool is told, or was still there when it was told:
            the time of the block that was the tip when we began.
        most: How many transactions are kept; further ones are only counted.
        multiplier: An odd number of 64 bits, drawn at random (see Table).
    """

    def __init__(self, *, is_proof_of_work: bool, since: float, most: int = MOST, multiplier: int = MULTIPLIER) -> None:
        self._waiting = Waiting(most, multiplier)
        self._experience = Experience(is_proof_of_work=is_proof_of_work, since=since)

    def __len__(self) -> int:
        """Return how many wait, with or without a known fee."""
        return len(self._waiting) + self._waiting.untracked

    def __contains__(self, key: int) -> bool:
        """Return whether a transaction is known to wait."""
        return key in self._waiting

    @property
    def unpriced(self) -> int:
        """How many wait whose fee is not known."""
        return self._waiting.unpriced + self._waiting.untracked

    @property
    def priced_share(self) -> float:
        """The share, by number, of those that wait whose fee is known; 1 when nothing waits."""
        return 1 - self.unpriced / len(self) if len(self) else 1.0

    def vsize_vb(self, key: int) -> int:
        """Return the virtual size of one that waits; 0 as long as it is not known."""
        found = self._waiting.find(key)
        return 0 if found is None else found.vsize_vb

    def added(self, key: int) -> None:
        """Learn that a transaction is in the mempool."""
        self._waiting.add(key)

    def priced(self, key: int, feerate_sat_vb: float, vsize_vb: int, entered_at: float) -> None:
        """Learn what a transaction pays, and when it entered the mempool; again whenever that changes."""
        if self._waiting.find(key) is None:
            self._experience.entered(Priced(band_of(feerate_sat_vb), vsize_vb), entered_at)
        self._waiting.price(key, feerate_sat_vb, vsize_vb)

    def lifted(self, key: int, feerate_sat_vb: float) -> None:
        """Learn that a child pays for a transaction; a feerate that is not higher than its own changes nothing."""
        before = self._waiting.find(key)
        if before is not None and before.band < (band := band_of(feerate_sat_vb)):
            self._experience.lifted(before, band)
            self._waiting.lift(key, feerate_sat_vb)

    def left(self, key: int) -> bool:
        """Learn that a transaction left other than by a block, mostly since it was replaced; return if it was known."""
        before = self._waiting.find(key)
        if before is not None:
            self._experience.left(before)
        return self._waiting.remove(key)

    def mined(self, key: int) -> bool:
        """Learn that a block holds a transaction; return whether it was known to wait."""
        known = self._waiting.remove(key)
        if known:
            self._experience.mined()
        return known

    def block_time(self, at: float) -> None:
        """Learn when a block came that was there before us."""
        self._experience.block_time(at)

    def block_connected(self, vsize_vb: int, at: float) -> None:
        """Learn that a block came, after `mined` was told of each of its transactions.

        Args:
            vsize_vb: Of its transactions, without the coinbase.
            at: When it came, by our clock; or by its header's, if it came before us.
        """
        self._experience.block_connected(vsize_vb, at, len(self._waiting), self._waiting.histogram.total_vb)

    def begin_sweep(self, expected: int = 0) -> None:
        """Begin to compare with a snapshot of about `expected` transactions."""
        self._waiting.begin_sweep(expected)

    def mark(self, key: int) -> bool:
        """Note that the snapshot holds a transaction; return False if we did not know it, and then it is not added."""
        return self._waiting.mark(key)

    def sweep(self) -> list[int]:
        """Forget what the snapshot does not hold and was not added since the sweep began; return their keys."""
        return self._waiting.sweep()

    def urgency(self, feerate_sat_vb: float, own_vsize_vb: int) -> Urgency:
        """Return how urgent a transaction with that effective feerate is among the others.

        Args:
            feerate_sat_vb: Effective.
            own_vsize_vb: Of itself, if it was priced already, since nobody outbids himself; else 0.
        """
        higher_vb, same_vb = self._waiting.ahead(feerate_sat_vb)
        # No more than there is: a full table does not hold everybody.
        own_vb = min(own_vsize_vb, same_vb)
        score = urgency_score(Ahead(higher_vb, same_vb - own_vb), self._waiting.histogram.total_vb - own_vb)
        return Urgency(score, urgency_level(score))

    def prediction(
        self, feerate_sat_vb: float, package_vsize_vb: int, now: float, *, is_waiting: bool = True
    ) -> Prediction:
        """Return when a transaction will be mined.

        Args:
            feerate_sat_vb: Effective: with cheap unconfirmed parents, that of it and its ancestors together.
            package_vsize_vb: Its own virtual size, with the unconfirmed ancestors that are mined by its feerate.
            now: Unix time.
            is_waiting: Its package was priced already, so it is among what waits at its feerate.
        """
        standing = self._standing(feerate_sat_vb, package_vsize_vb, package_vsize_vb if is_waiting else 0)
        circumstances = {
            "feerate_sat_vb": feerate_sat_vb,
            "priced_share": round(self.priced_share, 4),
            **self._experience.pace(now),
        }
        return predict(standing, self._experience.prospect(standing, now), circumstances)

    def fees(self) -> Fees:
        """Return the state of the mempool."""
        bands = list(self._waiting.histogram.bands())
        blocks = projected_blocks(bands, self._experience.usual_block_vb)
        return Fees(
            len(self),
            self._waiting.histogram.total_vb,
            next_block_feerate_sat_vb(blocks),
            economy_feerate_sat_vb(blocks),
            bands,
            blocks,
        )

    def _standing(self, feerate_sat_vb: float, package_vsize_vb: int, counted_vb: int) -> Standing:
        """Return where a package stands of which so much is counted among what waits.

        Those of unknown fee are taken to pay as the others do; with nothing priced at all there is nothing to go by.
        """
        ahead = self._waiting.ahead(feerate_sat_vb)
        share = self.priced_share or 1.0
        same_vb = max(0, ahead.same_vb - counted_vb)
        return Standing(band_of(feerate_sat_vb), ahead.higher_vb / share, same_vb / share, package_vsize_vb)
