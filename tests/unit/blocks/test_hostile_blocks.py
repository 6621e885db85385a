"""Blocks made to hurt: whatever the bytes, one error, little memory, and an end."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.blocks.block import MAX_BLOCK_BYTES, read_block
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.blocks.transaction import read_transaction
from app.domain.price.extract import extract_block
from tests.fakes.blocks import Input, Tx, block, coinbase, compact, segwit_block

SCRIPT_BYTES = 10_000_000

WITH_EVERYTHING = segwit_block(
    (
        Tx(inputs=(Input(script=b"\x00" * 260, witness=(b"a" * 300, b"", b"b")), Input(b"\x22" * 32))),
        Tx(outputs=tuple((value, b"\x51" * (value % 5)) for value in range(260))),
        Tx(inputs=tuple(Input(index=each, witness=(b"w" * each,)) for each in range(1, 5))),
        Tx(inputs=(Input(b"\x33" * 32),), outputs=((2**64 - 1, b""), (0, b"\x6a"))),
    )
)

# What a size may begin with, and sizes that lie at the edge of something.
SIZES = st.sampled_from(
    [
        b"\x00",
        b"\xfc",
        b"\xfd",
        b"\xfd\x00\x00",
        b"\xfd\xff\xff",
        b"\xfe\xff\xff\xff\xff",
        b"\xff" * 9,
        b"\xff" + bytes(8),
    ]
)


def refused_in_little_memory(raw: bytes, bound_bytes: int = 200_000) -> None:
    tracemalloc.start()
    with pytest.raises(MalformedBlockError):
        read_block(raw)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < bound_bytes


def read_if_sound(raw: bytes) -> None:
    try:
        found = read_block(raw)
    except MalformedBlockError:
        return
    extract_block(found, 1)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_block_with_sizes_overwritten_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(WITH_EVERYTHING)
    for _ in range(data.draw(st.integers(1, 4))):
        at, size = data.draw(st.integers(80, len(raw) - 1)), data.draw(SIZES)
        raw[at : at + len(size)] = size
    read_if_sound(bytes(raw))


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_block_with_pieces_cut_out_doubled_or_moved_is_read_or_refused(data: st.DataObject) -> None:
    raw = WITH_EVERYTHING
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(80, len(raw)))
        end = data.draw(st.integers(start, min(len(raw), start + 400)))
        to = data.draw(st.integers(80, len(raw)))
        raw = data.draw(st.sampled_from([raw[:start] + raw[end:], raw[:to] + raw[start:end] + raw[to:]]))
    read_if_sound(raw)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300), st.integers(1, 300))
def test_random_bytes_after_a_header_end_in_the_one_error(body: bytes, count: int) -> None:
    with pytest.raises(MalformedBlockError):
        read_block(bytes(80) + compact(count) + body)


@pytest.mark.parametrize("place", ["input", "output", "witness"])
def test_a_script_of_ten_megabytes_is_refused_before_it_is_looked_at(place: str) -> None:
    script = bytes(SCRIPT_BYTES)
    transaction = {
        "input": Tx(inputs=(Input(script=script),)),
        "output": Tx(outputs=((1, script), (2, b""))),
        "witness": Tx(inputs=(Input(witness=(script,)),)),
    }[place]
    refused_in_little_memory(block((coinbase(), transaction)))


@pytest.mark.parametrize("place", ["input", "output"])
def test_a_script_that_says_it_has_ten_megabytes_and_is_cut_off_is_refused(place: str) -> None:
    transaction = {
        "input": Tx(inputs=(Input(script=bytes(SCRIPT_BYTES)),)),
        "output": Tx(outputs=((1, bytes(SCRIPT_BYTES)), (2, b""))),
    }[place]
    refused_in_little_memory(block((coinbase(), transaction))[:1_000_000])


def test_reading_a_transaction_with_a_script_of_ten_megabytes_copies_it_no_more_than_once() -> None:
    raw = Tx(outputs=((1, bytes(SCRIPT_BYTES)), (2, b""))).raw
    tracemalloc.start()
    end = read_transaction(raw, 0).end
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert end == len(raw)
    assert peak_bytes < SCRIPT_BYTES * 1.1


def test_the_largest_script_that_fits_into_a_block_is_read() -> None:
    raw = block((coinbase(), Tx(outputs=((1, bytes(MAX_BLOCK_BYTES - 300)), (2_000, b"")))))
    assert len(raw) <= MAX_BLOCK_BYTES
    assert len(extract_block(read_block(raw), 1).values_sat) == 1


def test_a_block_full_of_empty_witness_items_is_refused_in_the_end() -> None:
    items = MAX_BLOCK_BYTES - 500
    transaction = b"\x02\x00\x00\x00\x00\x01\x01" + bytes(36) + b"\x00" + b"\xff" * 4 + b"\x01" + bytes(9)
    raw = WITH_EVERYTHING[:80] + b"\x01" + transaction + compact(items) + bytes(items + 4)
    assert len(raw) <= MAX_BLOCK_BYTES
    refused_in_little_memory(raw, 10_000_000)


def test_a_block_full_of_the_smallest_transactions_is_refused_in_bounded_memory() -> None:
    smallest = Tx(outputs=((0, b""),)).raw
    count = (MAX_BLOCK_BYTES - 1_000) // len(smallest)
    refused_in_little_memory(WITH_EVERYTHING[:80] + compact(count) + smallest * count, 60_000_000)
