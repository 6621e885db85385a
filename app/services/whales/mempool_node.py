"""The ports through which the detector sees the node: what it asks, and what it hears."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.domain.whales.prevout import Outpoint, Prevout
    from app.services.block_source import NodeStatus


class Topic(Enum):
    """What a message of the stream is about."""

    RAW = "raw"
    ADDED = "added"
    REMOVED = "removed"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    # Messages are missing before the next one.
    LOST = "lost"


class Heard(NamedTuple):
    """One message of the stream.

    Attributes:
        topic: What it is about.
        body: The serialised transaction of RAW; else the txid, or the hash of the block, 32 bytes in display order;
            empty for LOST.
        sequence: The mempool sequence number of ADDED and REMOVED; how many messages are missing of LOST; else 0.
    """

    topic: Topic
    body: bytes
    sequence: int


class StreamAddressError(Exception):
    """Nothing can ever be heard at an address; the message names it."""


class MempoolStream(Protocol):
    """The node's messages, in the order in which it sent them."""

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to everything that we listen to."""

    def receive(self, timeout_seconds: float, most: int) -> Sequence[Heard]:
        """Return what has come, up to `most` messages; wait for the first one up to `timeout_seconds`."""

    def close(self) -> None:
        """Listen no longer."""


class Snapshot(NamedTuple):
    """The mempool at one moment.

    Attributes:
        txids: In display order, 32 bytes each; read once.
        size: How many there are.
        sequence: The number that the next change of the mempool will have.
    """

    txids: Iterator[bytes]
    size: int
    sequence: int


class Entry(NamedTuple):
    """A transaction that waits, as `getmempoolentry` describes it.

    Attributes:
        fee_sat: Its own fee.
        vsize_vb: Its own virtual size.
        ancestor_fee_sat: With all unconfirmed ancestors, itself included, and with what the node's operator added, or
            took away: it may be negative.
        ancestor_vsize_vb: Likewise.
        effective_feerate_sat_vb: At which a miner takes it: that of its chunk where the node tells one, else the lower
            one of its own feerate and that with its ancestors. 0.0 for one that its operator put back by more.
        depends: txids of its unconfirmed parents, 32 bytes in display order.
        time: Unix time at which it entered the mempool.
    """

    fee_sat: int
    vsize_vb: int
    ancestor_fee_sat: int
    ancestor_vsize_vb: int
    effective_feerate_sat_vb: float
    depends: tuple[bytes, ...]
    time: int


class Mined(NamedTuple):
    """What a transaction of a block paid and spent; `prevouts` in the order of its inputs."""

    fee_sat: int
    prevouts: Sequence[Prevout]


class BlockPlace(NamedTuple):
    """Where a block stands; `confirmations` is -1 for one that is not on the active chain."""

    block_hash: str
    height: int
    previous_hash: str
    time: int
    confirmations: int


class Template(NamedTuple):
    """The next block as the node would mine it: its txids, as text, and what it is built on."""

    txids: frozenset[str]
    previous_hash: str


class MempoolNode(Protocol):
    """What the detector asks of bitcoind. Every method may raise NodeError."""

    def status(self) -> NodeStatus:
        """Return what the node says about itself now."""

    def stream_addresses(self) -> Mapping[str, str]:
        """Return address by topic (`rawtx`, `sequence`) of what the node publishes; without those that it does not."""

    def is_mempool_loaded(self) -> bool:
        """Return False while a node that has just started still reads its mempool from disk."""

    def pulse(self) -> object:
        """Return something that is equal only while neither mempool nor tip have changed; it costs the node little."""

    def snapshot(self) -> Snapshot:
        """Return what is in the mempool."""

    def raw_transactions(self, txids: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return the serialised transaction for each txid (display order); None for what is not in the mempool."""

    def entries(self, txids: Sequence[bytes]) -> Sequence[Entry | None]:
        """Return the entry for each txid (display order); None for what is not in the mempool or cannot be read."""

    def coins(self, outpoints: Sequence[Outpoint]) -> Sequence[Prevout | None]:
        """Return each confirmed coin that no block has spent; None for any other."""

    def mined(self, txid: str, block_hash: str) -> Mined | None:
        """Return what a transaction of that block paid and spent; None when the node cannot tell."""

    def best_block(self) -> BlockPlace:
        """Return the tip of the active chain."""

    def place_of(self, block_hash: str) -> BlockPlace:
        """Return where a block stands; raise BlockUnknownError."""

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block.

        Raises:
            BlockPrunedError: The node has deleted it.
            BadBlockError: It knows it, and cannot give it.
        """

    def template(self) -> Template | None:
        """Return the next block as the node would mine it; None when it will not say."""
