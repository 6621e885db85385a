"""Numbers read at many positions at once are those that are read one by one."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.blocks.numbers_at import NumbersAt
from app.domain.blocks.transaction import read_size
from tests.fakes.blocks import compact

# A block begins and ends with other things.
HEADER, LOCK_TIME = bytes(80), b"\xff" * 4

SIZES = st.one_of(st.integers(0, 0xFF), st.integers(0xFD, 0x1_0001), st.integers(0, 4_000_000))


@given(st.lists(SIZES, min_size=1, max_size=20))
@example([0xFC, 0xFD, 0xFFFF, 0x1_0000, 4_000_000])
def test_sizes_of_every_width_are_read(sizes: list[int]) -> None:
    written = [compact(size) for size in sizes]
    raw = HEADER + b"".join(written) + LOCK_TIME
    at = np.array(list(accumulate(map(len, written[:-1]), initial=len(HEADER))))
    found, after = NumbersAt(raw).sizes(at)
    assert found.tolist() == sizes
    assert list(zip(found.tolist(), after.tolist(), strict=True)) == [read_size(raw, each) for each in at.tolist()]


@given(st.binary(min_size=8, max_size=40))
def test_a_number_begins_at_every_byte_that_has_room_for_it(raw: bytes) -> None:
    numbers = NumbersAt(raw)
    for found, size in ((numbers.byte, 1), (numbers.uint16, 2), (numbers.uint32, 4), (numbers.uint64, 8)):
        expected = [int.from_bytes(raw[at : at + size], "little") for at in range(len(raw) - size + 1)]
        assert found.tolist() == expected
