"""Sends what was made, and keeps the books about it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from tests.node.programs.bitcoind_rpc import BitcoindRpc, RpcError, UnreachableError
from tests.node.programs.life.ledger import Ledger
from tests.node.programs.life.record import Record
from tests.node.programs.life.transaction import Transaction

_INPUTS_MISSING = -25


class Made(NamedTuple):
    """A transaction to send, and the one of ours whose place in the mempool it takes, if it does."""

    transaction: Transaction
    replaced: Transaction | None = None


class Sender:
    """Gives transactions to bitcoind.

    Args:
        rpc: That bitcoind.
        ledger: Learns what waits, and gets the coins of what was refused back.
        record: Where whales are written down, if they are.

    Attributes:
        counts: What was sent, by kind, and what was refused, since somebody cleared it.
    """

    def __init__(self, rpc: BitcoindRpc, ledger: Ledger, record: Record | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._rpc = rpc
        self._ledger = ledger
        self._record = record
        self._unanswered: list[Made] = []

    def send(self, made: Sequence[Made]) -> list[RpcError | None]:
        """Send `made` in its order; return for each why it was refused, or None.

        Raises:
            UnreachableError: bitcoind went away; which of them it has is not known.
        """
        refusals: list[RpcError | None] = []
        for together in self._parcels(made):
            answers = self._ask(together)
            refusals += [self._book(each, answer) for each, answer in zip(together, answers, strict=True)]
        return refusals

    def send_again(self) -> None:
        """Send all that waits by our books, and all that bitcoind went away over; it knows best what of it is valid.

        A wallet does so, too, after bitcoind has lost its mempool. What we know of the coins is wrong afterwards.

        Raises:
            UnreachableError: bitcoind went away again; nothing is forgotten.
        """
        waited = self._ledger.earlier | self._ledger.pending
        for together in self._parcels([*map(Made, waited.values()), *self._unanswered]):
            self._ask(together)
        self._ledger.earlier = waited | {each.transaction.txid_le: each.transaction for each in self._unanswered}
        self._unanswered.clear()

    def note_mined(self, made: Made) -> None:
        """Keep the books about what a block holds that was not in the mempool before."""
        self.counts[made.transaction.kind] += 1
        self._write_down(made, "mined")

    def _parcels(self, made: Sequence[Made]) -> Iterator[list[Made]]:
        """Yield what is sent in one call: many, but of what is recorded only one, so that its time is its own."""
        for is_recorded, some in groupby(made, self._is_recorded):
            if is_recorded:
                yield from ([each] for each in some)
            else:
                yield list(some)

    def _is_recorded(self, made: Made) -> bool:
        return self._record is not None and self._record.wants(made.transaction, made.replaced)

    def _ask(self, together: list[Made]) -> list[str | RpcError]:
        try:
            answers = self._rpc.batch("sendrawtransaction", [(each.transaction.raw.hex(), 0) for each in together])
        except UnreachableError:
            self._write_down(together[0], "unknown")
            self._ledger.tip_hash = ""
            self._unanswered += together
            raise
        if not isinstance(answers[0], RpcError):
            self._write_down(together[0], "accepted")
        return answers

    def _write_down(self, made: Made, outcome: str) -> None:
        now = time.monotonic(), time.time()
        if self._record is not None and self._is_recorded(made):
            self._record.add(*made, outcome, *now)

    def _book(self, made: Made, answer: str | RpcError) -> RpcError | None:
        if isinstance(answer, RpcError):
            self._take_back(made)
            self.counts[f"refused: {answer.reason}"] += 1
            if answer.code == _INPUTS_MISSING:
                self._ledger.tip_hash = ""
            return answer
        if made.replaced is not None:
            self._ledger.pending.pop(made.replaced.txid_le, None)
        self._ledger.pending[made.transaction.txid_le] = made.transaction
        self.counts[made.transaction.kind] += 1
        return None

    def _take_back(self, made: Made) -> None:
        if made.transaction.depth:
            parent = self._ledger.pending.get(made.transaction.coins[0].txid_le)
            if parent is not None and made.replaced is None:
                parent.spent_by_child = None
        elif made.replaced is None:
            self._ledger.purse.put_back(made.transaction.coins)
