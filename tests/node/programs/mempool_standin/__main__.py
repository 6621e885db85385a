"""The part of the mempool backend's REST that the appliance uses, answered from a bitcoind and the true price."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Any

from tests.node.programs.bitcoind_rpc import BitcoindRpc
from tests.node.programs.demonstration import Demonstration
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
_SAT_PER_BTC = 100_000_000


class Mempool:
    """Views on one bitcoind and one price."""

    def __init__(self, rpc: BitcoindRpc, price: PricePath, clock: Callable[[], float] = time.time) -> None:
        self._rpc = rpc
        self._price = price
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return the paths that are answered."""
        return [
            ("/api/v1/prices", self.prices),
            ("/api/v1/fees/recommended", self.recommended),
            ("/api/v1/fees/mempool-blocks", self.mempool_blocks),
            ("/api/v1/backend-info", self.backend_info),
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
        entries = sorted(
            ((round(entry["fees"]["base"] * _SAT_PER_BTC), entry["vsize"]) for entry in self._entries()),
            key=lambda entry: entry[0] / entry[1],
            reverse=True,
        )
        blocks: list[list[tuple[int, int]]] = []
        room_vb = 0
        for fee_sat, vsize_vb in entries:
            if vsize_vb > room_vb and len(blocks) < _PROJECTED_BLOCKS:
                blocks.append([])
                room_vb = self._block_vsize_vb()
            blocks[-1].append((fee_sat, vsize_vb))
            room_vb -= vsize_vb
        return [_block(block) for block in blocks]

    def _entries(self) -> list[dict[str, Any]]:
        # The demonstration's mempool is small; of a node's own this would be hundreds of megabytes.
        return list(self._rpc.call("getrawmempool", True).values())  # noqa: FBT003 - JSON-RPC has no names here

    @staticmethod
    def _block_vsize_vb() -> int:
        return int(os.environ.get("BLOCK_VSIZE_VB", _BLOCK_VSIZE_VB))


def _block(entries: list[tuple[int, int]]) -> dict[str, Any]:
    feerates = [fee_sat / vsize_vb for fee_sat, vsize_vb in entries]
    last = len(feerates) - 1
    vsize_vb = sum(vsize_vb for _, vsize_vb in entries)
    return {
        "blockSize": vsize_vb,
        "blockVSize": vsize_vb,
        "nTx": len(entries),
        "totalFees": sum(fee_sat for fee_sat, _ in entries),
        "medianFee": feerates[last // 2],
        # Lowest first, as the backend has it.
        "feeRange": [feerates[last - last * step // (_FEE_STEPS - 1)] for step in range(_FEE_STEPS)],
    }


def main() -> None:
    """Serve on loopback, by default on the port that the backend has."""
    world = Demonstration.of_environment()
    address = ("127.0.0.1", int(os.environ.get("MEMPOOL_PORT", "8999")))
    serve(address, Mempool(world.rpc(), world.price()).routes(), as_text("Cannot GET", 404))


if __name__ == "__main__":
    main()
