"""Which blocks are still to be looked through, whatever was heard of them, and in which order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal, NamedTuple

from app.services.block_source import BlockUnknownError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.services.whales.mempool_node import BlockPlace, MempoolNode

# Deep enough for any reorganisation that leaves a chain worth following.
REMEMBERED_BLOCKS = 100
# About two weeks: blocks that came while nobody looked, and are looked through one by one.
_MOST_MISSED = 2_016


class Step(NamedTuple):
    """The next thing to do: a block joins the chain that was looked through, or leaves it."""

    is_connect: bool
    place: BlockPlace


class Target(NamedTuple):
    """Where the chain leads to.

    Attributes:
        block_hash: A block that
        said: was connected, was disconnected, or was the tip when a snapshot was taken.
        due_seconds: When to go there, by the monotonic clock.
    """

    block_hash: str
    said: Literal["connected", "disconnected", "tip"]
    due_seconds: float


class Chain:
    """The blocks that were looked through, and the way from there to where the node is.

    Attributes:
        lost_blocks: How many were never looked through, since they could not be had.
    """

    def __init__(self) -> None:
        self._done: deque[tuple[int, str]] = deque(maxlen=REMEMBERED_BLOCKS)
        self._targets: deque[Target] = deque()
        self._route: deque[Step] = deque()
        self.lost_blocks = 0

    @property
    def tip(self) -> tuple[int, str] | None:
        """Height and hash of the last block that was looked through."""
        return self._done[-1] if self._done else None

    @property
    def known_height(self) -> int | None:
        """Height of the newest block that is known of, looked through or not."""
        if self._route and self._route[-1].is_connect:
            return self._route[-1].place.height
        return self._done[-1][0] if self._done else None

    @property
    def waiting(self) -> int:
        """How many blocks are known to wait, at least."""
        return max(len(self._route), len(self._targets))

    def begin(self, done: Sequence[tuple[int, str]]) -> None:
        """Go on where an earlier detector stopped."""
        self._done.extend(done)

    def connected(self, block_hash: str, now_seconds: float) -> None:
        """The node said that it connected a block."""
        self._targets.append(Target(block_hash, "connected", now_seconds))

    def disconnected(self, block_hash: str, now_seconds: float) -> None:
        """The node said that it disconnected a block."""
        self._targets.append(Target(block_hash, "disconnected", now_seconds))

    def lead_to(self, tip: BlockPlace, due_seconds: float) -> None:
        """The node's tip is here; until it is due the stream may tell how it came there.

        The first tip of all counts as looked through, and everything before it.
        """
        if not self._done:
            self._start_at(tip)
        elif tip.block_hash != self._done[-1][1]:
            self._targets.append(Target(tip.block_hash, "tip", due_seconds))

    def next_step(self, node: MempoolNode, now_seconds: float) -> Step | None:
        """Return what is to be done next, None for nothing; raise NodeError when the node does not tell the way."""
        while not self._route and (target := self._due(now_seconds)):
            self._route = deque(self._way_to(node, target))
            if not self._route:
                self._targets.remove(target)
        return self._route[0] if self._route else None

    def done(self, step: Step) -> None:
        """`next_step` has been carried out."""
        self._route.popleft()
        if step.is_connect:
            self._done.append((step.place.height, step.place.block_hash))
        else:
            self._done.pop()

    def hash_at_depth(self, confirmations: int) -> str | None:
        """Return the hash of the looked-through block that has so many confirmations now; None before there is one."""
        return self._done[-confirmations][1] if len(self._done) >= confirmations else None

    def _due(self, now_seconds: float) -> Target | None:
        """Return the first target whose time has come: what a snapshot foretold holds up nothing that was said."""
        return next((target for target in self._targets if target.due_seconds <= now_seconds), None)

    def _way_to(self, node: MempoolNode, target: Target) -> list[Step]:
        """Return the blocks that leave, newest first, and then those that join, oldest first."""
        heights = {known: height for height, known in self._done}
        if not heights or (target.said == "disconnected") != (target.block_hash in heights):
            if target.said == "tip" and heights:
                return self._leaving(node, heights[target.block_hash], only_stale=True)
            # Stale news: it was connected, or is gone, by another route.
            return []
        try:
            joining = self._joining(node, target, heights)
        except BlockUnknownError:
            # Of another data directory, or of a chain that the node has given up.
            return []
        if joining and joining[-1].previous_hash not in heights:
            return self._start_again(node, joining)
        fork = joining[-1].previous_hash if joining else node.place_of(target.block_hash).previous_hash
        if fork not in heights:
            return []
        return self._leaving(node, heights[fork]) + [Step(is_connect=True, place=place) for place in reversed(joining)]

    def _joining(self, node: MempoolNode, target: Target, heights: dict[str, int]) -> list[BlockPlace]:
        """Return the blocks from the target down to the first one that follows on ours, or as far as we go back."""
        joining: list[BlockPlace] = []
        at = target.block_hash
        while at not in heights and len(joining) < _MOST_MISSED:
            joining.append(node.place_of(at))
            if joining[-1].height <= self._done[0][0]:
                break
            at = joining[-1].previous_hash
        return joining

    def _leaving(self, node: MempoolNode, fork_height: int, *, only_stale: bool = False) -> list[Step]:
        above = [node.place_of(known) for height, known in reversed(self._done) if height > fork_height]
        return [Step(is_connect=False, place=each) for each in above if not only_stale or each.confirmations < 0]

    def _start_again(self, node: MempoolNode, joining: Sequence[BlockPlace]) -> list[Step]:
        """Give up what cannot be caught up with: a chain that left ours too long ago, or too many blocks."""
        first = joining[-1]
        self.lost_blocks += max(0, first.height - self._done[-1][0] - 1)
        self._start_at(node.place_of(first.previous_hash))
        return [Step(is_connect=True, place=place) for place in reversed(joining)]

    def _start_at(self, place: BlockPlace) -> None:
        self._done.clear()
        self._done.append((place.height, place.block_hash))
