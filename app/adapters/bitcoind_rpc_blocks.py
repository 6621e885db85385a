"""Blocks by JSON-RPC: slower than REST, and served by every node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.services.block_source import NodeError, NodeStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.adapters.bitcoind_rpc import RpcClient

# All that is ever called; the whitelist of our user holds these.
CALLS = ("getblockchaininfo", "getblockhash", "getblockheader", "getblock")


class RpcBlockSource:
    """The active chain of one bitcoind, by JSON-RPC."""

    name = "bitcoind-rpc"

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    def status(self) -> NodeStatus:
        """Return what the node says about itself now."""
        return status_of(self._rpc.call("getblockchaininfo"))

    def block_hash(self, height: int) -> str:
        """Return the hash of the block at `height`."""
        return str(self._rpc.call("getblockhash", height))

    def headers(self, first_height: int, count: int) -> Sequence[bytes]:
        """Return `count` headers from `first_height` on."""
        hashes = self._rpc.batch("getblockhash", [[first_height + each] for each in range(count)])
        headers = self._rpc.batch("getblockheader", [[each, False] for each in hashes])
        return [_bytes_of(each) for each in headers]

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block."""
        return _bytes_of(self._rpc.call("getblock", block_hash, 0))


def status_of(chain_info: Mapping[str, Any]) -> NodeStatus:
    """Return the status that `getblockchaininfo`, or REST's chaininfo, tells; raise NodeError when it is neither."""
    try:
        return NodeStatus(
            network=str(chain_info["chain"]),
            tip_height=int(chain_info["blocks"]),
            initial_block_download=bool(chain_info["initialblockdownload"]),
        )
    except (KeyError, TypeError, ValueError):
        raise NodeError("the node does not say its chain as bitcoind does; is BITCOIN_RPC_URL right?") from None


def _bytes_of(text: object) -> bytes:
    try:
        return bytes.fromhex(str(text))
    except ValueError:
        raise NodeError("the node gave something else than a block in hexadecimal") from None
