"""The commitment to the witnesses of a block (BIP141): the header's merkle root says nothing about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.blocks.header import double_sha256
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.blocks.merkle import merkle_root
from app.domain.blocks.transaction import LOCK_TIME_BYTES, output_scripts

if TYPE_CHECKING:
    from app.domain.blocks.transaction import Transaction

# OP_RETURN, a push of 36 bytes, and the mark; 32 bytes follow.
COMMITMENT_HEAD = bytes.fromhex("6a24aa21a9ed")

_COMMITMENT_SCRIPT_BYTES = len(COMMITMENT_HEAD) + 32

# The witness of a coinbase: for its one input one item, the reserved value of 32 bytes.
_RESERVED_HEAD = b"\x01\x20"
_RESERVED_WITNESS_BYTES = len(_RESERVED_HEAD) + 32

_NOTHING = bytes(32)


def check_witnesses(raw: bytes, transactions: list[Transaction]) -> None:
    """Refuse witnesses that the coinbase, the first of `transactions`, does not commit to; `raw` is the whole block.

    A block from which every witness was taken away does not fit its commitment either.

    Raises:
        MalformedBlockError: There are witnesses and no commitment, or another one.
    """
    any_witness = any(transaction.wtxid_le != transaction.txid_le for transaction in transactions)
    committed = witness_commitment(raw, transactions[0])
    if committed is None:
        if any_witness:
            raise MalformedBlockError("the block has witnesses and does not commit to any")
        return
    # Before segwit was in force some miners committed to having no witness, with zeros for the reserved value.
    reserved = _reserved_value(raw, transactions[0]) if any_witness else _NOTHING
    root = merkle_root([_NOTHING, *(transaction.wtxid_le for transaction in transactions[1:])])
    if double_sha256(root + reserved) != committed:
        raise MalformedBlockError("the witnesses are not those that the block commits to")


def witness_commitment(raw: bytes, coinbase: Transaction) -> bytes | None:
    """Return the 32 bytes that the last output with a commitment holds; None without such an output."""
    found = None
    for script in output_scripts(raw, coinbase):
        if len(script) >= _COMMITMENT_SCRIPT_BYTES and script.startswith(COMMITMENT_HEAD):
            found = script[len(COMMITMENT_HEAD) : _COMMITMENT_SCRIPT_BYTES]
    return found


def _reserved_value(raw: bytes, coinbase: Transaction) -> bytes:
    witness = raw[coinbase.witness_at : coinbase.end - LOCK_TIME_BYTES]
    if len(witness) != _RESERVED_WITNESS_BYTES or not witness.startswith(_RESERVED_HEAD):
        raise MalformedBlockError("the coinbase does not have the reserved value of 32 bytes as its only witness")
    return witness[len(_RESERVED_HEAD) :]
