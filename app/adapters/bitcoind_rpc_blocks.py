"""Blocks by JSON-RPC: slower than REST, and served by every node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec

from app.domain.blocks.header import HEADER_BYTES, read_header
from app.services.block_source import BadBlockError, NodeError, NodeStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.adapters.bitcoind_rpc import RpcClient

# All that is ever called; the whitelist of our user holds these.
CALLS = ("getblockchaininfo", "getblockhash", "getblockheader", "getblock")

_HASH = re.compile("[0-9a-f]{64}")


class _ChainInfo(msgspec.Struct):
    """The part of `getblockchaininfo` that we use, as narrow as it is for every chain of millennia."""

    chain: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9]{1,16}\Z")]
    blocks: Annotated[int, msgspec.Meta(ge=0, lt=10**9)]
    initialblockdownload: bool


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
        return _hash_of(self._rpc.call("getblockhash", height))

    def headers(self, first_height: int, count: int) -> Sequence[bytes]:
        """Return `count` headers from `first_height` on."""
        told = self._rpc.batch("getblockhash", [[first_height + each] for each in range(count)])
        hashes = [_hash_of(each) for each in told]
        headers = [_bytes_of(each) for each in self._rpc.batch("getblockheader", [[each, False] for each in hashes])]
        for expected, header in zip(hashes, headers, strict=True):
            if len(header) != HEADER_BYTES or read_header(header).hash != expected:
                raise BadBlockError(f"{self.name} was asked for the header of {expected} and gave another")
        return headers

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block."""
        return _bytes_of(self._rpc.call("getblock", block_hash, 0))


def status_of(chain_info: object) -> NodeStatus:
    """Return the status that `getblockchaininfo`, or REST's chaininfo, tells; raise NodeError when it is neither."""
    try:
        told = msgspec.convert(chain_info, _ChainInfo)
    except msgspec.ValidationError:
        raise NodeError(
            "what does not say its chain as bitcoind does is not bitcoind; is BITCOIN_RPC_URL right?"
        ) from None
    return NodeStatus(told.chain, told.blocks, told.initialblockdownload)


def _hash_of(text: object) -> str:
    if not isinstance(text, str) or _HASH.fullmatch(text) is None:
        raise NodeError("the node gave something else than the hash of a block")
    return text


def _bytes_of(text: object) -> bytes:
    try:
        return bytes.fromhex(msgspec.convert(text, str))
    except ValueError:
        raise NodeError("the node gave something else than a block in hexadecimal") from None
