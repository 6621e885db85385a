"""Whales that are followed no longer for want of room: taken up again when there is some, given up when too old."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from app.services.whales.predictions import predictions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.services.whales.clocks import Clocks
    from app.services.whales.fates import Fates
    from app.services.whales.followed import Followed
    from app.services.whales.limits import DetectorLimits
    from app.services.whales.mempool_view import MempoolView
    from app.services.whales.whale_store import Whale, WhaleStore

# Of the whales that wait, so many are looked through at one time, and so often: ten thousand in a quarter of an hour,
# which fills memory no faster than it is seen to be short again.
_PAGE = 100
_EVERY_SECONDS = 10.0


class LetGo:
    """Keeps the number of followed whales to what there is room for, and does not forget the others.

    Args:
        store: Knows all that wait.
        followed: Those that are followed.
        fates: Moves them.
        view: Knows what is in the mempool.
        limits: When nodes give up a transaction.
        clocks: The time.

    Attributes:
        count: How many were let go, all in all.
    """

    def __init__(  # noqa: PLR0913 - the parts that it connects, every one named
        self,
        *,
        store: WhaleStore,
        followed: Followed,
        fates: Fates,
        view: MempoolView,
        limits: DetectorLimits,
        clocks: Clocks,
    ) -> None:
        self._store = store
        self._followed = followed
        self._fates = fates
        self._view = view
        self._limits = limits
        self._clocks = clocks
        self.count = 0
        # Whether the next round through the store would find any, and where this one is; None between two.
        self._are_any = False
        self._last: Whale | None = None
        self._next_at = -math.inf

    def keep_to(self, most: int) -> None:
        """Follow no more than `most`."""
        let_go = self._followed.let_go(most)
        self.count += let_go
        self._are_any = self._are_any or let_go > 0

    def recall(self, spent: Iterable[bytes]) -> None:
        """Follow those again that spend one of `spent`; may raise StorageError."""
        self._note_where(self._followed.recall(self._store, spent))

    def go_on(self, most: int) -> None:
        """Look through some of those that wait, for such as are not followed; may raise StorageError.

        Nothing may be drafted: what the store says has to be true.
        """
        now_seconds = self._clocks.seconds()
        if now_seconds < self._next_at or not (self._are_any or self._last):
            return
        self._next_at = now_seconds + _EVERY_SECONDS
        page = self._store.pending_after(self._last, _PAGE)
        lost = [whale for whale in page if self._followed.get(whale.txid) is None]
        room = max(0, most - len(self._followed))
        old = [whale for whale in lost[room:] if self._is_too_old(whale)]
        predictions = predictions_of(self._store, old)
        # From here on nothing is asked, and nothing can fail.
        self._take_up(lost[:room])
        self._fates.give_up(old, predictions, self._clocks.now())
        self._are_any = len(lost) > room + len(old) or (self._are_any and self._last is not None)
        self._last = page[-1] if len(page) == _PAGE else None

    def _is_too_old(self, whale: Whale) -> bool:
        is_old = whale.timestamp <= self._clocks.now() - self._limits.lifetime
        return is_old and not self._view.knows(bytes.fromhex(whale.txid))

    def _take_up(self, whales: Sequence[Whale]) -> None:
        for whale in whales:
            self._followed.add(whale)
        self._note_where(whales)

    def _note_where(self, whales: Iterable[Whale]) -> None:
        self._fates.note_where(whales, self._view, self._clocks.now(), self._clocks.seconds())
