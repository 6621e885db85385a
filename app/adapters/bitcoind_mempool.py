"""What the detector asks of bitcoind, by JSON-RPC."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from app.adapters.bitcoind_credentials import credentials_of
from app.adapters.bitcoind_mempool_forms import (
    BlockHeader,
    BlockTemplate,
    Coin,
    MempoolContent,
    MempoolEntry,
    MempoolInfo,
    MinedTransaction,
    Notification,
    bytes_of,
)
from app.adapters.bitcoind_rpc import RPC_INVALID_ADDRESS_OR_KEY, RpcClient, RpcMethodError
from app.adapters.bitcoind_rpc_blocks import RpcBlockSource
from app.adapters.bitcoind_transport import BitcoindTransport
from app.adapters.http_answer import Bounds
from app.adapters.lean_http import LeanHttp
from app.adapters.strange_json import NoJsonError, json_of
from app.adapters.txid_list import TxidList
from app.adapters.zmq_addresses import addresses_of
from app.services.block_source import BadBlockError, NodeError
from app.services.whales.mempool_node import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from app.domain.whales.prevout import Outpoint, Prevout
    from app.services.block_source import NodeStatus
    from app.services.whales.mempool_node import BlockPlace, Entry, Mined, Template

_log = logging.getLogger(__name__)

# All that is ever called here beside the calls of RpcBlockSource; the whitelist of our user holds these.
CALLS = (
    "getbestblockhash",
    "getblockheader",
    "getblocktemplate",
    "getmempoolentry",
    "getmempoolinfo",
    "getrawmempool",
    "getrawtransaction",
    "gettxout",
    "getzmqnotifications",
)

# The txids of a million transactions, thrice the mempool that a node keeps by default.
MAX_ANSWER_BYTES = 70_000_000

# For the connection, and for the answer. A node under load takes seconds for a template or for a block; nothing is
# heard meanwhile, and what is published waits in the queue. Twice as much is still less than health waits for a word.
TIMEOUT_SECONDS: tuple[float, float] = (2, 10)

# Of the templates' rules, those without which a node of main or of signet gives none.
_RULES = {"rules": ["segwit", "signet"]}


# Typed as it is used: a union is no type for mypy.
_COIN_OR_NONE: Any = Coin | None


class BitcoindMempool:
    """One bitcoind; a MempoolNode. A batch occupies one of its RPC threads for as long as it takes."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc
        self._blocks = RpcBlockSource(rpc)
        self._is_warned = False

    def status(self) -> NodeStatus:
        """Return what the node says about itself now."""
        return self._blocks.status()

    def stream_addresses(self) -> Mapping[str, str]:
        """Return address by topic (`rawtx`, `sequence`) of what the node publishes; without those that it does not."""
        return addresses_of(self._rpc.call_for(list[Notification], "getzmqnotifications"), self._rpc.url)

    def is_mempool_loaded(self) -> bool:
        """Return False while a node that has just started still reads its mempool from disk."""
        return self._info().loaded

    def pulse(self) -> object:
        """Return something that is equal only while neither mempool nor tip have changed."""
        info = self._info()
        # That it has been loaded is told by no message.
        return info.size, info.bytes, info.total_fee, self._rpc.call_for(str, "getbestblockhash")

    def snapshot(self) -> Snapshot:
        """Return what is in the mempool; NodeError may also come while the txids are read."""
        content = self._rpc.call_for(MempoolContent, "getrawmempool", False, True)  # noqa: FBT003 - bitcoind's own
        txids = TxidList(content.txids)
        return Snapshot(iter(txids), len(txids), content.mempool_sequence)

    def raw_transactions(self, txids: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return the serialised transaction for each txid; None for what is not in the mempool.

        A node with `txindex` gives what is in a block as well.
        """
        given = self._rpc.batch_for(str, "getrawtransaction", _each(txids), (RPC_INVALID_ADDRESS_OR_KEY,))
        return [None if raw is None else bytes_of(raw) for raw in given]

    def entries(self, txids: Sequence[bytes]) -> Sequence[Entry | None]:
        """Return the entry for each txid; None for what is not in the mempool, or has an entry that makes no sense.

        One that cannot be read must not hold up those that are asked for beside it.
        """
        given = self._rpc.batch_for(msgspec.Raw, "getmempoolentry", _each(txids), (RPC_INVALID_ADDRESS_OR_KEY,))
        return [None if raw is None else self._entry_of(txid, raw) for txid, raw in zip(txids, given, strict=True)]

    def coins(self, outpoints: Sequence[Outpoint]) -> Sequence[Prevout | None]:
        """Return each confirmed coin that no block has spent; None for any other."""
        # Whether the mempool spends it does not matter, so it is left out.
        wanted = [(outpoint.txid, outpoint.vout, False) for outpoint in outpoints]
        given = self._rpc.batch_for(_COIN_OR_NONE, "gettxout", wanted)
        return [None if coin is None else coin.prevout() for coin in given]

    def mined(self, txid: str, block_hash: str) -> Mined | None:
        """Return what a transaction of that block paid and spent; None when the node cannot tell."""
        try:
            return self._rpc.call_for(MinedTransaction, "getrawtransaction", txid, 2, block_hash).mined()
        except RpcMethodError:
            return None

    def best_block(self) -> BlockPlace:
        """Return the tip of the active chain."""
        return self.place_of(self._rpc.call_for(str, "getbestblockhash"))

    def place_of(self, block_hash: str) -> BlockPlace:
        """Return where a block stands; raise BlockUnknownError."""
        return self._rpc.call_for(BlockHeader, "getblockheader", block_hash).place()

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block.

        Raises:
            BlockPrunedError: The node has deleted it.
            BadBlockError: The node knows it, and cannot read it from its disk.
        """
        try:
            return self._blocks.raw_block(block_hash)
        except RpcMethodError as error:
            raise BadBlockError(str(error)) from error

    def template(self) -> Template | None:
        """Return the next block as the node would mine it; None when it will not say, as one without peers."""
        try:
            return self._rpc.call_for(BlockTemplate, "getblocktemplate", _RULES).template()
        except RpcMethodError:
            return None

    def _entry_of(self, txid: bytes, raw: msgspec.Raw) -> Entry | None:
        try:
            return json_of(raw, MempoolEntry).entry()
        except (NoJsonError, NodeError) as error:
            if not self._is_warned:
                self._is_warned = True
                _log.warning(
                    "the node's entry of a transaction makes no sense", extra={"txid": txid.hex(), "reason": str(error)}
                )
            return None

    def _info(self) -> MempoolInfo:
        return self._rpc.call_for(MempoolInfo, "getmempoolinfo")


def mempool_node(
    url: str,
    cookie_file: Path | None = None,
    user: str | None = None,
    password: str | None = None,
    *,
    timeout_seconds: tuple[float, float] = TIMEOUT_SECONDS,
) -> BitcoindMempool:
    """Return the bitcoind at `url`, with whichever credentials there are; nothing is connected yet."""
    http = LeanHttp(Bounds(*timeout_seconds, MAX_ANSWER_BYTES))
    return BitcoindMempool(RpcClient(BitcoindTransport(url, http), credentials_of(cookie_file, user, password)))


def _each(txids: Sequence[bytes]) -> Sequence[Sequence[str]]:
    return [(txid.hex(),) for txid in txids]
