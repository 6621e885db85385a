"""The commitment to witnesses: no byte of theirs can be changed, taken away or added."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.blocks.block import read_block
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.blocks.transaction import witness_bytes
from app.domain.blocks.witness import witness_commitment
from tests.fakes.blocks import ZERO, Input, Tx, block, coinbase, segwit_block, segwit_coinbase
from tests.fakes.blocks import witness_commitment as commitment_script
from tests.fakes.published import beside

SIGNATURE = b"\x30" * 72
PAYING = Tx(inputs=(Input(witness=(SIGNATURE, b"\x02" * 33)), Input(b"\x44" * 32)))
OTHER = Tx(inputs=(Input(b"\x45" * 32, witness=(b"\x01" * 64,)),))
HONEST = segwit_block((PAYING, OTHER))

OTHER_SCRIPT = commitment_script([Tx(lock_time=77)])


def with_outputs(*outputs: tuple[int, bytes], reserved: tuple[bytes, ...] = (ZERO,)) -> bytes:
    """Return a block of PAYING and OTHER whose coinbase has these outputs, and this as its witness."""
    first = Tx(inputs=(Input(ZERO, 0xFFFFFFFF, b"\x01\x01", reserved),), outputs=outputs)
    return block((first, PAYING, OTHER))


@pytest.mark.parametrize(
    ("height", "commitment"),
    [
        ("000001", None),
        ("300025", None),
        ("437303", None),
        ("702861", "71bfcc287cd6271682f35f5fba3963861571e0f186899eb0a41a5ebc360a3faa"),
    ],
)
def test_a_real_block_has_its_commitment(height: str, commitment: str | None) -> None:
    raw = beside(f"data/blocks/{height}.raw").read_bytes()
    found = witness_commitment(raw, read_block(raw).transactions[0])
    assert (found.hex() if found else None) == commitment


def test_a_real_block_with_a_bit_of_a_witness_changed_is_refused() -> None:
    raw = bytearray(beside("data/blocks/702861.raw").read_bytes())
    found = read_block(bytes(raw))
    # The last byte of a witness stands before the lock time, the last four of a transaction.
    at = len(raw) - 5
    last = found.transactions[-1]
    assert witness_bytes(found.raw, last.witness_at, last.end)
    raw[at] ^= 1
    with pytest.raises(MalformedBlockError, match="the witnesses are not those"):
        read_block(bytes(raw))


@settings(deadline=None)
@given(st.integers(0, len(SIGNATURE) - 1), st.integers(1, 255))
def test_a_changed_witness_is_refused_though_the_merkle_root_fits(at: int, change: int) -> None:
    changed = bytearray(HONEST)
    changed[HONEST.index(SIGNATURE) + at] ^= change
    with pytest.raises(MalformedBlockError, match="the witnesses are not those that the block commits to"):
        read_block(bytes(changed))


def test_a_block_whose_witnesses_were_all_taken_away_is_refused() -> None:
    transactions = (segwit_coinbase((PAYING, OTHER)), PAYING, OTHER)
    stripped = HONEST[:81] + b"".join(each.stripped for each in transactions)
    with pytest.raises(MalformedBlockError, match="the witnesses are not those"):
        read_block(stripped)


def test_a_block_with_one_witness_taken_away_is_refused() -> None:
    with pytest.raises(MalformedBlockError, match="the witnesses are not those"):
        read_block(HONEST.replace(OTHER.raw, OTHER.stripped))


def test_witnesses_without_a_commitment_are_refused() -> None:
    with pytest.raises(MalformedBlockError, match="does not commit to any"):
        read_block(block((coinbase(), PAYING)))


def test_a_block_without_witnesses_needs_no_commitment() -> None:
    assert read_block(block((coinbase(), Tx())))


def test_a_block_without_witnesses_may_commit_to_having_none() -> None:
    first = Tx(inputs=coinbase().inputs, outputs=((1, b"\x51"), (0, commitment_script([Tx()]))))
    assert read_block(block((first, Tx())))
    with pytest.raises(MalformedBlockError, match="the witnesses are not those"):
        read_block(block((first, Tx(lock_time=1))))


def test_the_last_of_several_commitments_counts() -> None:
    right = commitment_script([PAYING, OTHER])
    assert read_block(with_outputs((0, OTHER_SCRIPT), (0, right)))
    with pytest.raises(MalformedBlockError, match="the witnesses are not those"):
        read_block(with_outputs((0, right), (0, OTHER_SCRIPT)))


def test_what_follows_the_commitment_in_its_script_does_not_matter() -> None:
    assert read_block(with_outputs((0, commitment_script([PAYING, OTHER]) + b"more")))


def test_a_script_that_is_too_short_for_a_commitment_is_none() -> None:
    right = commitment_script([PAYING, OTHER])
    assert read_block(with_outputs((0, right), (0, OTHER_SCRIPT[:-1])))
    with pytest.raises(MalformedBlockError, match="does not commit to any"):
        read_block(with_outputs((0, right[:-1])))


def test_any_reserved_value_of_32_bytes_will_do() -> None:
    reserved = bytes(range(32))
    raw = with_outputs((0, commitment_script([PAYING, OTHER], reserved)), reserved=(reserved,))
    assert read_block(raw)
    with pytest.raises(MalformedBlockError, match="the witnesses are not those"):
        read_block(with_outputs((0, commitment_script([PAYING, OTHER])), reserved=(reserved,)))


@pytest.mark.parametrize(
    "reserved",
    [(), (b"",), (bytes(31),), (bytes(33),), (ZERO, ZERO), (ZERO, b""), (b"\x20", bytes(31)), (bytes(300),)],
)
def test_a_coinbase_with_another_witness_than_32_bytes_is_refused(reserved: tuple[bytes, ...]) -> None:
    raw = with_outputs((0, commitment_script([PAYING, OTHER])), reserved=reserved)
    with pytest.raises(MalformedBlockError, match="reserved value"):
        read_block(raw)
