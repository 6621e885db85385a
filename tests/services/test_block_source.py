"""Sources in tiers: who is asked, when the next one is, and what is believed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from app.domain.blocks.block import read_block
from app.domain.blocks.malformed import MalformedBlockError
from app.services.block_source import (
    BadBlockError,
    BlockAwayError,
    BlockPrunedError,
    BlockUnknownError,
    FallbackBlockSource,
    NodeError,
    NodeStatus,
    NodeUnauthorisedError,
    NodeUnreachableError,
    OnchainPriceError,
    RestDisabledError,
    Served,
)
from tests.fakes.blocks import Chain, double_sha256

CHAIN = Chain()
for _ in range(6):
    CHAIN.extend()
HASHES = [double_sha256(raw[:80])[::-1].hex() for raw in CHAIN.blocks.values()]


class Source:
    """A source with the blocks of CHAIN that fails, lies or lacks on order.

    Attributes:
        asked: What was asked, in order.
        failure: Raised by every question.
        instead: Given or raised for a block's hash in place of the block.
        before: Called with each question.
    """

    def __init__(self, name: str, failure: OnchainPriceError | None = None) -> None:
        self.name = name
        self.failure = failure
        self.instead: dict[str, bytes | OnchainPriceError] = {}
        self.asked: list[str] = []
        self.before: Callable[[], None] = lambda: None
        self.syncing = False

    def status(self) -> NodeStatus:
        self._ask("status")
        return NodeStatus("main", 5, self.syncing)

    def block_hash(self, height: int) -> str:
        self._ask("block_hash")
        if height >= len(HASHES):
            raise BlockUnknownError(f"{self.name} ends below {height}")
        return HASHES[height]

    def headers(self, first_height: int, count: int) -> Sequence[bytes]:
        self._ask("headers")
        return [CHAIN.blocks[height][:80] for height in range(first_height, first_height + count)]

    def raw_block(self, block_hash: str) -> bytes:
        self._ask("raw_block")
        given = self.instead.get(block_hash, CHAIN.blocks[HASHES.index(block_hash)])
        if isinstance(given, OnchainPriceError):
            raise given
        return given

    def _ask(self, question: str) -> None:
        self.asked.append(question)
        self.before()
        if self.failure is not None:
            raise self.failure


class Noted:
    """A breaker that holds back whom a test names, and notes what it is told."""

    def __init__(self, *held_back: str) -> None:
        self.held_back = held_back
        self.told: list[tuple[str, str]] = []

    def is_open(self, name: str) -> bool:
        return name in self.held_back

    def failed(self, name: str) -> None:
        self.told.append(("failed", name))

    def worked(self, name: str) -> None:
        self.told.append(("worked", name))


def away(name: str) -> NodeUnreachableError:
    return NodeUnreachableError(f"{name} is away")


def served_by(source: FallbackBlockSource, height: int = 3) -> str:
    served = source.proven_block(HASHES[height], read_block)
    assert served.content.header.hash == HASHES[height]
    return served.served_by


def test_the_first_that_works_is_asked_and_no_other() -> None:
    one, two = Source("one"), Source("two")
    source = FallbackBlockSource(one, two)
    assert source.status().tip_height == 5
    assert source.block_hash(3) == HASHES[3]
    assert source.headers(2, 2) == [CHAIN.blocks[2][:80], CHAIN.blocks[3][:80]]
    assert served_by(source) == "one"
    assert two.asked == []


def test_one_that_failed_is_asked_no_more_in_this_run_and_again_in_the_next() -> None:
    one, two = Source("one"), Source("two")
    source = FallbackBlockSource(one, two)
    source.status()
    one.failure = away("one")
    assert [served_by(source, height) for height in range(4)] == ["two"] * 4
    assert source.name == "two"
    assert one.asked.count("raw_block") == 1
    one.failure = None
    source.status()
    assert (served_by(source), source.name) == ("one", "one")


@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        (CHAIN.blocks[2], f"one was asked for block {HASHES[3]} and gave {HASHES[2]}"),
        (CHAIN.blocks[3][:-1], f"what one gave for block {HASHES[3]} is no sound block: "),
        (CHAIN.blocks[3][:80] + CHAIN.blocks[2][80:], "the transactions are not those that header"),
        (b"", "a header has 80 bytes"),
    ],
)
def test_what_is_not_the_block_asked_for_is_taken_from_the_next_and_the_liar_left(instead: bytes, reason: str) -> None:
    one, two = Source("one"), Source("two")
    breaker = Noted()
    source = FallbackBlockSource(one, two, breaker=breaker)
    source.status()
    one.instead[HASHES[3]] = instead
    assert (served_by(source, 3), served_by(source, 4)) == ("two", "two")
    assert breaker.told[0] == ("failed", "one")
    two.instead[HASHES[5]] = CHAIN.blocks[1]
    with pytest.raises(BadBlockError, match=reason):
        served_by(source, 5)


def test_a_block_is_read_once_and_never_before_its_header_is_the_one() -> None:
    one, two = Source("one"), Source("two")
    one.instead[HASHES[3]] = CHAIN.blocks[2]
    seen: list[bytes] = []

    def prove(raw: bytes) -> int:
        seen.append(raw)
        return len(raw)

    source = FallbackBlockSource(one, two)
    assert source.proven_block(HASHES[3], prove) == Served(len(CHAIN.blocks[3]), "two")
    assert seen == [CHAIN.blocks[3]]


def test_any_proof_may_refuse_a_block() -> None:
    def prove(_: bytes) -> None:
        raise MalformedBlockError("its witness is not what it commits to")

    with pytest.raises(BadBlockError, match=r"one gave .* no sound block: its witness .*; what two gave"):
        FallbackBlockSource(Source("one"), Source("two")).proven_block(HASHES[0], prove)


@pytest.mark.parametrize("lacking", [BlockPrunedError("deleted"), BlockUnknownError("never seen")])
def test_a_block_that_one_lacks_is_looked_for_elsewhere_and_the_one_stays_the_first(lacking: OnchainPriceError) -> None:
    one, two = Source("one"), Source("two")
    breaker = Noted()
    source = FallbackBlockSource(one, two, breaker=breaker)
    source.status()
    one.instead[HASHES[0]] = lacking
    assert [served_by(source, height) for height in (0, 1)] == ["two", "one"]
    assert breaker.told == [("worked", "two"), ("worked", "one")]


DELETED, NEVER_SEEN = BlockPrunedError("one has deleted it"), BlockUnknownError("two never saw it")


@pytest.mark.parametrize("answers", [(DELETED, NEVER_SEEN), (NEVER_SEEN, DELETED), (DELETED, DELETED)])
def test_a_block_is_gone_for_good_when_each_has_answered_and_none_has_it(
    answers: tuple[OnchainPriceError, ...],
) -> None:
    sources = [Source(name) for name in ("one", "two")]
    for source, answer in zip(sources, answers, strict=True):
        source.instead[HASHES[0]] = answer
    with pytest.raises(BlockPrunedError, match="^" + "; ".join(dict.fromkeys(map(str, answers))) + "$"):
        served_by(FallbackBlockSource(*sources), 0)


@pytest.mark.parametrize(
    "order",
    [("one", "two", "three"), ("three", "two", "one")],
)
def test_a_block_that_one_has_deleted_may_still_be_had_as_long_as_another_is_away(order: tuple[str, ...]) -> None:
    sources = {name: Source(name) for name in order}
    sources["one"].instead[HASHES[0]] = DELETED
    sources["two"].instead[HASHES[0]] = NEVER_SEEN
    sources["three"].failure = away("three")
    source = FallbackBlockSource(*sources.values())
    with pytest.raises(BlockAwayError) as failure:
        served_by(source, 0)
    lacking, absent = str(failure.value).split("; nobody else gives it at present: ")
    assert set(lacking.split("; ")) == {str(DELETED), str(NEVER_SEEN)}
    assert absent == "three is away"
    # It is no worse when that is known from an earlier question of the run.
    with pytest.raises(BlockAwayError, match="three is away"):
        source.raw_block(HASHES[0])
    sources["three"].failure = None
    source.status()
    assert served_by(source, 0) == "three"


def test_who_gives_another_block_has_not_said_that_it_lacks_this_one() -> None:
    one, two = Source("one"), Source("two")
    one.instead[HASHES[0]], two.instead[HASHES[0]] = DELETED, CHAIN.blocks[1]
    with pytest.raises(BlockAwayError, match=r"one has deleted it; nobody else .*: two was asked for block"):
        served_by(FallbackBlockSource(one, two), 0)


def test_switched_off_rest_keeps_no_block_from_being_gone() -> None:
    rest, rpc = Source("rest", RestDisabledError("REST is off")), Source("rpc")
    rpc.instead[HASHES[0]] = DELETED
    with pytest.raises(BlockPrunedError, match=r"^one has deleted it; REST is off$"):
        served_by(FallbackBlockSource(rest, rpc), 0)


def test_a_block_that_nobody_knows_is_unknown_whoever_is_away() -> None:
    one, two = Source("one", away("one")), Source("two")
    two.instead[HASHES[0]] = NEVER_SEEN
    with pytest.raises(BlockUnknownError, match="two never saw it; one is away"):
        served_by(FallbackBlockSource(one, two), 0)


def test_where_a_chain_ends_is_an_answer() -> None:
    one, two = Source("one"), Source("two")
    source = FallbackBlockSource(one, two)
    with pytest.raises(BlockUnknownError, match="one ends below 6"):
        source.block_hash(6)
    assert two.asked == []


def test_a_node_that_is_still_catching_up_is_not_gone_around() -> None:
    one, two = Source("bitcoind-rest"), Source("public:explorer")
    one.syncing = True
    assert FallbackBlockSource(one, two).status().initial_block_download
    assert two.asked == []


def test_when_nobody_answers_every_reason_is_told_once_and_the_first_that_explains_counts() -> None:
    failures: list[NodeError] = [
        RestDisabledError("REST is off"),
        NodeUnauthorisedError("wrong password"),
        NodeUnreachableError("nobody there"),
        NodeUnreachableError("nobody there"),
    ]
    source = FallbackBlockSource(*(Source(str(number), failure) for number, failure in enumerate(failures)))
    with pytest.raises(NodeUnauthorisedError, match=r"^REST is off; wrong password; nobody there$"):
        source.status()
    # A second question of the same run bothers nobody.
    with pytest.raises(NodeUnauthorisedError, match=r"^REST is off; wrong password; nobody there$"):
        source.block_hash(0)


def test_those_that_the_breaker_holds_back_are_asked_when_nothing_else_is_left() -> None:
    one, two, three = Source("one"), Source("two"), Source("three")
    source = FallbackBlockSource(one, two, three, breaker=Noted("one"))
    source.status()
    assert (served_by(source), one.asked) == ("two", [])
    two.instead[HASHES[0]] = three.instead[HASHES[0]] = DELETED
    assert served_by(source, 0) == "one"
    two.failure, three.failure = away("two"), away("three")
    assert served_by(source) == "one"


def test_work_that_can_wait_does_not_ask_those_held_back_for_what_others_lack() -> None:
    one, two, three = Source("one"), Source("two"), Source("three")
    one.instead[HASHES[0]] = DELETED
    breaker = Noted("two")
    source = FallbackBlockSource(one, two, three, breaker=breaker).sparing()
    source.status()
    assert served_by(source, 0) == "three"
    three.failure = away("three")
    with pytest.raises(
        BlockAwayError, match=r"deleted it; .*: three is away; two failed in an earlier run, .* is left alone"
    ):
        served_by(source, 0)
    assert two.asked == []
    # What stands still without an answer is worth asking them.
    one.failure = away("one")
    assert served_by(source, 1) == "two"
    one.failure, breaker.held_back = None, ()
    source.status()
    assert served_by(source, 0) == "two"


def test_when_all_are_held_back_all_are_asked_in_their_order() -> None:
    one, two = Source("one", away("one")), Source("two")
    source = FallbackBlockSource(one, two, breaker=Noted("one", "two"))
    source.status()
    assert (one.asked, two.asked) == (["status"], ["status"])


def test_the_breaker_and_the_log_are_told_of_a_failure_once_a_run_but_not_of_switched_off_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    breaker = Noted()
    sources = (Source("rest", RestDisabledError("REST is off")), Source("rpc", away("rpc")), Source("electrs"))
    source = FallbackBlockSource(*sources, breaker=breaker)
    with caplog.at_level(logging.INFO):
        source.status()
        served_by(source)
    assert breaker.told == [("failed", "rpc"), ("worked", "electrs")]
    (record,) = caplog.records
    assert (record.message, vars(record)["source"], vars(record)["reason"]) == (
        "a source of blocks failed",
        "rpc",
        "rpc is away",
    )


def test_a_source_that_fails_two_threads_at_once_has_failed_once() -> None:
    one, two = Source("one"), Source("two")
    breaker = Noted()
    source = FallbackBlockSource(one, two, breaker=breaker)
    source.status()
    both = Barrier(2)

    def meet() -> None:
        both.wait(timeout=10)

    one.before = meet
    one.failure = away("one")
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda height: served_by(source, height), (1, 2)))
    assert results == ["two", "two"]
    assert breaker.told.count(("failed", "one")) == 1
