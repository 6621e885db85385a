"""The port through which a node's blocks are read, and what can go wrong there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Answer = TypeVar("Answer")


class OnchainPriceError(Exception):
    """No estimate can be had at present; the message is one sentence without secrets, `code` a word for machines."""

    code: ClassVar[str] = "onchain_price"


class NodeError(OnchainPriceError):
    """The node did not answer as it should; another way to it may work."""

    code = "node_error"


class NodeUnreachableError(NodeError):
    """Nobody answers at the node's address."""

    code = "node_unreachable"


class NodeUnauthorisedError(NodeError):
    """The node does not accept our user and password, or we have none."""

    code = "node_unauthorised"


class NodeForbiddenError(NodeError):
    """The node knows us and does not let us make this call."""

    code = "node_forbidden"


class NodeNotReadyError(NodeError):
    """The node is starting up, or has too much to do."""

    code = "node_not_ready"


class RestDisabledError(NodeError):
    """The node does not serve REST."""

    code = "node_rest_disabled"


class BlockUnknownError(OnchainPriceError):
    """The node's chain has no such block."""

    code = "block_unknown"


class BlockPrunedError(OnchainPriceError):
    """The node knows the block and has deleted it."""

    code = "block_pruned"


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What a node says about itself.

    Attributes:
        network: main, test, testnet4, signet or regtest.
        tip_height: Height of its newest block.
        initial_block_download: Whether it is still catching up with the network.
    """

    network: str
    tip_height: int
    initial_block_download: bool


class BlockSource(Protocol):
    """A node's active chain. Every method may raise NodeError, those about a block also BlockUnknownError."""

    @property
    def name(self) -> str:
        """What is written down as the origin of the blocks, such as `bitcoind-rest`."""

    def status(self) -> NodeStatus:
        """Return what the node says about itself now."""

    def block_hash(self, height: int) -> str:
        """Return the hash of the block at `height`, in display order."""

    def headers(self, first_height: int, count: int) -> Sequence[bytes]:
        """Return `count` headers of 80 bytes from `first_height` on; fewer at the tip, at least one."""

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block; raise BlockPrunedError when the node has deleted it."""


class FallbackBlockSource:
    """Several ways to one node: the first that works is used, and left for the next when it fails.

    Each `status` begins with the first again.
    """

    def __init__(self, first: BlockSource, *others: BlockSource) -> None:
        self._sources = (first, *others)
        self._used = 0

    @property
    def name(self) -> str:
        """The name of the source that is used at present."""
        return self._sources[self._used].name

    def status(self) -> NodeStatus:
        """Return what the node says about itself now."""
        self._used = 0
        return self._ask(lambda source: source.status())

    def block_hash(self, height: int) -> str:
        """Return the hash of the block at `height`, in display order."""
        return self._ask(lambda source: source.block_hash(height))

    def headers(self, first_height: int, count: int) -> Sequence[bytes]:
        """Return the headers from `first_height` on."""
        return self._ask(lambda source: source.headers(first_height, count))

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block."""
        return self._ask(lambda source: source.raw_block(block_hash))

    def _ask(self, question: Callable[[BlockSource], Answer]) -> Answer:
        reasons: dict[str, None] = {}
        while True:
            try:
                return question(self._sources[self._used])
            except NodeError as error:
                reasons[str(error)] = None
                if self._used + 1 == len(self._sources):
                    raise type(error)("; ".join(reasons)) from error
                self._used += 1
