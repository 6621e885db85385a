"""The block parser, on real blocks, on hand-made ones, and on bytes that are none."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.blocks.block import MAX_BLOCK_BYTES, read_block
from app.domain.blocks.header import read_header
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.blocks.merkle import merkle_root
from app.domain.blocks.transaction import output_scripts, witness_bytes
from tests.fakes.blocks import Input, Tx, block, coinbase, compact, segwit_block
from tests.fakes.parts import outpoints, outputs, witness
from tests.fakes.published import beside

REAL = {
    # height: (hash, merkle root, transactions, txid of the last)
    "000001": (
        "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048",
        "0e3e2357e806b6cdb1f70b54c3a3a17b6714ee1f0e68bebb44a74b1efd512098",
        1,
        "0e3e2357e806b6cdb1f70b54c3a3a17b6714ee1f0e68bebb44a74b1efd512098",
    ),
    "300025": (
        "0000000000000000821c4e0acc40f88bedbce3b73ba2358b5ade58a9022cc78c",
        "af193f375fc1aeede6d781c0a563c1a66b4f69723d558438ba80f45ad3c1be28",
        461,
        None,
    ),
    "437303": (
        "000000000000000002d249a3d89f63ef3fee203adcca7c24008c13fd854513f2",
        "7993435d51db207680f2e6c522a4e351aa31bd0571ff9c39766d844877713979",
        1652,
        None,
    ),
    "702861": (
        "000000000000000000000c835b2adcaedc20fdf6ee440009c249452c726dafae",
        "407d72768cec1a244b7599af79f554055c72d6b2356c890f8c25abf797679022",
        2500,
        None,
    ),
}

SMALL = segwit_block(
    (
        Tx(),
        Tx(
            inputs=(Input(index=3, script=b"\x16" + bytes(22), witness=(b"\x30" * 72, b"\x02" * 33)), Input()),
            outputs=((1, b""), (2, b"\x6a\x01\x01"), (3, b"\x51" * 300)),
        ),
    )
)


@pytest.mark.parametrize("height", REAL)
def test_a_real_block_fits_its_merkle_root(height: str) -> None:
    raw = beside(f"data/blocks/{height}.raw").read_bytes()
    expected_hash, merkle_root_hex, transactions, last_txid = REAL[height]
    found = read_block(raw)
    assert found.header.hash == expected_hash
    assert found.header.merkle_root_le[::-1].hex() == merkle_root_hex
    assert len(found.transactions) == transactions
    if last_txid is not None:
        assert found.transactions[-1].txid_le[::-1].hex() == last_txid


@pytest.mark.parametrize("height", REAL)
def test_a_real_block_with_one_bit_changed_is_refused(height: str) -> None:
    raw = bytearray(beside(f"data/blocks/{height}.raw").read_bytes())
    raw[-1] ^= 1
    with pytest.raises(MalformedBlockError):
        read_block(bytes(raw))


def test_everything_asked_for_is_read() -> None:
    spent = b"\x77" * 32
    paying = Tx(
        inputs=(Input(spent, 5, b"\x00" * 260, (b"a" * 300, b"", b"b")), Input(b"\x78" * 32)),
        outputs=((2_100_000_000_000_000, b"\x51" * 253), (0, b"")),
    )
    raw = segwit_block((paying,), previous_le=b"\xab" + bytes(31), time=1_700_000_000)
    found = read_block(raw)
    assert found.header.previous_hash == "00" * 31 + "ab"
    assert found.header.time == 1_700_000_000
    transaction = found.transactions[1]
    assert transaction.txid_le == paying.txid_le
    assert outpoints(raw, transaction) == [spent + b"\x05\x00\x00\x00", b"\x78" * 32 + bytes(4)]
    assert outputs(raw, transaction) == [(2_100_000_000_000_000, b"\x51" * 253), (0, b"")]
    assert list(output_scripts(raw, transaction)) == [b"\x51" * 253, b""]
    assert witness(raw, transaction) == [[b"a" * 300, b"", b"b"], []]
    assert witness_bytes(raw, transaction.witness_at, transaction.end) == [301, 0]
    assert transaction.wtxid_le == paying.wtxid_le


def test_a_transaction_without_witness_has_no_witness_bytes() -> None:
    raw = block((coinbase(), Tx()))
    transaction = read_block(raw).transactions[1]
    assert witness_bytes(raw, transaction.witness_at, transaction.end) == []
    assert transaction.wtxid_le == transaction.txid_le


@settings(deadline=None)
@given(st.integers(0, len(SMALL) - 1))
def test_a_block_cut_off_anywhere_is_refused(size: int) -> None:
    with pytest.raises(MalformedBlockError):
        read_block(SMALL[:size])


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=100))
def test_a_block_with_bytes_left_over_is_refused(rest: bytes) -> None:
    with pytest.raises(MalformedBlockError):
        read_block(SMALL + rest)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_end_in_the_one_error(raw: bytes) -> None:
    with pytest.raises(MalformedBlockError):
        read_block(raw)


@settings(deadline=None)
@given(st.integers(80, len(SMALL) - 1), st.binary(min_size=1, max_size=9))
def test_a_block_overwritten_anywhere_is_the_same_or_refused(at: int, patch: bytes) -> None:
    raw = SMALL[:at] + patch + SMALL[at + len(patch) :]
    try:
        found = read_block(raw)
    except MalformedBlockError:
        return
    # Only the witness of the coinbase has more than one right form, and only its reserved value counts.
    assert found.transactions == read_block(SMALL).transactions


@pytest.mark.parametrize("announced", [b"\xfd\xff\xff", b"\xfe\xff\xff\xff\xff", b"\xff" * 9])
@pytest.mark.parametrize("where", ["transactions", "inputs", "script", "outputs", "witness items", "witness item"])
def test_a_huge_count_or_length_is_refused_without_allocating(announced: bytes, where: str) -> None:
    head = SMALL[:80]
    version = b"\x02\x00\x00\x00"
    spent = bytes(36)
    raw = {
        "transactions": head + announced,
        "inputs": head + b"\x01" + version + announced,
        "script": head + b"\x01" + version + b"\x01" + spent + announced,
        "outputs": head + b"\x01" + version + b"\x01" + spent + b"\x00" + b"\xff" * 4 + announced,
        "witness items": head + b"\x01" + version + b"\x00\x01\x01" + spent + b"\x00" + b"\xff" * 4 + b"\x01"
        + bytes(9) + announced,
        "witness item": head + b"\x01" + version + b"\x00\x01\x01" + spent + b"\x00" + b"\xff" * 4 + b"\x01"
        + bytes(9) + b"\x01" + announced,
    }[where]  # fmt: skip
    raw += bytes(200)
    is_count = where not in {"script", "witness item"}
    tracemalloc.start()
    with pytest.raises(MalformedBlockError, match="do not fit" if is_count else "cut off|should have"):
        read_block(raw)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 100_000


def test_a_block_larger_than_consensus_allows_is_refused() -> None:
    with pytest.raises(MalformedBlockError, match="at most 4000000 bytes"):
        read_block(bytes(MAX_BLOCK_BYTES + 1))


@pytest.mark.parametrize(
    ("transaction", "reason"),
    [
        (b"\x02\0\0\0\x00\x00" + bytes(60), "unknown flag"),
        (b"\x02\0\0\0\x00\x02" + bytes(60), "unknown flag"),
        (b"\x02\0\0\0\x00\x01\x00" + bytes(60), "no inputs"),
        (b"\x02\0\0\0\x01" + bytes(36) + b"\x00" + bytes(4) + b"\x00" + bytes(60), "no outputs"),
        (b"\x02\0\0\0\xfd\x01\x00" + bytes(100), "shortest form"),
    ],
)
def test_what_bitcoind_would_not_decode_is_refused(transaction: bytes, reason: str) -> None:
    with pytest.raises(MalformedBlockError, match=reason):
        read_block(SMALL[:80] + b"\x01" + transaction)


def test_a_witness_that_is_announced_and_missing_is_refused() -> None:
    plain = coinbase()
    raw = plain.raw[:4] + b"\x00\x01" + plain.raw[4:-4] + b"\x00" + plain.raw[-4:]
    with pytest.raises(MalformedBlockError, match="announces a witness and has none"):
        read_block(block((plain,))[:81] + raw)


def test_a_block_without_a_coinbase_is_refused() -> None:
    with pytest.raises(MalformedBlockError, match="not a coinbase"):
        read_block(block((Tx(), Tx(lock_time=1))))


def test_a_block_with_other_transactions_than_its_header_says_is_refused() -> None:
    theirs, ours = block((coinbase(), Tx())), block((coinbase(), Tx(lock_time=1)))
    with pytest.raises(MalformedBlockError, match="commits to"):
        read_block(theirs[:80] + ours[80:])


def test_transactions_repeated_to_the_same_merkle_root_are_refused() -> None:
    transactions = (coinbase(), Tx(), Tx(lock_time=1))
    honest = block(transactions)
    assert read_block(honest)
    repeated = honest[:80] + compact(4) + honest[81:] + transactions[-1].raw
    with pytest.raises(MalformedBlockError, match="repeated"):
        read_block(repeated)


@settings(deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20, unique=True))
def test_a_merkle_root_depends_on_every_hash(hashes: list[bytes]) -> None:
    root = merkle_root(hashes)
    for at in range(len(hashes)):
        changed = [*hashes[:at], bytes(each ^ 1 for each in hashes[at]), *hashes[at + 1 :]]
        if len(set(changed)) == len(changed):
            assert merkle_root(changed) != root


def test_a_short_header_is_refused() -> None:
    with pytest.raises(MalformedBlockError, match="80 bytes"):
        read_header(bytes(79))
