"""The state of the mempool, written down now and then, and told when it has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.services.whales.telling import fee_update
from app.services.whales.whale_store import FeeSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.mempool.histogram import FeeBand
    from app.domain.mempool.outlook import Outlook
    from app.services.whales.chain import Chain
    from app.services.whales.clocks import Clocks
    from app.services.whales.draft import Draft
    from app.services.whales.mempool_view import MempoolView

# Everybody is told after so long, and sooner when the feerate of the next block has changed by so much.
_TELL_SECONDS = 60.0
_TELL_SHARE = 0.1
# What is older is not the state of the mempool any more.
_MAX_AGE_SECONDS = 15.0
# Of the histogram that is kept: bands of a tenth say enough to people.
_COARSE = 1.1


class FeeRecord:
    """Drafts a snapshot of the mempool every few seconds, and events about it more rarely.

    Args:
        outlook: All that waits.
        view: Knows how fresh that is.
        chain: Knows the tip.
        draft: Takes what is to be kept and told.
        clocks: The time.
        every_seconds: At most.
    """

    def __init__(  # noqa: PLR0913 - the parts that it connects, every one named
        self,
        *,
        outlook: Outlook,
        view: MempoolView,
        chain: Chain,
        draft: Draft,
        clocks: Clocks,
        every_seconds: float,
    ) -> None:
        self._outlook = outlook
        self._view = view
        self._chain = chain
        self._draft = draft
        self._clocks = clocks
        self._every_seconds = every_seconds
        self._next_at = 0.0
        self._told_at: float | None = None
        self._told_feerate: float | None = None

    def keep(self, source: str) -> None:
        """Draft what is due, if the mempool is known; `source` is where it was learned from."""
        now_seconds = self._clocks.seconds()
        if now_seconds < self._next_at:
            return
        tip_height = self._chain.known_height
        if tip_height is None or not self._view.is_fresh(now_seconds, _MAX_AGE_SECONDS):
            return
        self._next_at = now_seconds + self._every_seconds
        fees = self._outlook.fees()
        snapshot = FeeSnapshot(
            taken_at=self._clocks.now(),
            source=source,
            tip_height=tip_height,
            transaction_count=fees.transaction_count,
            mempool_vsize_vb=fees.vsize_vb,
            next_block_feerate_sat_vb=fees.next_block_feerate_sat_vb,
            economy_feerate_sat_vb=fees.economy_feerate_sat_vb,
            histogram=_coarse(fees.bands),
            projected_blocks=[each._asdict() for each in fees.projected_blocks],
        )
        self._draft.fees(snapshot)
        if self._is_news(snapshot.next_block_feerate_sat_vb, now_seconds):
            self._told_at, self._told_feerate = now_seconds, snapshot.next_block_feerate_sat_vb
            self._draft.tell(fee_update(snapshot))

    def _is_news(self, feerate: float | None, now_seconds: float) -> bool:
        if self._told_at is None or now_seconds - self._told_at >= _TELL_SECONDS:
            return True
        before = self._told_feerate
        if feerate is None or before is None:
            return feerate is not before
        return abs(feerate - before) > _TELL_SHARE * before


def _coarse(bands: Sequence[FeeBand]) -> list[dict[str, Any]]:
    """Return the histogram in wider bands, the highest feerate first; `feerate_sat_vb` is the lowest of each."""
    groups: list[dict[str, Any]] = []
    ceiling = 0.0
    for band in bands:
        if not groups or band.feerate_sat_vb * _COARSE < ceiling:
            ceiling = band.feerate_sat_vb
            groups.append({"feerate_sat_vb": 0.0, "vsize_vb": 0, "transactions": 0})
        group = groups[-1]
        group["feerate_sat_vb"] = round(band.feerate_sat_vb, 3)
        group["vsize_vb"] += band.vsize_vb
        group["transactions"] += band.transactions
    return groups
