"""What was sent that is large, written down by who sent it, for whoever wants to know whether all of it was seen."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from tests.node.programs.life.scripts import is_exchange
from tests.node.programs.life.transaction import Output, Transaction


class Record:
    """A file of JSON lines, one for each transaction that moves enough, or replaces one that did.

    Each line has `txid`, `sent_at_seconds` (monotonic) and `sent_at_ms` (Unix) of when `sendrawtransaction` returned,
    `moved_sat`, `replaces` (a txid or null), `kind`, `flow` and `outcome`: `accepted`, `mined` for what never was in
    the mempool, or `unknown` when bitcoind went away before it answered; another line follows if it is accepted later.

    Args:
        path: The file; lines are appended.
        least_sat: What a transaction has to move.
    """

    def __init__(self, path: Path, least_sat: int) -> None:
        self._path = path
        self._least_sat = least_sat
        self._accepted: set[bytes] = set()

    @classmethod
    def of_environment(cls, environ: Mapping[str, str] = os.environ) -> Record | None:
        """Return the record of LIFE_RECORD, from LIFE_RECORD_BTC (100) on; None without the first."""
        path = environ.get("LIFE_RECORD")
        return cls(Path(path), round(float(environ.get("LIFE_RECORD_BTC", "100")) * 100_000_000)) if path else None

    def wants(self, transaction: Transaction, replaced: Transaction | None) -> bool:
        """Return whether the transaction is one to write down."""
        return moved_sat(transaction) >= self._least_sat or (
            replaced is not None and moved_sat(replaced) >= self._least_sat
        )

    def add(
        self, transaction: Transaction, replaced: Transaction | None, outcome: str, monotonic: float, unix: float
    ) -> None:
        """Write a transaction down, whose sending returned at these two times, in seconds; once if it was accepted."""
        if transaction.txid_le in self._accepted:
            return
        if outcome == "accepted":
            self._accepted.add(transaction.txid_le)
        line = {
            "txid": transaction.txid,
            "sent_at_seconds": monotonic,
            "sent_at_ms": int(unix * 1000),
            "moved_sat": moved_sat(transaction),
            "replaces": None if replaced is None else replaced.txid,
            "kind": transaction.kind,
            "flow": flow(transaction),
            "outcome": outcome,
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def moved_sat(transaction: Transaction) -> int:
    """Return what goes to scripts that are not among those of the inputs."""
    return sum(output.value_sat for output in _moved(transaction))


def flow(transaction: Transaction) -> str:
    """Return which way it goes past the exchanges: inflow, outflow, internal, or unknown when past none."""
    leaves = any(is_exchange(coin.script) for coin in transaction.coins)
    enters = any(is_exchange(output.script) for output in _moved(transaction))
    return {(False, True): "inflow", (True, False): "outflow", (True, True): "internal"}.get(
        (leaves, enters), "unknown"
    )


def _moved(transaction: Transaction) -> list[Output]:
    spent = {coin.script for coin in transaction.coins}
    return [output for output in transaction.outputs if output.script not in spent]
