"""The parts of a transaction, read field by field from where the application says that they are."""

from __future__ import annotations

from io import BytesIO

from app.domain.blocks.transaction import Transaction


def outpoints(raw: bytes, transaction: Transaction) -> list[bytes]:
    """Return for each input the 36 bytes of the output it spends: txid and index, little-endian."""
    stream = BytesIO(raw[transaction.inputs_at : transaction.outputs_at])
    found = []
    for _ in range(_size(stream)):
        found.append(stream.read(36))
        stream.read(_size(stream))
        stream.read(4)
    assert stream.read() == b""
    return found


def outputs(raw: bytes, transaction: Transaction) -> list[tuple[int, bytes]]:
    """Return value in satoshi and script of each output."""
    stream = BytesIO(raw[transaction.outputs_at : transaction.witness_at])
    found = []
    for _ in range(_size(stream)):
        value_sat = int.from_bytes(stream.read(8), "little")
        found.append((value_sat, stream.read(_size(stream))))
    assert stream.read() == b""
    return found


def witness(raw: bytes, transaction: Transaction) -> list[list[bytes]]:
    """Return for each input its witness items; without a witness there is none for any."""
    stream = BytesIO(raw[transaction.witness_at : transaction.end - 4])
    inputs = len(outpoints(raw, transaction)) if stream.getvalue() else 0
    found = [[stream.read(_size(stream)) for _ in range(_size(stream))] for _ in range(inputs)]
    assert stream.read() == b""
    return found


def _size(stream: BytesIO) -> int:
    first = stream.read(1)[0]
    return first if first < 0xFD else int.from_bytes(stream.read({0xFD: 2, 0xFE: 4, 0xFF: 8}[first]), "little")
