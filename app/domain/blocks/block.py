"""A whole block, proven against its own header."""

from __future__ import annotations

from typing import NamedTuple

from app.domain.blocks.header import HEADER_BYTES, Header, read_header
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.blocks.merkle import merkle_root
from app.domain.blocks.transaction import INPUT_MIN_BYTES, OUTPUT_MIN_BYTES, Transaction, read_count, read_transaction
from app.domain.blocks.witness import check_witnesses

# No block weighs more than 4,000,000 units, and a byte weighs at least one.
MAX_BLOCK_BYTES = 4_000_000

COINBASE_OUTPOINT = bytes(32) + b"\xff\xff\xff\xff"

# One input, which spends nothing.
_COINBASE_INPUTS_HEAD = b"\x01" + COINBASE_OUTPOINT

_TRANSACTION_MIN_BYTES = 4 + 1 + INPUT_MIN_BYTES + 1 + OUTPUT_MIN_BYTES + 4


class Block(NamedTuple):
    """A block whose transactions and witnesses are those that its header commits to.

    Attributes:
        header: Its header.
        transactions: In the order of the block; the first is the coinbase.
        raw: The bytes in which the parts of transactions are read.
    """

    header: Header
    transactions: list[Transaction]
    raw: bytes


def read_block(raw: bytes) -> Block:
    """Read `raw`, a block as `getblock <hash> 0` and REST's `.bin` give it.

    Raises:
        MalformedBlockError: It is cut off, has bytes left over, or does not fit its merkle root or its witness
            commitment. Nothing else is raised, whatever the bytes.
    """
    if len(raw) > MAX_BLOCK_BYTES:
        raise MalformedBlockError(f"a block has at most {MAX_BLOCK_BYTES} bytes, here are {len(raw)}")
    header = read_header(raw)
    try:
        transactions, end = _read_transactions(raw)
    except IndexError:
        raise MalformedBlockError(f"the block is cut off after {len(raw)} bytes") from None
    if end != len(raw):
        raise MalformedBlockError(f"the block should have {end} bytes and has {len(raw)}")
    if not raw.startswith(_COINBASE_INPUTS_HEAD, transactions[0].inputs_at):
        raise MalformedBlockError("the first transaction is not a coinbase")
    if merkle_root([transaction.txid_le for transaction in transactions]) != header.merkle_root_le:
        raise MalformedBlockError(f"the transactions are not those that header {header.hash} commits to")
    check_witnesses(raw, transactions)
    return Block(header, transactions, raw)


def _read_transactions(raw: bytes) -> tuple[list[Transaction], int]:
    count, at = read_count(raw, HEADER_BYTES, _TRANSACTION_MIN_BYTES)
    if not count:
        raise MalformedBlockError("the block has no transactions")
    transactions = []
    for _ in range(count):
        transaction = read_transaction(raw, at)
        transactions.append(transaction)
        at = transaction.end
    return transactions, at
