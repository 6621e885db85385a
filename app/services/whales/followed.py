"""The whales that are being followed: they wait in the mempool, or have left it and may come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.whales.parts import outpoint_bytes
from app.domain.whales.prevout import Outpoint

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from app.services.whales.whale_store import Whale, WhaleStore

# That are remembered of whales that are followed no longer: some megabytes.
_MOST_OUTPOINTS = 20_000


class _Remembered(NamedTuple):
    spent: Sequence[bytes]
    is_waiting: bool


_NOTHING = _Remembered((), is_waiting=False)


class Followed:
    """Whales by txid, and by what they spend; of those of which word may still come, no more than that is kept."""

    def __init__(self) -> None:
        self._whales: dict[str, Whale] = {}
        # More than one when a reorganisation took back what had decided between them.
        self._spenders: dict[bytes, tuple[str, ...]] = {}
        self._remembered: dict[str, _Remembered] = {}
        self._remembered_outpoints = 0
        # By the monotonic clock; whatever the time of day does meanwhile.
        self._left_at_seconds: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._whales)

    def __iter__(self) -> Iterator[Whale]:
        """Yield each of them; they may change meanwhile."""
        return iter(list(self._whales.values()))

    @property
    def outpoints(self) -> Container[bytes]:
        """All that they spend, and those that are remembered, as it stands in transactions."""
        return self._spenders

    def get(self, txid: str) -> Whale | None:
        """Return the whale `txid`, if it is followed."""
        return self._whales.get(txid)

    def add(self, whale: Whale) -> None:
        """Follow a whale."""
        self.remove(whale.txid)
        self._whales[whale.txid] = whale
        self._note(whale.txid, outpoints_of(whale))

    def remove(self, txid: str) -> None:
        """Follow it no longer; what another whale spends as well stays known of that one."""
        whale = self._whales.pop(txid, None)
        self._left_at_seconds.pop(txid, None)
        remembered = self._remembered.pop(txid, _NOTHING)
        self._remembered_outpoints -= len(remembered.spent)
        for outpoint in remembered.spent if whale is None else outpoints_of(whale):
            others = tuple(other for other in self._spenders[outpoint] if other != txid)
            if others:
                self._spenders[outpoint] = others
            else:
                del self._spenders[outpoint]

    def remember(self, whale: Whale) -> None:
        """Follow it no longer, but go on looking at what spends its coins: one of these may be itself.

        Of too many, what was remembered first is forgotten.
        """
        self.remove(whale.txid)
        spent = tuple(outpoints_of(whale))
        self._remembered[whale.txid] = _Remembered(spent, is_waiting=whale.status == "pending")
        self._remembered_outpoints += len(spent)
        self._note(whale.txid, spent)
        while self._remembered_outpoints > _MOST_OUTPOINTS:
            self.remove(next(iter(self._remembered)))

    def rivals(self, txid: str, spent: Iterable[bytes]) -> Sequence[Whale]:
        """Return the whales other than `txid` that spend one of `spent`, each once; first `recall` those let go."""
        found = self._spenders_of(spent) & self._whales.keys()
        return [self._whales[other] for other in sorted(found - {txid})]

    def recall(self, store: WhaleStore, spent: Iterable[bytes]) -> Sequence[Whale]:
        """Follow those again that were let go, and spend one of `spent`, and return them; may raise StorageError.

        Whether they still wait was not noted meanwhile.
        """
        known = self._remembered
        recalled = {txid for txid in self._spenders_of(spent) if txid in known and known[txid].is_waiting}
        if not recalled:
            return []
        found = store.find(recalled)
        for txid in recalled:
            self.remove(txid)
        waiting = [whale for whale in found.values() if whale.status == "pending"]
        for whale in waiting:
            self.add(whale)
        return waiting

    def leave(self, whale: Whale, at_seconds: float) -> None:
        """Note when a whale left the mempool, by the monotonic clock."""
        self._left_at_seconds.setdefault(whale.txid, at_seconds)

    def come_back(self, whale: Whale) -> None:
        """Note that it is in the mempool again."""
        self._left_at_seconds.pop(whale.txid, None)

    def away_since(self, until_seconds: float) -> Sequence[Whale]:
        """Return the whales that left the mempool at `until_seconds` or before."""
        return [self._whales[txid] for txid, left in self._left_at_seconds.items() if left <= until_seconds]

    def let_go(self, most: int) -> int:
        """Follow no more than `most`, those of the lowest feerate no longer; return how many that were."""
        surplus = len(self._whales) - most
        if surplus <= 0:
            return 0
        by_feerate = sorted(self._whales.values(), key=lambda whale: whale.fee_rate or 0)
        for whale in by_feerate[:surplus]:
            self.remember(whale)
        return surplus

    def _note(self, txid: str, spent: Iterable[bytes]) -> None:
        for outpoint in spent:
            self._spenders[outpoint] = (*self._spenders.get(outpoint, ()), txid)

    def _spenders_of(self, spent: Iterable[bytes]) -> set[str]:
        return {txid for outpoint in spent for txid in self._spenders.get(outpoint, ())}


def outpoints_of(whale: Whale) -> Iterator[bytes]:
    """Yield what a whale spends, as it stands in transactions."""
    for text in whale.outpoints:
        txid, _, vout = text.partition(":")
        yield outpoint_bytes(Outpoint(txid, int(vout)))
