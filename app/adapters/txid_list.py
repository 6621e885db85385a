"""A list of hundreds of thousands of txids in JSON, read without making a text of each."""

from __future__ import annotations

from binascii import unhexlify
from typing import TYPE_CHECKING

from app.services.block_source import NodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import msgspec

# A txid in hexadecimal, its quotes and what follows it, as bitcoind writes them: without spaces.
_HEX, _TXID, _ITEM = 64, 32, 67
_ITEMS_AT_ONCE = 1000


class TxidList:
    """The txids of a JSON list; refuses with NodeError what is not one."""

    def __init__(self, json: msgspec.Raw) -> None:
        self._json = memoryview(json)
        self._count, rest = divmod(len(self._json) - len("["), _ITEM)
        ends = bytes(self._json[:1]) + bytes(self._json[-1:])
        if ends != b"[]" or rest not in (0, len("]")) or (rest and self._count):
            raise _not_txids()

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        """Give 32 bytes in display order each; NodeError may come at any of them."""
        for first in range(0, self._count, _ITEMS_AT_ONCE):
            last = min(first + _ITEMS_AT_ONCE, self._count)
            items = bytes(self._json[1 + first * _ITEM : 1 + last * _ITEM])
            txids = _txids(items, is_end=last == self._count)
            yield from (txids[at : at + _TXID] for at in range(0, len(txids), _TXID))


def _txids(items: bytes, *, is_end: bool) -> bytes:
    """Return the txids of some items, one after the other."""
    count = len(items) // _ITEM
    separators = b"," * (count - 1) + (b"]" if is_end else b",")
    quotes = b'"' * count
    if (items[0::_ITEM], items[_HEX + 1 :: _ITEM], items[_HEX + 2 :: _ITEM]) != (quotes, quotes, separators):
        raise _not_txids()
    try:
        txids = unhexlify(items.translate(None, b'",]'))
    except ValueError:
        raise _not_txids() from None
    if len(txids) != count * _TXID:
        raise _not_txids()
    return txids


def _not_txids() -> NodeError:
    return NodeError("the node gave something else than a list of txids; is BITCOIN_RPC_URL right?")
