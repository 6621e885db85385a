"""Which blocks are still to be looked through, whatever was heard of them, and in which order."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

from app.services.block_source import BlockUnknownError
from app.services.whales.ascent import Ascent
from app.services.whales.mempool_node import BlockPlace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from app.services.whales.mempool_node import MempoolNode

# Deep enough for any reorganisation that leaves a chain worth following; a deeper one is followed in several pieces.
REMEMBERED_BLOCKS = 100
# Words of blocks. The way to the last one leads over those that are forgotten.
_MOST_TARGETS = 5_000


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
        height: Of the tip; not known of the others.
    """

    block_hash: str
    said: Literal["connected", "disconnected", "tip"]
    due_seconds: float
    height: int = -1


class Chain:
    """The blocks that were looked through, and the way from there to where the node is.

    Attributes:
        lost_blocks: How many were never looked through, since they could not be had.
    """

    def __init__(self) -> None:
        self._done: deque[tuple[int, str]] = deque(maxlen=REMEMBERED_BLOCKS)
        self._targets: deque[Target] = deque(maxlen=_MOST_TARGETS)
        self._ascent: Ascent | None = None
        self._route: deque[Step] = deque()
        self.lost_blocks = 0

    @property
    def tip(self) -> tuple[int, str] | None:
        """Height and hash of the last block that was looked through."""
        return self._done[-1] if self._done else None

    @property
    def known_height(self) -> int | None:
        """Height of the newest block that is known of, looked through or not."""
        foretold = max((target.height for target in self._targets), default=-1)
        found = self._found_height
        return found if found is None else max(found, foretold)

    @property
    def _found_height(self) -> int | None:
        if self._route and self._route[-1].is_connect:
            return self._route[-1].place.height
        if self._ascent is not None:
            return self._ascent.top.height
        return self._done[-1][0] if self._done else None

    @property
    def waiting(self) -> int:
        """How many blocks are known to wait, at least."""
        found = len(self._ascent.places) if self._ascent else 0
        return max(len(self._route), len(self._targets), found)

    def has_work(self, now_seconds: float) -> bool:
        """Return whether there may be something to do now."""
        return bool(self._route or self._due(now_seconds))

    def holds(self, block_hash: str) -> bool:
        """Return whether a block is among those that were looked through last."""
        return any(known == block_hash for _, known in self._done)

    def begin(self, done: Sequence[tuple[int, str]]) -> None:
        """Go on where an earlier detector stopped."""
        self._done.extend(done)

    def connected(self, block_hash: str, now_seconds: float) -> None:
        """The node said that it connected a block."""
        self._targets.append(Target(block_hash, "connected", now_seconds))

    def disconnected(self, block_hash: str, now_seconds: float) -> None:
        """The node said that it disconnected a block."""
        self._targets.append(Target(block_hash, "disconnected", now_seconds))
        self.forget_the_way()

    def lead_to(self, tip: BlockPlace, due_seconds: float) -> bool:
        """The node's tip is here; until it is due the stream may tell how it came there.

        The first tip of all counts as looked through, and everything before it, unless the stream has told of a block
        already. Return whether this was the first.
        """
        if not (self._done or self._targets):
            self._done.append((tip.height, tip.block_hash))
            return True
        is_told = any(target.said == "tip" and target.block_hash == tip.block_hash for target in self._targets)
        if not is_told and tip.block_hash != (self._done[-1][1] if self._done else None):
            self._targets.append(Target(tip.block_hash, "tip", due_seconds, tip.height))
        return False

    def stay(self) -> None:
        """Whatever was said of blocks, go nowhere."""
        self._targets.clear()
        self.forget_the_way()

    def let_the_stream_tell(self, until_seconds: float) -> None:
        """Go to no tip before: the stream has not yet told all that happened before the snapshot that showed it."""
        for at, target in enumerate(self._targets):
            if target.said == "tip":
                self._targets[at] = target._replace(due_seconds=max(target.due_seconds, until_seconds))

    def forget_the_way(self) -> None:
        """Find it anew: the one that was known may lead over blocks that are not there any longer."""
        self._ascent = None
        self._route.clear()

    def next_step(self, node: MempoolNode, now_seconds: float) -> Step | None:
        """Return what is to be done next; raise NodeError when the node does not tell the way.

        None when there is nothing, or when a long way has not been found to its end: then there is still work.
        """
        while not self._route and (target := self._due(now_seconds)):
            way = self._way_to(node, target)
            if way is None:
                return None
            self._ascent, self._route = None, deque(way)
            if not self._route:
                self._targets.remove(target)
        return self._route[0] if self._route else None

    def done(self, step: Step) -> None:
        """`next_step` has been carried out."""
        self._route.popleft()
        _, place = step
        below = (place.height - 1, place.previous_hash)
        if not step.is_connect:
            self._done.pop()
        # What is below the oldest block that is remembered was looked through, or was there before us.
        if place.previous_hash and (not self._done or (step.is_connect and self._done[-1] != below)):
            self._done.clear()
            self._done.append(below)
        if step.is_connect:
            self._done.append((place.height, place.block_hash))

    def hash_at_depth(self, confirmations: int) -> str | None:
        """Return the hash of the looked-through block that has so many confirmations now; None before there is one."""
        return self._done[-confirmations][1] if len(self._done) >= confirmations else None

    def _due(self, now_seconds: float) -> Target | None:
        """Return the first target whose time has come: what a snapshot foretold holds up nothing that was said."""
        return next((target for target in self._targets if target.due_seconds <= now_seconds), None)

    def _way_to(self, node: MempoolNode, target: Target) -> Sequence[Step] | None:
        """Return the blocks that leave, newest first, and then those that join, oldest first.

        Nothing for what is not true any longer: a block that was connected and has left, or the other way round, by now
        or by another route. None as long as more has to be asked.
        """
        heights = {known: height for height, known in self._done}
        is_ours = target.block_hash in heights
        if is_ours and target.said == "tip":
            above = self._leaving(node, heights[target.block_hash])
            return [step for step in above if step.place.confirmations < 0]
        if is_ours != (target.said == "disconnected"):
            return []
        try:
            place = node.place_of(target.block_hash)
            if (place.confirmations < 0) != (target.said == "disconnected"):
                return []
            return self._leaving(node, place.height - 1) if is_ours else self._way_up_to(node, place, heights)
        except BlockUnknownError:
            # Of another data directory.
            return []

    def _way_up_to(self, node: MempoolNode, top: BlockPlace, heights: dict[str, int]) -> Sequence[Step] | None:
        """Return the way to a block that is not among ours, None as long as more has to be asked."""
        if not self._done:
            return _joining([top])
        if self._ascent is None or self._ascent.top.block_hash != top.block_hash:
            self._ascent = Ascent(top)
        ascent, (oldest_height, _) = self._ascent, self._done[0]
        if not ascent.find(node, heights, oldest_height):
            return None
        above_lowest = _joining(islice(ascent.places, 1, None))
        if ascent.is_too_long:
            # They cannot be caught up with.
            self.lost_blocks += max(0, ascent.lowest.height - self._done[-1][0])
            return above_lowest
        if ascent.lowest.previous_hash in heights:
            return [*self._leaving(node, heights[ascent.lowest.previous_hash]), *_joining(ascent.places)]
        leaving = self._leaving(node, oldest_height - 1)
        # Where the two chains part lies deeper than that: then first all of ours leave, and one looks again from there.
        return [*leaving, *above_lowest] if leaving[-1].place.previous_hash == ascent.lowest.block_hash else leaving

    def _leaving(self, node: MempoolNode, fork_height: int) -> list[Step]:
        return list(self._above(node, fork_height))

    def _above(self, node: MempoolNode, fork_height: int) -> Iterator[Step]:
        for height, known in reversed(self._done):
            if height > fork_height:
                try:
                    place = node.place_of(known)
                except BlockUnknownError:
                    place = BlockPlace(known, height, previous_hash="", time=0, confirmations=-1)
                yield Step(is_connect=False, place=place)


def _joining(places: Iterable[BlockPlace]) -> list[Step]:
    return [Step(is_connect=True, place=place) for place in places]
