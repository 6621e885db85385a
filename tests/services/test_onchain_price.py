"""The use cases, reading from a stand-in node over HTTP through the real adapters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pytest

from app.adapters.bitcoind import block_source
from app.domain.price.not_enough_data import NotEnoughDataError
from app.domain.price.windows import published_day_window
from app.services.block_source import (
    BlockPrunedError,
    BlockUnknownError,
    FallbackBlockSource,
    NodeError,
    NodeForbiddenError,
    NodeUnreachableError,
)
from app.services.onchain_price import (
    ChainChangedError,
    OnchainPrice,
    StillSyncingError,
    WrongNetworkError,
    estimate_day,
    estimate_recent,
)
from app.services.window_reader import BadBlockError
from tests.fakes.bitcoin_node import FakeNode, running
from tests.fakes.blocks import Chain, Input, Tx, block, coinbase
from tests.fakes.published import CASES, COMMITTED, chain

CASE = CASES[COMMITTED]
DAY = date.fromisoformat(CASE["day"])
FIRST, LAST = CASE["method"]["first_height"], CASE["method"]["last_height"]


@pytest.fixture(scope="module")
def node() -> Iterator[FakeNode]:
    with running(chain(COMMITTED)) as served:
        yield served


@pytest.fixture
def source(node: FakeNode) -> FallbackBlockSource:
    node.asked.clear()
    node.rest = True
    node.forbidden = ()
    return block_source(node.url)


def payments(seed: int) -> list[Tx]:
    """Transactions whose amounts are round dollars at 50,000, and lie on their own."""
    usd = (10, 20, 50, 100, 200)
    return [
        Tx(inputs=[Input(seed.to_bytes(31, "big") + bytes([n]))], outputs=((usd[n % 5] * 2_000 + n, b""), (999, b"")))
        for n in range(20)
    ]


def small_chain(length: int) -> Chain:
    chain = Chain()
    for height in range(length):
        chain.extend(payments(height), time=1_718_445_600 + 600 * height)
    return chain


@pytest.mark.parametrize("served_by", ["bitcoind-rest", "bitcoind-rpc"])
@pytest.mark.parametrize("name", CASES)
def test_a_day_read_from_a_node_has_the_published_figures(name: str, served_by: str) -> None:
    case = CASES[name]
    with running(chain(name)) as node:
        node.rest = served_by == "bitcoind-rest"
        price = estimate_day(block_source(node.url), "main", date.fromisoformat(case["day"]))
    expected = case["method"]
    assert price == OnchainPrice(
        first_height=expected["first_height"],
        last_height=expected["last_height"],
        last_hash=node.hash_at(expected["last_height"]),
        n_blocks=expected["n_blocks"],
        n_outputs=expected["n_raw_outputs"],
        own=price.own,
        published=price.published,
        block_source=served_by,
    )
    assert price.published is not None
    assert price.published.n_points == expected["n_points"]
    assert price.published.rough_price == expected["rough_price_estimate"]
    assert price.published.price == expected["central_price"]
    assert 0 < price.published.n_points_near < price.published.n_points


@pytest.mark.parametrize("name", CASES)
def test_ours_is_right_or_silent_where_the_published_figure_is_wrong(name: str) -> None:
    with running(chain(name)) as node:
        own = estimate_day(block_source(node.url), "main", date.fromisoformat(CASES[name]["day"])).own
    true_usd = CASES[name]["config"].get("price", 60_000)
    assert own.objection is not None or own.window_price == pytest.approx(true_usd, rel=0.01)


def test_the_published_search_reads_the_same_day(source: FallbackBlockSource) -> None:
    published = estimate_day(source, "main", DAY, search=published_day_window)
    assert published == estimate_day(source, "main", DAY)


def test_the_newest_blocks_that_have_the_confirmations_are_read(node: FakeNode, source: FallbackBlockSource) -> None:
    seen: list[tuple[int, int]] = []
    price = estimate_recent(
        source, "main", window_blocks=130, min_confirmations=15, progress=lambda *at: seen.append(at)
    )
    assert (price.first_height, price.last_height) == (FIRST, LAST)
    assert price.published is not None
    assert price.published.price == CASE["method"]["central_price"]
    assert seen == [(done, 130) for done in range(1, 131)]
    assert node.asked["rest block"] == 130


def test_by_default_the_tip_is_left_out(source: FallbackBlockSource) -> None:
    price = estimate_recent(source, "main")
    assert (price.first_height, price.last_height, price.n_blocks) == (CASE["tip"] - 144, CASE["tip"] - 1, 144)


def test_a_day_is_found_with_few_requests(node: FakeNode, source: FallbackBlockSource) -> None:
    with pytest.raises(NotEnoughDataError):
        estimate_day(source, "main", date(2024, 6, 16))
    assert sum(node.asked.values()) < 40


def test_a_chain_shorter_than_the_window_says_so() -> None:
    with running(small_chain(9).blocks) as node, pytest.raises(NotEnoughDataError, match="144 are needed"):
        estimate_recent(block_source(node.url), "main")


def test_another_network_is_refused(source: FallbackBlockSource) -> None:
    with pytest.raises(WrongNetworkError, match="the node is on main and BITCOIN_NETWORK says signet"):
        estimate_recent(source, "signet")


def test_a_node_that_still_catches_up_is_refused(node: FakeNode, source: FallbackBlockSource) -> None:
    node.syncing = True
    try:
        with pytest.raises(StillSyncingError, match="wait until it has caught up"):
            estimate_day(source, "main", DAY)
    finally:
        node.syncing = False


def other_block(node: FakeNode) -> bytes:
    return node.block(node.hash_at(FIRST))


@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        (other_block, "and gave"),
        (lambda _: b"", "no sound block"),
        (lambda node: node.block(node.hash_at(FIRST + 9))[:-1], "no sound block"),
        (lambda node: node.block(node.hash_at(FIRST + 9))[:80] + block((coinbase(),))[80:], "commits to"),
    ],
)
def test_what_is_not_the_block_asked_for_is_refused(
    node: FakeNode, source: FallbackBlockSource, instead: Callable[[FakeNode], bytes], reason: str
) -> None:
    node.instead = {node.hash_at(FIRST + 9): instead(node)}
    try:
        with pytest.raises(BadBlockError, match=reason):
            estimate_day(source, "main", DAY)
    finally:
        node.instead = {}


def test_a_pruned_block_says_what_to_do(node: FakeNode, source: FallbackBlockSource) -> None:
    node.instead = {node.hash_at(FIRST): None}
    try:
        with pytest.raises(BlockPrunedError, match="raise prune="):
            estimate_day(source, "main", DAY)
    finally:
        node.instead = {}


@pytest.mark.parametrize(
    ("while_reading", "forked_at", "window"),
    [(6, 3, (2, 9)), (8, 7, (2, 9)), (8, 8, (2, 9)), (6, 7, (2, 9))],
    ids=["linkage is broken", "linkage is broken late", "only the last block is stale", "the blocks read stay valid"],
)
def test_after_a_reorganisation_only_the_new_chain_counts(
    while_reading: int, forked_at: int, window: tuple[int, int]
) -> None:
    before = small_chain(10)
    after = before.branch(forked_at)
    while len(after.blocks) < 11:
        after.extend(payments(100 + len(after.blocks)), tag=1)
    with running(before.blocks) as node:
        turning_point = node.hash_at(while_reading)

        def reorganise(block_hash: str) -> None:
            if block_hash == turning_point:
                node.serve(after.blocks)

        node.before_block = reorganise
        price = estimate_recent(block_source(node.url), "main", window_blocks=8)
        assert (price.first_height, price.last_height) == window
    with running(after.branch(window[1] + 1).blocks) as node:
        same = estimate_recent(block_source(node.url), "main", window_blocks=8, min_confirmations=1)
    assert price == same


def test_a_chain_that_never_keeps_still_is_given_up() -> None:
    one = small_chain(10)
    other = one.branch(4)
    while len(other.blocks) < 10:
        other.extend(payments(100 + len(other.blocks)), tag=1)
    chains = [one.blocks, other.blocks]
    with running(one.blocks) as node:

        def flip(_: str) -> None:
            chains.reverse()
            node.serve(chains[0])

        node.before_block = flip
        # An odd number of blocks: the chain at the end of each attempt is not that of its beginning.
        with pytest.raises(ChainChangedError, match="reorganised 2 times"):
            estimate_recent(block_source(node.url), "main", window_blocks=7)


def test_a_chain_that_got_shorter_while_it_was_read_is_read_again() -> None:
    long = small_chain(10)
    with running(long.blocks) as node:

        def shorten(_: str) -> None:
            node.serve(long.branch(9).blocks)

        node.before_block = shorten
        price = estimate_recent(block_source(node.url), "main", window_blocks=4, min_confirmations=1)
    assert (price.first_height, price.last_height) == (5, 8)


def test_what_served_is_recorded_when_rest_ends_midway(node: FakeNode, source: FallbackBlockSource) -> None:
    def turn_rest_off(_: str) -> None:
        node.rest = node.asked["rest block"] < 50

    node.before_block = turn_rest_off
    try:
        price = estimate_day(source, "main", DAY)
    finally:
        node.before_block = lambda _: None
    assert price.block_source == "bitcoind-rest+bitcoind-rpc"
    assert price.published is not None
    assert price.published.price == CASE["method"]["central_price"]
    assert (node.asked["rest block"], node.asked["getblock"]) == (50, 80)


def test_each_estimate_tries_rest_anew(node: FakeNode, source: FallbackBlockSource) -> None:
    node.rest = False
    assert estimate_day(source, "main", DAY).block_source == "bitcoind-rpc"
    node.rest = True
    assert estimate_day(source, "main", DAY).block_source == "bitcoind-rest"


def test_when_no_way_works_every_reason_is_told(node: FakeNode, source: FallbackBlockSource) -> None:
    node.rest = False
    node.forbidden = ("getblockchaininfo",)
    with pytest.raises(NodeForbiddenError, match=r"does not serve REST .*; .* forbids getblockchaininfo"):
        source.status()


def test_the_same_reason_is_told_once() -> None:
    with pytest.raises(NodeUnreachableError) as failure:
        block_source("http://127.0.0.1:9").status()
    assert str(failure.value).count("cannot be reached") == 1


def test_a_block_that_the_chain_lacks_is_an_answer_and_no_reason_to_go_elsewhere(
    node: FakeNode, source: FallbackBlockSource
) -> None:
    with pytest.raises(BlockUnknownError):
        source.block_hash(10**6)
    assert node.asked["getblockhash"] == 0


def test_a_single_source_fails_as_itself(node: FakeNode) -> None:
    node.rest = False
    only = block_source(node.url)._sources[0]  # noqa: SLF001 - the REST half
    with pytest.raises(NodeError, match=r"rest=1"):
        FallbackBlockSource(only).status()
