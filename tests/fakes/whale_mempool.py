"""A mempool as bitcoind keeps it, slow and obvious, and what ZMQ says about it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

from app.domain.whales.prevout import Outpoint, Prevout
from app.services.whales.mempool_node import Entry, Heard, Topic
from tests.fakes.whale_transactions import Sent


class Announcer:
    """What was published and not received yet; loses what is said on `losing`, and says so before the next one.

    Attributes:
        losing: Of `rawtx` and `sequence`.
    """

    def __init__(self) -> None:
        self.losing: frozenset[str] = frozenset()
        self._waiting: deque[Heard] = deque()
        self._missing = {"rawtx": 0, "sequence": 0}

    def say(self, topic: Topic, body: bytes, sequence: int = 0) -> None:
        channel = "rawtx" if topic is Topic.RAW else "sequence"
        if channel in self.losing:
            self._missing[channel] += 1
            return
        if self._missing[channel]:
            self._waiting.append(Heard(Topic.LOST, b"", self._missing[channel]))
            self._missing[channel] = 0
        self._waiting.append(Heard(topic, body, sequence))

    def begin(self) -> None:
        """Somebody connects: how much was said before, nobody can tell."""
        self._missing = {"rawtx": 0, "sequence": 0}
        self._waiting.append(Heard(Topic.LOST, b"", 0))

    def forget(self) -> None:
        self._waiting.clear()

    def take(self, most: int | None = None) -> list[Heard]:
        count = len(self._waiting) if most is None else min(most, len(self._waiting))
        return [self._waiting.popleft() for _ in range(count)]


class Pool:
    """The transactions that wait, in the order in which they came.

    Attributes:
        sequence: The number of the next change.
    """

    def __init__(self, say: Callable[[Topic, bytes, int], None]) -> None:
        self._say = say
        self._waiting: dict[str, tuple[Sent, datetime]] = {}
        self.sequence = 1

    def __contains__(self, txid: str) -> bool:
        return txid in self._waiting

    @property
    def transactions(self) -> list[Sent]:
        return [transaction for transaction, _ in self._waiting.values()]

    def accept(self, transaction: Sent, confirmed: Mapping[Outpoint, Prevout], now: datetime) -> bool:
        """Take a transaction if its coins are there; it replaces what pays less in all; return whether it did."""
        if transaction.txid in self._waiting:
            return False
        rivals = self._with_descendants(each for each in self.transactions if _are_rivals(each, transaction))
        made = {(each.txid, vout) for each in self.transactions for vout in range(len(each.outputs))}
        spendable = {outpoint for outpoint in made if outpoint[0] not in rivals} | set(confirmed)
        if any(outpoint not in spendable for outpoint in transaction.outpoints):
            return False
        if rivals and transaction.fee_sat <= sum(self._waiting[rival][0].fee_sat for rival in rivals):
            return False
        self._leave(rivals)
        self._waiting[transaction.txid] = (transaction, now)
        self._say(Topic.RAW, transaction.raw, 0)
        self._say(Topic.ADDED, transaction.txid_bytes, self._next())
        return True

    def evict(self, txid: str) -> None:
        """Let a transaction go, and what stands on it."""
        self._leave(self._with_descendants([self._waiting[txid][0]]))

    def mined(self, transactions: Collection[Sent]) -> None:
        """A block holds these; what wanted the same coins leaves."""
        for transaction in transactions:
            if self._waiting.pop(transaction.txid, None) is not None:
                # Counted, though nothing is said.
                self._next()
            self._leave(self._with_descendants(each for each in self.transactions if _are_rivals(each, transaction)))

    def leave_out_orphans(self, confirmed: Mapping[Outpoint, Prevout]) -> None:
        """Let go what spends coins that a reorganisation took away."""
        while True:
            made = {Outpoint(each.txid, vout) for each in self.transactions for vout in range(len(each.outputs))}
            spendable = made | set(confirmed)
            orphans = [each.txid for each in self.transactions if not spendable.issuperset(each.outpoints)]
            if not orphans:
                return
            self._leave(orphans)

    def entry(self, txid: str) -> Entry | None:
        if txid not in self._waiting:
            return None
        transaction, entered = self._waiting[txid]
        ancestors = self._ancestors(transaction)
        fee_sat = sum(each.fee_sat for each in ancestors)
        vsize_vb = sum(each.vsize_vb for each in ancestors)
        return Entry(
            fee_sat=transaction.fee_sat,
            vsize_vb=transaction.vsize_vb,
            ancestor_fee_sat=fee_sat,
            ancestor_vsize_vb=vsize_vb,
            effective_feerate_sat_vb=min(transaction.fee_sat / transaction.vsize_vb, fee_sat / vsize_vb),
            depends=tuple(bytes.fromhex(parent) for parent in sorted(transaction.parents) if parent in self._waiting),
            time=int(entered.timestamp()),
        )

    def raw(self, txid: str) -> bytes | None:
        return self._waiting[txid][0].raw if txid in self._waiting else None

    def _ancestors(self, transaction: Sent) -> list[Sent]:
        """Return a transaction and all that it stands on."""
        found = {transaction.txid: transaction}
        for parent in transaction.parents:
            if parent in self._waiting:
                found |= {each.txid: each for each in self._ancestors(self._waiting[parent][0])}
        return list(found.values())

    def _with_descendants(self, transactions: Iterable[Sent]) -> list[str]:
        found = {each.txid for each in transactions}
        # Children come after their parents.
        for each in self.transactions:
            if each.parents & found:
                found.add(each.txid)
        return [txid for txid in self._waiting if txid in found]

    def _leave(self, txids: Iterable[str]) -> None:
        for txid in txids:
            transaction, _ = self._waiting.pop(txid)
            self._say(Topic.REMOVED, transaction.txid_bytes, self._next())

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence - 1


def _are_rivals(one: Sent, other: Sent) -> bool:
    return one.txid != other.txid and not set(one.outpoints).isdisjoint(other.outpoints)
