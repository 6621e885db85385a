"""A transaction taken apart."""

from __future__ import annotations

import struct

import pytest

from app.domain.blocks.malformed import MalformedBlockError
from app.domain.whales.parts import read_parts
from app.domain.whales.prevout import Prevout
from tests.chains.transactions import serialise
from tests.fakes.blocks import Input, Tx, coinbase

SPENT = bytes(range(36))


def test_it_has_a_txid_inputs_outputs_and_a_size() -> None:
    made = serialise([(SPENT, b"\x51", [bytes(71), bytes(33)])], [(5, b"\x51\x52"), (7, b"")])
    parts = read_parts(made.raw)
    stripped_bytes = len(made.raw) - 2 - 1 - 1 - 71 - 1 - 33
    assert parts.txid == made.txid_le[::-1].hex()
    assert parts.spent == [SPENT]
    assert parts.outputs == [Prevout(5, b"\x51\x52"), Prevout(7, b"")]
    assert parts.value_sat == 12
    assert parts.vsize_vb == -(-(3 * stripped_bytes + len(made.raw)) // 4)
    assert not parts.is_coinbase


def test_without_a_witness_its_virtual_size_is_its_size() -> None:
    raw = Tx().raw
    assert read_parts(raw).vsize_vb == len(raw)


@pytest.mark.parametrize(
    ("sequence", "is_rbf"), [(0xFFFFFFFF, False), (0xFFFFFFFE, False), (0xFFFFFFFD, True), (0, True)]
)
def test_it_signals_by_the_sequence_of_any_input_that_it_may_be_replaced(sequence: int, *, is_rbf: bool) -> None:
    raw = Tx(inputs=(Input(index=1), Input(index=2))).raw
    second_ends = raw.index(b"\x02", raw.index(b"\x01\x00\x00\x00") + 40) + 4 + 1 + 4
    changed = raw[: second_ends - 4] + struct.pack("<I", sequence) + raw[second_ends:]
    assert read_parts(changed).is_rbf == is_rbf


def test_a_coinbase_is_one() -> None:
    assert read_parts(coinbase(7).raw).is_coinbase


@pytest.mark.parametrize("raw", [b"", b"\x02", Tx().raw[:-1], Tx().raw + b"\x00", bytes(60)])
def test_what_is_no_transaction_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedBlockError):
        read_parts(raw)
