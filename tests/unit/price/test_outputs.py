"""Which outputs count, at the edge of each rule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.blocks.block import read_block
from app.domain.price.amounts import window_amounts
from tests.fakes.blocks import ZERO, Input, Tx, block, coinbase, segwit_block
from tests.fakes.extracts import window_extracts
from tests.fakes.window_outputs import WindowOutputs

PAY, CHANGE = 123_456, 7_654_321
TWO = ((PAY, b"\x00\x14" + bytes(20)), (CHANGE, b"\x51"))
BOTH = [PAY / 1e8, CHANGE / 1e8]


def witness(*sizes: int) -> Input:
    return Input(witness=tuple(b"w" * size for size in sizes))


def amounts(*transactions: Tx) -> list[float]:
    found: list[float] = window_amounts(window_extracts([segwit_block(transactions)], 1)).amounts_btc.tolist()
    return found


@pytest.mark.parametrize(
    "transaction",
    [
        Tx(outputs=TWO),
        Tx(inputs=[Input(index=each) for each in range(5)], outputs=TWO),
        Tx(inputs=[witness(500)], outputs=TWO),
        Tx(inputs=[witness(250, 250)], outputs=TWO),
        Tx(inputs=[witness(400), witness(400)], outputs=TWO),
        Tx(outputs=((PAY, b""), (CHANGE, b"\x51\x6a"))),
        Tx(inputs=[Input(ZERO, 0)], outputs=TWO),
        Tx(inputs=[Input(index=0xFFFFFFFF)], outputs=TWO),
        Tx(inputs=[Input(b"\x00" * 31 + b"\x01", 0xFFFFFFFF), Input(b"\x01" + b"\x00" * 31, 0xFFFFFFFF)], outputs=TWO),
        Tx(inputs=[Input(script=bytes(size)) for size in (0, 252, 253, 65_535, 65_536)], outputs=TWO),
        Tx(outputs=((PAY, b"\x51" * 253), (CHANGE, b"\x51" * 65_536))),
        # No input has more than 500 bytes of items; with the sizes between them the whole has.
        Tx(inputs=[witness(*[0] * 300), witness(*[1] * 255)], outputs=TWO),
    ],
)
def test_a_payment_counts_with_both_outputs(transaction: Tx) -> None:
    assert amounts(transaction) == BOTH


@pytest.mark.parametrize(
    "transaction",
    [
        Tx(inputs=[Input(index=each) for each in range(6)], outputs=TWO),
        Tx(outputs=TWO[:1]),
        Tx(outputs=(*TWO, (5_000, b"\x51"))),
        Tx(inputs=[witness(501)], outputs=TWO),
        Tx(inputs=[witness(250, 251)], outputs=TWO),
        Tx(inputs=[witness(64), witness(300, 300)], outputs=TWO),
        Tx(outputs=((PAY, b"\x6a"), TWO[1])),
        Tx(outputs=(TWO[0], (0, b"\x6a\x04data"))),
        Tx(outputs=((0, b"\x6a" * 300), TWO[1])),
        Tx(inputs=[witness(1, 1), witness(253, 248)], outputs=TWO),
        Tx(inputs=[Input(index=each) for each in range(260)], outputs=TWO),
        Tx(outputs=TWO * 130),
        Tx(inputs=[Input(), Input(ZERO, 0xFFFFFFFF)], outputs=TWO),
    ],
)
def test_what_is_no_payment_does_not_count(transaction: Tx) -> None:
    assert amounts(transaction) == []


def test_an_empty_script_is_not_taken_for_what_stands_after_it() -> None:
    begins_like_data_sat = 0x6A6A6A
    transaction = Tx(outputs=((PAY, b""), (begins_like_data_sat, b"")), lock_time=0x6A)
    assert amounts(transaction) == [PAY / 1e8, begins_like_data_sat / 1e8]


SIZES = st.sampled_from([0, 0, 1, 22, 252, 253, 300, 65_536])
INPUTS = st.builds(
    Input,
    st.sampled_from([ZERO, b"\x11" * 32]),
    st.sampled_from([0, 0xFFFFFFFF]),
    SIZES.map(bytes),
    st.lists(st.sampled_from([0, 1, 72, 248, 253, 500]).map(bytes), max_size=3),
)
SCRIPTS = st.builds(lambda first, size: (first + bytes(size))[:size], st.sampled_from([b"\x51", b"\x6a"]), SIZES)
OUTPUTS = st.tuples(st.integers(0, 2_000) | st.sampled_from([10_000_000_000_000, 2**64 - 1]), SCRIPTS)
TRANSACTIONS = st.builds(
    Tx, st.lists(INPUTS, min_size=1, max_size=7), st.lists(OUTPUTS, min_size=1, max_size=3), st.integers(0, 2**32 - 1)
)


@settings(deadline=None)
@given(st.lists(TRANSACTIONS, max_size=8, unique_by=lambda each: each.stripped))
def test_of_any_transactions_those_count_that_the_rule_tells(transactions: list[Tx]) -> None:
    outputs = WindowOutputs()
    outputs.add(read_block(segwit_block(transactions)))
    assert amounts(*transactions) == outputs.amounts_btc().tolist()


@pytest.mark.parametrize(
    ("value_sat", "counts"),
    [(0, False), (1_000, False), (1_001, True), (9_999_999_999_999, True), (10_000_000_000_000, False)],
)
def test_each_amount_is_judged_on_its_own(value_sat: int, counts: bool) -> None:  # noqa: FBT001 - a table's column
    found = amounts(Tx(outputs=((value_sat, b"\x51"), (CHANGE, b"\x51"))))
    assert found == [value_sat / 1e8] * counts + [CHANGE / 1e8]


def test_a_value_beyond_any_bitcoin_is_no_amount() -> None:
    assert amounts(Tx(outputs=((2**64 - 1, b"\x51"), (CHANGE, b"\x51")))) == [CHANGE / 1e8]


@pytest.mark.parametrize("parent", [Tx(outputs=TWO), Tx(outputs=TWO[:1]), coinbase(9)])
def test_what_spends_an_output_of_the_window_does_not_count(parent: Tx) -> None:
    head = (parent,) if parent == coinbase(9) else (coinbase(), parent)
    child = Tx(inputs=[Input(b"\x55" * 32), Input(parent.txid_le)], outputs=TWO)
    below, above = block(head), block((coinbase(1), child))
    assert window_amounts(window_extracts([below, above], 1)).per_block[1] == 0
    assert window_amounts(window_extracts([above], 2)).per_block.tolist() == [2]


def test_what_spends_an_output_of_its_own_block_does_not_count_in_any_window() -> None:
    parent = Tx(outputs=TWO[:1])
    assert amounts(parent, Tx(inputs=[Input(parent.txid_le)], outputs=TWO)) == []


def test_what_spends_an_output_from_before_the_window_counts() -> None:
    parent = Tx(outputs=TWO)
    assert amounts(Tx(inputs=[Input(parent.txid_le)], outputs=TWO)) == BOTH


def test_a_coinbase_with_two_outputs_does_not_count() -> None:
    assert len(coinbase().outputs) == 2
    assert amounts() == []
