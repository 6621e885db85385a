"""Whose addresses the generator's exchanges have: what the appliance's labels need to tell which way whales go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.node.programs.life.scripts import FIRST_EXCHANGE, Scripts

if TYPE_CHECKING:
    from tests.node.programs.bitcoind_rpc import BitcoindRpc

_SCRIPTS_EACH = 4


def labels(rpc: BitcoindRpc, seed: int) -> str:
    """Return a file for `utxoracle labels import`; may raise UnreachableError or RpcError."""
    lines = ["address,name,category"]
    for number, script in enumerate(Scripts(seed).output[FIRST_EXCHANGE:]):
        address = rpc.call("decodescript", script.hex())["address"]
        lines.append(f"{address},Exchange {number // _SCRIPTS_EACH + 1},exchange")
    return "\n".join(lines)
