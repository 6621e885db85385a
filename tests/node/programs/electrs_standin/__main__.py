"""The part of electrs' Esplora REST that can be answered from a bitcoind with a transaction index."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from tests.node.programs.bitcoind_rpc import BitcoindRpc, RpcError
from tests.node.programs.demonstration import Demonstration
from tests.node.programs.rest import Answer, Route, as_json, as_text, serve

_HASH = "([0-9a-f]{64})"
_SAT_PER_BTC = 100_000_000
_BLOCKS_A_PAGE = 10


class Esplora:
    """Views on one bitcoind; an unknown block or transaction is a 404 in plain text, as Esplora's."""

    def __init__(self, rpc: BitcoindRpc) -> None:
        self._rpc = rpc

    def routes(self) -> list[Route]:
        """Return the paths that are answered."""
        return [
            ("/blocks/tip/height", self._or_404("Block not found", self.tip_height)),
            ("/blocks/tip/hash", self._or_404("Block not found", self.tip_hash)),
            ("/blocks/([0-9]{1,9})", self._or_404("Block not found", self.blocks)),
            ("/block-height/([0-9]{1,9})", self._or_404("Block not found", self.block_hash)),
            (f"/block/{_HASH}", self._or_404("Block not found", self.block)),
            (f"/block/{_HASH}/header", self._or_404("Block not found", self.header)),
            (f"/block/{_HASH}/raw", self._or_404("Block not found", self.raw_block)),
            (f"/block/{_HASH}/txids", self._or_404("Block not found", self.txids)),
            ("/mempool", self.mempool),
            (f"/tx/{_HASH}", self._or_404("Transaction not found", self.transaction)),
            (f"/tx/{_HASH}/hex", self._or_404("Transaction not found", self.transaction_hex)),
            (f"/tx/{_HASH}/outspends", self._or_404("Transaction not found", self.outspends)),
        ]

    def tip_height(self) -> Answer:
        """Height of the newest block."""
        return as_text(str(self._rpc.call("getblockcount")))

    def tip_hash(self) -> Answer:
        """Hash of the newest block."""
        return as_text(str(self._rpc.call("getbestblockhash")))

    def block_hash(self, height: str) -> Answer:
        """Hash of the block at a height."""
        return as_text(str(self._rpc.call("getblockhash", int(height))))

    def block(self, block_hash: str) -> Answer:
        """Header and size of a block."""
        return as_json(self._described(block_hash))

    def blocks(self, height: str) -> Answer:
        """What `block` says of the block at a height and of those below, ten in all."""
        heights = range(int(height), max(-1, int(height) - _BLOCKS_A_PAGE), -1)
        return as_json([self._described(self._rpc.call("getblockhash", each)) for each in heights])

    def header(self, block_hash: str) -> Answer:
        """The header of a block as it is serialised, in hex."""
        return as_text(str(self._rpc.call("getblockheader", block_hash, False)))  # noqa: FBT003 - JSON-RPC has no names

    def raw_block(self, block_hash: str) -> Answer:
        """A block as it is serialised."""
        return Answer(bytes.fromhex(self._rpc.call("getblock", block_hash, 0)), "application/octet-stream")

    def txids(self, block_hash: str) -> Answer:
        """The transactions of a block, in its order."""
        return as_json(self._rpc.call("getblock", block_hash, 1)["tx"])

    def mempool(self) -> Answer:
        """How much waits; of a histogram bitcoind has none."""
        waits = self._rpc.call("getmempoolinfo")
        fees_sat = round(waits["total_fee"] * _SAT_PER_BTC)
        return as_json({"count": waits["size"], "vsize": waits["bytes"], "total_fee": fees_sat, "fee_histogram": []})

    def transaction_hex(self, txid: str) -> Answer:
        """A transaction as it is serialised, in hex."""
        return as_text(str(self._rpc.call("getrawtransaction", txid, 0)))

    def transaction(self, txid: str) -> Answer:
        """A transaction with what its inputs spend."""
        tx = self._rpc.call("getrawtransaction", txid, 1)
        inputs = [self._input(each) for each in tx["vin"]]
        outputs = [self._output(each) for each in tx["vout"]]
        spent = [each["prevout"]["value"] for each in inputs if each["prevout"]]
        return as_json(
            {
                "txid": tx["txid"],
                "version": tx["version"],
                "locktime": tx["locktime"],
                "vin": inputs,
                "vout": outputs,
                "size": tx["size"],
                "weight": tx["weight"],
                "fee": sum(spent) - sum(each["value"] for each in outputs) if spent else 0,
                "status": self._status(tx),
            }
        )

    def outspends(self, txid: str) -> Answer:
        """For each output whether it was spent; by whom takes an index that bitcoind does not have."""
        outputs = self._rpc.call("getrawtransaction", txid, 1)["vout"]
        unspent = self._rpc.batch("gettxout", [(txid, each["n"], True) for each in outputs])
        # What nobody can spend is not among the unspent outputs either.
        spendable = [each["scriptPubKey"]["type"] != "nulldata" for each in outputs]
        return as_json([{"spent": can_be and there is None} for can_be, there in zip(spendable, unspent, strict=True)])

    def _described(self, block_hash: str) -> dict[str, Any]:
        block = self._rpc.call("getblock", block_hash, 1)
        return {
            "id": block["hash"],
            "height": block["height"],
            "version": block["version"],
            "timestamp": block["time"],
            "tx_count": block["nTx"],
            "size": block["size"],
            "weight": block["weight"],
            "merkle_root": block["merkleroot"],
            "previousblockhash": block.get("previousblockhash"),
            "mediantime": block["mediantime"],
            "nonce": block["nonce"],
            "bits": int(block["bits"], 16),
            "difficulty": block["difficulty"],
        }

    def _input(self, spending: dict[str, Any]) -> dict[str, Any]:
        if "coinbase" in spending:
            return {
                "txid": "0" * 64,
                "vout": 0xFFFFFFFF,
                "prevout": None,
                "scriptsig": spending["coinbase"],
                "witness": spending.get("txinwitness", []),
                "is_coinbase": True,
                "sequence": spending["sequence"],
            }
        parent = self._rpc.call("getrawtransaction", spending["txid"], 1)
        return {
            "txid": spending["txid"],
            "vout": spending["vout"],
            "prevout": self._output(parent["vout"][spending["vout"]]),
            "scriptsig": spending["scriptSig"]["hex"],
            "witness": spending.get("txinwitness", []),
            "is_coinbase": False,
            "sequence": spending["sequence"],
        }

    @staticmethod
    def _output(output: dict[str, Any]) -> dict[str, Any]:
        return {"scriptpubkey": output["scriptPubKey"]["hex"], "value": round(output["value"] * _SAT_PER_BTC)}

    def _status(self, tx: dict[str, Any]) -> dict[str, Any]:
        if "blockhash" not in tx:
            return {"confirmed": False}
        header = self._rpc.call("getblockheader", tx["blockhash"])
        return {
            "confirmed": True,
            "block_height": header["height"],
            "block_hash": tx["blockhash"],
            "block_time": header["time"],
        }

    @staticmethod
    def _or_404(text: str, view: Callable[..., Answer]) -> Callable[..., Answer]:
        def answer(*words: str) -> Answer:
            try:
                return view(*words)
            except RpcError:
                return as_text(text, 404)

        return answer


def main() -> None:
    """Serve on loopback, by default on the port that electrs has."""
    rpc = Demonstration.of_environment().rpc()
    address = ("127.0.0.1", int(os.environ.get("ELECTRS_PORT", "3001")))
    serve(address, Esplora(rpc).routes(), as_text("endpoint does not exist", 404))


if __name__ == "__main__":
    main()
