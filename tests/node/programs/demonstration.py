"""What the programs of the node agree on; each can be overridden in the environment of their units."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.node.programs.bitcoind_rpc import BitcoindRpc
from tests.node.programs.price_path import PricePath


@dataclass(frozen=True)
class Demonstration:
    """Seed and price of the world, and where its bitcoind is."""

    seed: int
    price_usd: float
    rpc_port: int
    cookie: Path

    @classmethod
    def of_environment(cls) -> Demonstration:
        """Read NODE_SEED, NODE_PRICE_USD, NODE_RPC_PORT and NODE_COOKIE; each has a default."""
        return cls(
            seed=int(os.environ.get("NODE_SEED", "1")),
            price_usd=float(os.environ.get("NODE_PRICE_USD", "97000")),
            rpc_port=int(os.environ.get("NODE_RPC_PORT", "18443")),
            cookie=Path(os.environ.get("NODE_COOKIE", "/var/lib/bitcoin/regtest/.cookie")),
        )

    def rpc(self) -> BitcoindRpc:
        """Return a connection of one's own."""
        return BitcoindRpc(self.rpc_port, self.cookie)

    def price(self) -> PricePath:
        """Return the true price."""
        return PricePath(self.seed, self.price_usd)
