"""The part of the mempool backend's REST that the appliance uses, answered from a bitcoind and the true price."""

from __future__ import annotations

import heapq
import math
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.node.programs.bitcoind_rpc import BitcoindRpc, RpcError
from tests.node.programs.demonstration import Demonstration
from tests.node.programs.electrs_standin.__main__ import Esplora
from tests.node.programs.price_path import PricePath
from tests.node.programs.rest import Answer, Route, as_json, as_text, serve

# The real backend asks the exchanges once an hour; more often shows more.
_QUOTE_SECONDS = 60
# Exchanges are never quite where payments are.
_PREMIUM, _PREMIUM_PERIOD_SECONDS = 0.002, 5 * 3600
_CURRENCIES = {"EUR": 0.92, "GBP": 0.79, "CAD": 1.37, "CHF": 0.88, "AUD": 1.52, "JPY": 152.0}
_BLOCK_VSIZE_VB = 1_000_000
_PROJECTED_BLOCKS = 8
_FEE_STEPS = 7
_ROUNDING = 1e-9
_SAT_PER_BTC = 100_000_000
_HASH = "([0-9a-f]{64})"
_NOT_FOUND = Answer(b"<!DOCTYPE html>\n<pre>Cannot GET</pre>\n", "text/html; charset=utf-8", 404)


class Mempool:
    """Views on one bitcoind and one price."""

    def __init__(self, rpc: BitcoindRpc, price: PricePath, clock: Callable[[], float] = time.time) -> None:
        self._rpc = rpc
        # Without an electrs behind it (BACKEND none), the backend has the same views on blocks.
        self._esplora = Esplora(rpc)
        self._price = price
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return the paths that are answered."""
        return [
            ("/api/v1/prices", self.prices),
            ("/api/v1/fees/recommended", self.recommended),
            ("/api/v1/fees/mempool-blocks", self.mempool_blocks),
            ("/api/v1/backend-info", self.backend_info),
            ("/api/v1/blocks/tip/height", _or_500("Failed to get height at tip", self._esplora.tip_height)),
            ("/api/v1/blocks/([0-9]{1,9})", _or_500("Failed to get blocks", self._esplora.blocks)),
            ("/api/v1/block-height/([0-9]{1,9})", _or_500("Failed to get block at height", self._esplora.block_hash)),
            (f"/api/v1/block/{_HASH}/header", _or_500("Failed to get block header", self._esplora.header)),
            (f"/api/v1/block/{_HASH}/raw", _or_500("Failed to get raw block", self._esplora.raw_block)),
        ]

    def prices(self) -> Answer:
        """The last refresh, in whole units of each currency."""
        quoted = int(self._clock() // _QUOTE_SECONDS * _QUOTE_SECONDS)
        premium = 1 + _PREMIUM * math.sin(2 * math.pi * quoted / _PREMIUM_PERIOD_SECONDS)
        usd = self._price.usd_at(quoted) * premium
        rates = {"USD": round(usd)} | {name: round(usd * ratio) for name, ratio in _CURRENCIES.items()}
        return as_json({"time": quoted, **rates})

    def recommended(self) -> Answer:
        """Feerates for the next block, half an hour, an hour, and later."""
        blocks = self._projected()
        minimum = math.ceil(self._rpc.call("getmempoolinfo")["mempoolminfee"] * _SAT_PER_BTC / 1000)
        medians = [math.ceil(block["medianFee"]) for block in blocks] + [minimum] * 3
        fastest = max(medians[0], minimum)
        half_hour = max(min(medians[1], fastest), minimum)
        hour = max(min(medians[2], half_hour), minimum)
        return as_json(
            {
                "fastestFee": fastest,
                "halfHourFee": half_hour,
                "hourFee": hour,
                "economyFee": min(hour, 2 * minimum),
                "minimumFee": minimum,
            }
        )

    def mempool_blocks(self) -> Answer:
        """The next blocks as a miner would fill them by feerate; the last holds all the rest."""
        return as_json(self._projected())

    def backend_info(self) -> Answer:
        """What the backend says about itself."""
        return as_json(
            {
                "hostname": os.uname().nodename,
                "version": "3.4-dev",
                "gitCommit": "stand-in",
                "lightning": False,
                "backend": "none",
                "coreVersion": self._rpc.call("getnetworkinfo")["subversion"],
                "osVersion": f"{os.uname().sysname} {os.uname().release}",
            }
        )

    def _projected(self) -> list[dict[str, Any]]:
        blocks: list[list[_Waiting]] = []
        room_vb = 0
        for each in _best_first(self._entries()):
            if each.vsize_vb > room_vb and len(blocks) < _PROJECTED_BLOCKS:
                blocks.append([])
                room_vb = self._block_vsize_vb()
            blocks[-1].append(each)
            room_vb -= each.vsize_vb
        return [_block(block) for block in blocks]

    def _entries(self) -> dict[str, dict[str, Any]]:
        # The demonstration's mempool is small; of a node's own this would be hundreds of megabytes.
        entries: dict[str, dict[str, Any]] = self._rpc.call("getrawmempool", True)  # noqa: FBT003 - JSON-RPC has no names
        return entries

    @staticmethod
    def _block_vsize_vb() -> int:
        return int(os.environ.get("BLOCK_VSIZE_VB", _BLOCK_VSIZE_VB))


def _or_500(text: str, view: Callable[..., Answer]) -> Callable[..., Answer]:
    """Return `view`, with an error of the backend's own for what bitcoind does not know."""

    def answer(*words: str) -> Answer:
        try:
            return view(*words)
        except RpcError:
            return as_text(text, 500)

    return answer


class _Waiting(NamedTuple):
    """A transaction, with the feerate at which a miner takes it: its own, or that of a child that pays for it too."""

    feerate_sat_vb: float
    fee_sat: int
    vsize_vb: int


def _best_first(entries: dict[str, dict[str, Any]]) -> Iterator[_Waiting]:
    taken: set[str] = set()
    candidates = [
        (-entry["fees"]["ancestor"] * _SAT_PER_BTC / entry["ancestorsize"], i) for i, entry in entries.items()
    ]
    heapq.heapify(candidates)
    while candidates:
        claimed, txid = heapq.heappop(candidates)
        if txid in taken:
            continue
        together = _with_parents(entries, txid, taken)
        package = [(_fee_sat(entries[each]), entries[each]["vsize"]) for each in together]
        feerate = sum(fee_sat for fee_sat, _ in package) / sum(vsize_vb for _, vsize_vb in package)
        if feerate < -claimed * (1 - _ROUNDING):
            # A parent that paid well was taken before it, and counts for it no longer.
            heapq.heappush(candidates, (-feerate, txid))
            continue
        taken.update(together)
        yield from (_Waiting(feerate, fee_sat, vsize_vb) for fee_sat, vsize_vb in package)


def _with_parents(entries: dict[str, dict[str, Any]], txid: str, taken: set[str]) -> list[str]:
    """Return those that have to be mined with `txid`, parents first, and `txid`."""
    parents = [each for each in entries[txid]["depends"] if each not in taken]
    return [*dict.fromkeys(each for parent in parents for each in _with_parents(entries, parent, taken)), txid]


def _fee_sat(entry: dict[str, Any]) -> int:
    fee_sat: int = round(entry["fees"]["base"] * _SAT_PER_BTC)
    return fee_sat


def _block(waiting: list[_Waiting]) -> dict[str, Any]:
    feerates = sorted((each.feerate_sat_vb for each in waiting), reverse=True)
    last = len(feerates) - 1
    vsize_vb = sum(each.vsize_vb for each in waiting)
    return {
        "blockSize": vsize_vb,
        "blockVSize": vsize_vb,
        "nTx": len(waiting),
        "totalFees": sum(each.fee_sat for each in waiting),
        "medianFee": feerates[last // 2],
        # Lowest first, as the backend has it.
        "feeRange": [feerates[last - last * step // (_FEE_STEPS - 1)] for step in range(_FEE_STEPS)],
    }


def main() -> None:
    """Serve on loopback, by default on the port that the backend has."""
    world = Demonstration.of_environment()
    address = ("127.0.0.1", int(os.environ.get("MEMPOOL_PORT", "8999")))
    serve(address, Mempool(world.rpc(), world.price()).routes(), _NOT_FOUND)


if __name__ == "__main__":
    main()
