"""What is kept of blocks says of every window what the blocks themselves say."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.blocks.block import read_block
from app.domain.price.amounts import window_amounts
from app.domain.price.extract import NO_PARENT, BlockExtract, extract_block
from app.domain.price.parents import with_parents
from tests.fakes.blocks import Input, Tx, block, coinbase
from tests.fakes.extracts import window_extracts
from tests.fakes.published import CASES, COMMITTED, chain
from tests.fakes.window_outputs import WindowOutputs

FIRST_HEIGHT = 100


def by_the_rule(raw_blocks: list[bytes]) -> tuple[list[float], list[int]]:
    """Return the amounts of a window and how many each block has, by the published rule."""
    outputs, counts = WindowOutputs(), [0]
    for raw in raw_blocks:
        outputs.add(read_block(raw))
        counts.append(len(outputs.amounts_btc()))
    return outputs.amounts_btc().tolist(), [after - before for before, after in pairwise(counts)]


def by_extracts(window: list[BlockExtract]) -> tuple[list[float], list[int]]:
    found = window_amounts(window)
    return found.amounts_btc.tolist(), found.per_block.tolist()


@st.composite
def chains(draw: st.DrawFn) -> list[bytes]:
    """Blocks whose transactions spend from anywhere: before the chain, below, their own block, and even later ones.

    Transactions return too, as two coinbases of 2010 did.
    """
    made: list[Tx] = []
    blocks = []
    amount = st.integers(900, 1_200) | st.just(10_000_000_000_000)
    for height in range(draw(st.integers(1, 7))):
        transactions = [coinbase(height // draw(st.integers(1, 2)))]
        for number in range(draw(st.integers(0, 5))):
            if made and draw(st.integers(0, 9)) == 0:
                again = draw(st.sampled_from(made))
                transactions += [] if again in transactions else [again]
                continue
            known = [each.txid_le for each in (*made, *transactions)]
            strangers = [bytes([each]) * 32 for each in range(1, 4)]
            spent = draw(st.lists(st.sampled_from(known + strangers), min_size=1, max_size=6))
            outputs = [(draw(amount), b"") for _ in range(draw(st.sampled_from([2, 2, 2, 1])))]
            unique = 10 * height + number
            transactions.append(Tx([Input(each) for each in spent], outputs, lock_time=unique))
        made += transactions
        mixed = draw(st.permutations(transactions[1:])) if draw(st.booleans()) else transactions[1:]
        blocks.append(block((transactions[0], *mixed)))
    return draw(st.permutations(blocks)) if draw(st.booleans()) else blocks


@settings(deadline=None, max_examples=200)
@given(chains(), st.data())
def test_any_window_of_any_chain_has_the_amounts_that_the_rule_gives(
    raw_blocks: list[bytes], data: st.DataObject
) -> None:
    kept = [extract_block(read_block(raw), height) for height, raw in enumerate(raw_blocks, start=FIRST_HEIGHT)]
    # Windows come in any order, and what one search found is there for the next.
    for _ in range(data.draw(st.integers(1, 4))):
        first = data.draw(st.integers(0, len(kept) - 1))
        last = data.draw(st.integers(first, len(kept) - 1))
        window = kept[first : last + 1]
        unsearched = [at for at, each in enumerate(window) if each.searched_from > FIRST_HEIGHT + first]
        if unsearched:
            for at, found in zip(unsearched, with_parents(window, unsearched), strict=True):
                kept[first + at] = found
        assert by_extracts(kept[first : last + 1]) == by_the_rule(raw_blocks[first : last + 1])


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_any_window_of_the_published_chain_has_the_amounts_that_the_rule_gives(data: st.DataObject) -> None:
    blocks = chain(COMMITTED)
    first = data.draw(st.integers(CASES[COMMITTED]["method"]["first_height"] - 3, max(blocks)))
    last = data.draw(st.integers(first, min(max(blocks), first + 40)))
    raw_blocks = [blocks[height] for height in range(first, last + 1)]
    assert by_extracts(window_extracts(raw_blocks, first)) == by_the_rule(raw_blocks)


def test_searching_one_by_one_finds_what_searching_at_once_finds() -> None:
    blocks = chain(COMMITTED)
    first = CASES[COMMITTED]["method"]["first_height"]
    raw_blocks = [blocks[height] for height in range(first, first + 30)]
    one_by_one: list[BlockExtract] = []
    for height, raw in enumerate(raw_blocks, start=first):
        one_by_one.append(extract_block(read_block(raw), height))
        one_by_one[-1:] = with_parents(one_by_one, [len(one_by_one) - 1])
    at_once = window_extracts(raw_blocks, first)
    assert any((each.parents != NO_PARENT).any() for each in at_once)
    assert [each.parents.tolist() for each in one_by_one] == [each.parents.tolist() for each in at_once]


def test_an_extract_knows_its_block() -> None:
    raw = block((coinbase(), Tx()), previous_le=b"\xab" + bytes(31), time=1_700_000_000)
    found = extract_block(read_block(raw), 7)
    header = read_block(raw).header
    assert (found.height, found.searched_from, found.time) == (7, 7, 1_700_000_000)
    assert (found.hash, found.previous_hash) == (header.hash, "00" * 31 + "ab")


@pytest.mark.parametrize("transactions", [(coinbase(),), (coinbase(), Tx(outputs=((5_000, b""),)))])
def test_blocks_without_payments_have_no_amounts(transactions: tuple[Tx, ...]) -> None:
    assert by_extracts(window_extracts([block(transactions)] * 2, 0)) == ([], [0, 0])


def test_a_txid_that_begins_with_zeros_is_not_taken_for_one_that_nobody_made() -> None:
    spending = block((coinbase(), Tx(inputs=[Input(bytes(8) + b"\x01" * 24)])))
    assert by_extracts(window_extracts([block((coinbase(1),)), spending], 0))[1] == [0, 2]


def test_a_block_that_was_not_searched_far_enough_is_a_mistake() -> None:
    below = extract_block(read_block(block((coinbase(),))), 4)
    window = window_extracts([block((coinbase(),))] * 2, 5)
    with pytest.raises(ValueError, match="block 5 was not searched down to 4"):
        window_amounts([below, *window])
