"""The proof of work in headers."""

from __future__ import annotations

import pytest

from app.services.block_source import BadBlockError
from app.services.header_work import MAIN_FLOOR_HEIGHT, check_work, least_tip_height
from tests.fakes.blocks import Chain

# The first block of main: difficulty 1.
FIRST = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61"
    "7fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c"
)


def with_bits(bits: int) -> bytes:
    return FIRST[:72] + bits.to_bytes(4, "little") + FIRST[76:]


def test_a_block_that_was_mined_proves_its_work() -> None:
    check_work(FIRST, "main", 0)


def test_a_header_that_was_changed_does_not() -> None:
    with pytest.raises(BadBlockError, match="the header of block 0 does not prove the work that it claims"):
        check_work(FIRST[:79] + b"\x7d", "main", 0)


@pytest.mark.parametrize(
    "bits", [0, 0x1D000000, 0x1D80FFFF, 0x03000001, 0x01010000, 0x21010000, 0x207FFFFF | 0x800000, 0xFF7FFFFF]
)
def test_bits_that_bitcoind_refuses_allow_no_hash(bits: int) -> None:
    with pytest.raises(BadBlockError, match="does not prove"):
        check_work(with_bits(bits), "regtest", 0)


@pytest.mark.parametrize("header", [b"", FIRST[:79], FIRST + b"\x00"])
def test_a_header_has_80_bytes(header: bytes) -> None:
    with pytest.raises(BadBlockError, match="bytes instead of 80"):
        check_work(header, "main", 0)


def test_new_blocks_of_main_prove_far_more_work_than_old_ones() -> None:
    check_work(FIRST, "main", MAIN_FLOOR_HEIGHT - 1)
    check_work(FIRST, "signet", MAIN_FLOOR_HEIGHT)
    with pytest.raises(BadBlockError, match="proves less work than any of main since 840000"):
        check_work(FIRST, "main", MAIN_FLOOR_HEIGHT)
    assert (least_tip_height("main"), least_tip_height("signet")) == (MAIN_FLOOR_HEIGHT, 0)


def test_half_of_all_hashes_are_enough_on_regtest() -> None:
    chain = Chain()
    for tag in range(64):
        chain.extend(tag=tag)
    proven = 0
    for height, raw in chain.blocks.items():
        try:
            check_work(raw[:80], "regtest", height)
            proven += 1
        except BadBlockError:
            pass
    assert 8 < proven < 56
