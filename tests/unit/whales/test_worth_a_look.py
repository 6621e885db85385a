"""The quick look agrees with the thorough one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.blocks.block import read_block
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.whales.parts import outpoint_bytes, outpoint_of, parts_of, read_parts
from app.domain.whales.worth_a_look import is_worth_a_look
from tests.chains.transactions import Input, Output, serialise

BLOCKS = Path(__file__).parents[3].parent / "shared" / "data" / "blocks"

scripts = st.binary(max_size=300)
inputs = st.lists(
    st.tuples(st.binary(min_size=36, max_size=36), scripts, st.lists(st.binary(max_size=80), max_size=2)),
    min_size=1,
    max_size=4,
)
outputs = st.lists(st.tuples(st.integers(0, 21_000_000 * 100_000_000), scripts), min_size=1, max_size=4)


@given(inputs, outputs, st.integers(1, 2**53))
def test_what_pays_out_so_much_is_worth_a_look_and_nothing_else(
    spends: Sequence[Input], pays: Sequence[Output], threshold_sat: int
) -> None:
    raw = serialise(spends, pays).raw
    assert is_worth_a_look(raw, threshold_sat, ()) == (read_parts(raw).value_sat >= threshold_sat)


@given(inputs, outputs, st.data())
def test_what_spends_what_a_followed_one_spends_is_worth_a_look(
    spends: Sequence[Input], pays: Sequence[Output], data: st.DataObject
) -> None:
    raw = serialise(spends, pays).raw
    followed = {data.draw(st.sampled_from([outpoint for outpoint, _, _ in spends]))}
    assert is_worth_a_look(raw, 2**60, followed)
    assert not is_worth_a_look(raw, 2**60, {bytes(36)} - {outpoint for outpoint, _, _ in spends})


@given(inputs, outputs, st.data())
def test_what_is_cut_off_before_its_outputs_end_is_worth_nothing(
    spends: Sequence[Input], pays: Sequence[Output], data: st.DataObject
) -> None:
    raw = serialise([(outpoint, script, []) for outpoint, script, _ in spends], pays).raw
    cut = raw[: data.draw(st.integers(0, len(raw) - 5))]
    with pytest.raises(MalformedBlockError):
        read_parts(cut)
    whole = sum(value for value, _ in pays)
    assert not is_worth_a_look(cut, whole + 1, ())


@given(st.binary(max_size=400))
def test_any_bytes_at_all_are_judged_without_an_error(raw: bytes) -> None:
    assert is_worth_a_look(raw, 1, ()) in {True, False}


@pytest.mark.parametrize("name", ["300025.raw", "437303.raw", "702861.raw"])
def test_it_agrees_with_a_thorough_look_on_every_transaction_of_real_blocks(name: str) -> None:
    block = read_block((BLOCKS / name).read_bytes())
    start = block.transactions[0].end
    worth = 0
    for transaction in block.transactions[1:]:
        raw, parts = block.raw[start : transaction.end], parts_of(block.raw, transaction, start)
        start = transaction.end
        for threshold_sat in (1_000_000, 10_000_000_000):
            assert is_worth_a_look(raw, threshold_sat, ()) == (parts.value_sat >= threshold_sat)
        assert is_worth_a_look(raw, 2**62, {parts.spent[-1]})
        assert read_parts(raw) == parts
        worth += parts.value_sat >= 10_000_000_000
    assert 0 < worth < len(block.transactions) / 2


@given(st.binary(min_size=36, max_size=36))
def test_an_outpoint_is_the_same_in_bytes_and_in_words(spent: bytes) -> None:
    assert outpoint_bytes(outpoint_of(spent)) == spent
