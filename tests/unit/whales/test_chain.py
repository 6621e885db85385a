"""The way from the blocks that were looked through to where the node is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.block_source import NodeError
from app.services.whales.chain import Chain
from tests.fakes.whale_chain import FIRST_HEIGHT
from tests.fakes.whale_clock import SimulatedClock
from tests.fakes.whale_node import SimulatedNode

NOW = 1_000.0


class Walk:
    """A chain that follows a node, and the hashes of the blocks that it went through."""

    def __init__(self) -> None:
        self.node = SimulatedNode(SimulatedClock())
        self.chain = Chain()
        assert self.chain.lead_to(self.node.best_block(), NOW)
        self.stack = [self.node.chain.active[-1]]

    def go(self, now_seconds: float = NOW) -> None:
        while self.chain.has_work(now_seconds):
            step = self.chain.next_step(self.node, now_seconds)
            if step is None:
                continue
            if step.is_connect:
                if step.place.previous_hash != self.stack[-1]:
                    self.stack = [step.place.previous_hash]
                self.stack.append(step.place.block_hash)
            else:
                assert self.stack.pop() == step.place.block_hash
                self.stack = self.stack or [step.place.previous_hash]
            self.chain.done(step)

    def lead_to_tip(self, due_seconds: float = NOW) -> None:
        self.chain.lead_to(self.node.best_block(), due_seconds)

    @property
    def is_there(self) -> bool:
        active = self.node.chain.active
        return self.stack[-1] == active[-1] and self.stack == active[-len(self.stack) :]


def test_the_first_tip_counts_as_looked_through() -> None:
    walk = Walk()
    walk.go()
    assert walk.chain.tip == (walk.node.chain.tip.block.height, walk.node.chain.active[-1])


def test_a_tip_is_gone_to_when_it_is_due_and_not_before() -> None:
    walk = Walk()
    walk.node.mine()
    walk.lead_to_tip(NOW + 3)
    assert not walk.chain.has_work(NOW)
    walk.go()
    assert not walk.is_there
    assert walk.chain.waiting == 1
    walk.go(NOW + 3)
    assert walk.is_there
    assert walk.chain.waiting == 0


def test_a_tip_waits_for_what_the_stream_has_still_to_tell() -> None:
    walk = Walk()
    walk.node.mine()
    walk.lead_to_tip(NOW + 3)
    walk.chain.let_the_stream_tell(NOW + 9)
    walk.go(NOW + 5)
    assert not walk.is_there


def test_what_is_said_of_blocks_does_not_wait_for_a_tip() -> None:
    walk = Walk()
    walk.node.mine()
    walk.node.mine()
    walk.lead_to_tip(NOW + 3)
    walk.chain.connected(walk.node.chain.active[-2], NOW)
    walk.go()
    assert walk.chain.tip is not None
    assert walk.chain.tip[1] == walk.node.chain.active[-2]


def test_the_same_tip_is_noted_once_however_often_it_is_seen() -> None:
    walk = Walk()
    walk.node.mine()
    for _ in range(10):
        walk.lead_to_tip(NOW + 3)
    assert walk.chain.waiting == 1


def test_blocks_between_are_gone_through_and_the_newest_height_is_known_before() -> None:
    walk = Walk()
    for _ in range(5):
        walk.node.mine()
    walk.lead_to_tip()
    walk.chain.next_step(walk.node, NOW)
    assert walk.chain.known_height == walk.node.chain.tip.block.height
    walk.go()
    assert walk.is_there
    assert walk.chain.lost_blocks == 0


def test_a_block_has_so_many_confirmations() -> None:
    walk = Walk()
    for _ in range(7):
        walk.node.mine()
    walk.lead_to_tip()
    walk.go()
    assert walk.chain.hash_at_depth(1) == walk.node.chain.active[-1]
    assert walk.chain.hash_at_depth(6) == walk.node.chain.active[-6]
    assert walk.chain.hash_at_depth(9) is None


def test_more_blocks_than_can_be_caught_up_with_are_counted_as_lost() -> None:
    walk = Walk()
    for _ in range(2_020):
        walk.node.mine()
    walk.lead_to_tip()
    walk.go()
    assert walk.is_there
    assert walk.chain.lost_blocks == 4


def test_a_long_way_is_asked_for_in_pieces_and_an_error_loses_none_of_them() -> None:
    walk = Walk()
    for _ in range(1_000):
        walk.node.mine()
    walk.lead_to_tip()
    walk.node.requests.clear()
    questions = 0
    while walk.chain.next_step(walk.node, NOW) is None:
        assert walk.chain.known_height == walk.node.chain.tip.block.height
        # Those of one turn, the block itself, and the one that failed.
        assert len(walk.node.requests) <= 202
        questions += len(walk.node.requests)
        walk.node.requests.clear()
        walk.node.is_away = True
        with pytest.raises(NodeError):
            walk.chain.next_step(walk.node, NOW)
        walk.node.is_away = False
    assert questions < 1_010
    walk.go()
    assert walk.is_there


def test_words_of_blocks_without_end_take_no_memory_without_end() -> None:
    walk = Walk()
    for _ in range(3):
        walk.node.mine()
    for number in range(20_000):
        walk.chain.connected(f"{number:064x}", NOW)
    walk.chain.connected(walk.node.chain.active[-1], NOW)
    assert walk.chain.waiting == 5_000
    walk.go()
    assert walk.is_there


actions = st.lists(
    st.one_of(
        st.tuples(st.just("mine"), st.integers(1, 3)),
        st.tuples(st.just("take back"), st.integers(1, 2)),
        st.tuples(st.just("reorganise"), st.integers(1, 3)),
        st.tuples(st.just("tell"), st.integers(0, 3)),
        st.tuples(st.just("look"), st.integers(0, 1)),
        st.tuples(st.just("lose"), st.just(0)),
        st.tuples(st.just("start anew"), st.just(0)),
    ),
    max_size=25,
)


@given(actions)
def test_whatever_is_told_late_or_never_it_arrives_where_the_node_is(story: list[tuple[str, int]]) -> None:
    walk = Walk()
    told: list[tuple[str, str]] = []
    for what, count in story:
        _act(walk, told, what, count)
    walk.lead_to_tip()
    _tell(walk, told, len(told))
    walk.go(NOW + 9)
    assert walk.is_there


def _act(walk: Walk, told: list[tuple[str, str]], what: str, count: int) -> None:
    before = list(walk.node.chain.active)
    if what == "mine":
        for _ in range(count):
            walk.node.mine()
    elif what == "take back" and len(before) > count:
        walk.node.take_back(count)
    elif what == "reorganise" and len(before) > count:
        walk.node.reorganise(count, [[]] * (count + 1))
    elif what == "tell":
        _tell(walk, told, count)
    elif what == "look":
        walk.lead_to_tip(NOW + 3 * count)
    elif what == "lose":
        told.clear()
    elif what == "start anew":
        done = [(FIRST_HEIGHT, each) for each in walk.stack]
        walk.chain = Chain()
        walk.chain.begin([(walk.node.place_of(each).height, each) for _, each in done])
    after = walk.node.chain.active
    told += [("disconnected", each) for each in reversed(before) if each not in after]
    told += [("connected", each) for each in after if each not in before]


def _tell(walk: Walk, told: list[tuple[str, str]], count: int) -> None:
    for said, block_hash in told[:count]:
        if said == "connected":
            walk.chain.connected(block_hash, NOW)
        else:
            walk.chain.disconnected(block_hash, NOW)
        walk.go()
    del told[:count]
