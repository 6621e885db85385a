"""Which coins are free, found again from bitcoind after any interruption."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from tests.node.programs.bitcoind_rpc import BitcoindRpc, RpcError
from tests.node.programs.life.history import MATURITY_BLOCKS
from tests.node.programs.life.purse import Purse
from tests.node.programs.life.scripts import Scripts
from tests.node.programs.life.spending import SAT_PER_BTC
from tests.node.programs.life.transaction import Coin, Transaction

_ALREADY_SCANNING = -8
# A description is several kilobytes of JSON.
_ASKED_AT_ONCE = 500


class Ledger:
    """Our coins as of one block, and our transactions that wait for the next.

    Attributes:
        tip: Height of that block.
        tip_hash: Its hash; empty when bitcoind has to be asked for everything again.
        purse: Coins that are free to spend.
        pending: Our transactions in the mempool, by txid in wire order.
        earlier: Those that we sent before we recovered and that wait still, likewise.
    """

    def __init__(self, rpc: BitcoindRpc, scripts: Scripts, purse: Purse) -> None:
        self.tip = 0
        self.tip_hash = ""
        self.purse = purse
        self.pending: dict[bytes, Transaction] = {}
        self.earlier: dict[bytes, Transaction] = {}
        self._rpc = rpc
        self._scripts = scripts
        self._immature: deque[Coin] = deque()
        self._spent_by_strangers: set[tuple[str, int]] = set()

    def recover(self) -> None:
        """Ask bitcoind about everything: for the UTXO set's coins of ours, less what the mempool spends."""
        waiting = self._rpc.call("getrawmempool")
        names = set(waiting)
        self.earlier = {key: each for key, each in (self.earlier | self.pending).items() if each.txid in names}
        self.purse.clear()
        self.pending.clear()
        self._immature.clear()
        self._spent_by_strangers = set(self._spent_by(waiting))
        scan = self._scan()
        self.tip, self.tip_hash = scan["height"], scan["bestblock"]
        for unspent in sorted(scan["unspents"], key=lambda each: int(each["height"])):
            if (unspent["txid"], unspent["vout"]) not in self._spent_by_strangers:
                self._take_in(unspent, unspent["vout"], unspent["scriptPubKey"], unspent["height"], unspent["coinbase"])

    def follow(self) -> None:
        """Look for our coins again if somebody else mined, or the chain was reorganised."""
        if self._rpc.call("getbestblockhash") != self.tip_hash:
            self.recover()

    def descriptor(self, number: int) -> str:
        """Return one of our scripts in the form that bitcoind's calls take."""
        return self._scripts.descriptor(number)

    def connect(self, block: dict[str, Any]) -> None:
        """Take in a block, as `getblock` describes it at verbosity 2, that lies on the tip."""
        self.tip, self.tip_hash = block["height"], block["hash"]
        for number, mined in enumerate(block["tx"]):
            ours = self.pending.pop(bytes.fromhex(mined["txid"])[::-1], None)
            if ours is not None:
                self.purse.add(ours.coins_made(self.tip))
                continue
            # A coinbase, or what was in the mempool before we recovered.
            self.earlier.pop(bytes.fromhex(mined["txid"])[::-1], None)
            for output in mined["vout"]:
                if (mined["txid"], output["n"]) not in self._spent_by_strangers:
                    described = {"txid": mined["txid"], "amount": output["value"]}
                    self._take_in(described, output["n"], output["scriptPubKey"]["hex"], self.tip, number == 0)
        while self._immature and self._immature[0].height + MATURITY_BLOCKS <= self.tip + 1:
            self.purse.add([self._immature.popleft()])

    def _take_in(self, unspent: dict[str, Any], vout: int, script: str, height: int, coinbase: bool) -> None:  # noqa: FBT001 - bitcoind's own flag
        number = self._scripts.number_of(script)
        value_sat = round(unspent["amount"] * SAT_PER_BTC)
        if number is None or not value_sat:
            return
        coin = Coin(bytes.fromhex(unspent["txid"])[::-1], vout, value_sat, number, height)
        if coinbase and height + MATURITY_BLOCKS > self.tip + 1:
            self._immature.append(coin)
        else:
            self.purse.add([coin])

    def _spent_by(self, txids: list[str]) -> Iterator[tuple[str, int]]:
        for start in range(0, len(txids), _ASKED_AT_ONCE):
            some = [(txid, True) for txid in txids[start : start + _ASKED_AT_ONCE]]
            for each in self._rpc.batch("getrawtransaction", some):
                # A transaction that was mined in this very moment has no answer, and its coins are not in the scan.
                if not isinstance(each, RpcError):
                    yield from ((spent["txid"], spent["vout"]) for spent in each["vin"])

    def _scan(self) -> dict[str, Any]:
        descriptors = [self._scripts.descriptor(number) for number in range(len(self._scripts.output))]
        try:
            scan: dict[str, Any] = self._rpc.call("scantxoutset", "start", descriptors)
        except RpcError as error:
            if error.code != _ALREADY_SCANNING:
                raise
            # Left over from a generator that was killed while it waited.
            self._rpc.call("scantxoutset", "abort")
            scan = self._rpc.call("scantxoutset", "start", descriptors)
        return scan
