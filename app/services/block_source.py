"""The port through which blocks are read, what can go wrong there, and how several sources stand in for each other."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from app.domain.blocks.header import read_header
from app.domain.blocks.malformed import MalformedBlockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Answer = TypeVar("Answer")
Content = TypeVar("Content")

_log = logging.getLogger(__name__)
# Commands have no log, and tell the reasons themselves.
_log.addHandler(logging.NullHandler())


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


class BlockAwayError(OnchainPriceError):
    """A node has deleted the block, and others that may have it did not give it this time."""

    # Of a row that lacks it the node is the reason; who is away stands in the message.
    code = BlockPrunedError.code


class BadBlockError(OnchainPriceError):
    """What was given is not what was asked for, or proves nothing."""

    code = "bad_block"


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


@dataclass(frozen=True, slots=True)
class Served(Generic[Content]):
    """What was read from a proven block, and the name of the source that served it."""

    content: Content
    served_by: str


class BlockSource(Protocol):
    """A node's active chain. Every method may raise NodeError, those about a block also BlockUnknownError.

    May be asked by several threads.
    """

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
        """Return the serialised block, unproven; raise BlockPrunedError when the node has deleted it."""


class Breaker(Protocol):
    """Remembers which sources failed, by name, so that a run need not wait for them again at once."""

    def is_open(self, name: str) -> bool:
        """Return whether this source should be left alone for now, as long as there are others."""

    def failed(self, name: str) -> None:
        """Note that this source failed in a run."""

    def worked(self, name: str) -> None:
        """Note that this source served a sound block."""


class NeverOpen:
    """A breaker without memory: every run begins with the first source."""

    def is_open(self, _name: str) -> bool:
        """Return False."""
        return False

    def failed(self, _name: str) -> None:
        """Forget it."""

    def worked(self, _name: str) -> None:
        """Forget it."""


# Of a block by its hash: this source has it not, another may.
_LACKING = (BlockPrunedError, BlockUnknownError)


class FallbackBlockSource:
    """Sources in tiers: the first that works is used, and left for the next when it fails.

    A run begins with `status`. In it a source that fails (NodeError), or gives something else than the block that was
    asked for (BadBlockError), is asked no more. The next run begins with the first again, but leaves those to the end
    which the breaker holds back: they are asked when nothing else is left, since a late answer is better than none.

    What a source says about its chain is an answer, be it unwelcome: that it is on another network, is still in
    initial block download, or ends below a height. Nobody else is asked then, least of all a stranger. A block by
    its hash is the same from everywhere: one that a pruned node has deleted, or never saw, is looked for further on,
    and is gone for good only when every source has answered and none has it. Switched-off REST hides nothing: it is
    another way to the node that JSON-RPC asks.
    """

    def __init__(
        self, first: BlockSource, *others: BlockSource, breaker: Breaker | None = None, is_sparing: bool = False
    ) -> None:
        self._sources = (first, *others)
        self._breaker = breaker or NeverOpen()
        self._is_sparing = is_sparing
        self._run = _Run(self._sources)

    def sparing(self) -> FallbackBlockSource:
        """Return the same sources for work that can wait.

        Those that the breaker holds back are not asked for a block that others lack: a source that hangs for a month
        would take its minute of every run.
        """
        return FallbackBlockSource(*self._sources, breaker=self._breaker, is_sparing=True)

    @property
    def name(self) -> str:
        """The name of the source that is asked first at present."""
        return next(iter(self._run.left()), self._sources[-1]).name

    def status(self) -> NodeStatus:
        """Return what the node says about itself now; begins a run."""
        held_back = [source for source in self._sources if self._breaker.is_open(source.name)]
        self._run = _Run([source for source in self._sources if source not in held_back], held_back)
        return self._ask(lambda source: source.status())

    def block_hash(self, height: int) -> str:
        """Return the hash of the block at `height`, in display order."""
        return self._ask(lambda source: source.block_hash(height))

    def headers(self, first_height: int, count: int) -> Sequence[bytes]:
        """Return the headers from `first_height` on."""
        return self._ask(lambda source: source.headers(first_height, count))

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block, unproven; see `proven_block`."""
        return self._ask(lambda source: source.raw_block(block_hash), elsewhere=_LACKING)

    def proven_block(self, block_hash: str, prove: Callable[[bytes], Content]) -> Served[Content]:
        """Return what `prove` reads from the block, and who served it; may be called by several threads.

        Args:
            block_hash: In display order. The header's is compared with it before anything is read.
            prove: Reads the serialised block, once for each source that gave one; raises MalformedBlockError when
                it is not what its header commits to, and the next source is asked.

        Raises:
            BadBlockError: No source gave a sound block, and at least one gave another.
            BlockPrunedError: No source has the block any more.
            BlockAwayError: One has deleted it, and at least one other did not answer, or not with it.
            BlockUnknownError, NodeError: No source gave a block.
        """

        def served(source: BlockSource) -> Served[Content]:
            return Served(_proven(source, block_hash, prove), source.name)

        block = self._ask(served, elsewhere=_LACKING)
        self._breaker.worked(block.served_by)
        return block

    def _ask(
        self, question: Callable[[BlockSource], Answer], elsewhere: tuple[type[OnchainPriceError], ...] = ()
    ) -> Answer:
        """Return the first answer; an error of the kinds `elsewhere` is neither an answer nor the source's fault."""
        run = self._run
        lacking: list[OnchainPriceError] = []
        spared: list[OnchainPriceError] = []
        for source in run.left():
            if lacking and self._is_sparing and source in run.held_back:
                spared.append(_left_alone(source))
                continue
            try:
                return question(source)
            except (NodeError, BadBlockError) as error:
                # That a node does not serve REST is a choice, and told at once.
                if run.failed(source, error) and not isinstance(error, RestDisabledError):
                    self._breaker.failed(source.name)
                    _log.warning("a source of blocks failed", extra={"source": source.name, "reason": str(error)})
            except elsewhere as error:
                lacking.append(error)
        raise _in_one(lacking, [*run.failures(), *spared])


class _Run:
    """Which sources are left, in the order in which they are asked, those held back last; for several threads."""

    def __init__(self, sources: Sequence[BlockSource], held_back: Sequence[BlockSource] = ()) -> None:
        self._lock = Lock()
        self.held_back = held_back
        self._left = [*sources, *held_back]
        self._failures: list[OnchainPriceError] = []

    def left(self) -> Sequence[BlockSource]:
        with self._lock:
            return tuple(self._left)

    def failures(self) -> Sequence[OnchainPriceError]:
        with self._lock:
            return tuple(self._failures)

    def failed(self, source: BlockSource, error: OnchainPriceError) -> bool:
        """Ask `source` no more; return whether this is news."""
        with self._lock:
            if source not in self._left:
                return False
            self._left.remove(source)
            self._failures.append(error)
            return True


def _proven(source: BlockSource, block_hash: str, prove: Callable[[bytes], Content]) -> Content:
    raw = source.raw_block(block_hash)
    try:
        given = read_header(raw).hash
        if given != block_hash:
            raise BadBlockError(f"{source.name} was asked for block {block_hash} and gave {given}")
        return prove(raw)
    except MalformedBlockError as error:
        raise BadBlockError(f"what {source.name} gave for block {block_hash} is no sound block: {error}") from error


def _left_alone(source: BlockSource) -> NodeNotReadyError:
    return NodeNotReadyError(
        f"{source.name} failed in an earlier run, whose log says why, and is left alone for a while"
    )


def _in_one(lacking: Sequence[OnchainPriceError], failures: Sequence[OnchainPriceError]) -> OnchainPriceError:
    """Return an error with each reason once, of the kind that explains most.

    Switched-off REST explains nothing alone; and a bad block is the fault of who gave it, as long as others are away.
    """
    away = [each for each in failures if not isinstance(each, RestDisabledError)]
    if any(isinstance(each, BlockPrunedError) for each in lacking):
        if away:
            return BlockAwayError(f"{_reasons(lacking)}; nobody else gives it at present: {_reasons(away)}")
        return BlockPrunedError(_reasons([*lacking, *failures]))
    kinds = [type(each) for each in (*lacking, *failures)]
    explains_little = (RestDisabledError, BadBlockError)
    kind = next((each for each in kinds if each not in explains_little), None)
    return (kind or (BadBlockError if BadBlockError in kinds else kinds[0]))(_reasons([*lacking, *failures]))


def _reasons(errors: Iterable[OnchainPriceError]) -> str:
    return "; ".join({str(error): None for error in errors})
