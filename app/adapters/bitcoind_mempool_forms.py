"""What bitcoind says of its mempool and of coins, as narrow as we use it, and what we make of it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from app.domain.whales.prevout import Prevout
from app.services.block_source import NodeError
from app.services.whales.mempool_node import BlockPlace, Entry, Mined, Template

_SAT_PER_BTC = 100_000_000
_WEIGHT_PER_VB = 4
_TXID_BYTES = 32
_ABOVE_GENESIS = "0" * 64

Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
# Of a header there are four bytes; whatever is in them, a date can be made of it.
_UnixTime = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
_Size = Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
_Hash = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
# A float holds every amount of satoshis that can exist so closely that rounding gives it back.
_Btc = Annotated[float, msgspec.Meta(ge=0, le=21_000_000)]
# With what an operator added by `prioritisetransaction`, or took away.
_ModifiedBtc = Annotated[float, msgspec.Meta(ge=-21_000_000, le=21_000_000)]


class MempoolInfo(msgspec.Struct, frozen=True):
    """Of `getmempoolinfo` whether the mempool has been read from disk, and what changes with each of its changes."""

    loaded: bool
    size: int
    bytes: int
    total_fee: float


class Notification(msgspec.Struct):
    """One of `getzmqnotifications`."""

    type: str
    address: str


class MempoolContent(msgspec.Struct):
    """`getrawmempool false true`, its list of txids as it was sent."""

    txids: msgspec.Raw
    mempool_sequence: Count


class _Fees(msgspec.Struct):
    base: _Btc
    ancestor: _ModifiedBtc
    # Of nodes with a cluster mempool, with the weight outside.
    chunk: _ModifiedBtc | None = None


class MempoolEntry(msgspec.Struct):
    """`getmempoolentry`."""

    vsize: _Size
    time: _UnixTime
    ancestorsize: _Size
    fees: _Fees
    depends: list[str]
    chunkweight: _Size | None = None

    def entry(self) -> Entry:
        """Return it with exact amounts; raise NodeError when its parents are none."""
        fee_sat, ancestor_fee_sat = sat_of(self.fees.base), sat_of(self.fees.ancestor)
        if self.fees.chunk is not None and self.chunkweight is not None:
            feerate = sat_of(self.fees.chunk) * _WEIGHT_PER_VB / self.chunkweight
        else:
            feerate = min(fee_sat / self.vsize, ancestor_fee_sat / self.ancestorsize)
        return Entry(
            fee_sat=fee_sat,
            vsize_vb=self.vsize,
            ancestor_fee_sat=ancestor_fee_sat,
            ancestor_vsize_vb=self.ancestorsize,
            effective_feerate_sat_vb=max(0.0, feerate),
            depends=tuple(txid_of(each) for each in self.depends),
            time=self.time,
        )


class _Script(msgspec.Struct):
    hex: str


class Coin(msgspec.Struct):
    """`gettxout`, or the `prevout` of an input."""

    value: _Btc
    scriptPubKey: _Script  # noqa: N815 - bitcoind's name

    def prevout(self) -> Prevout:
        """Return it with an exact amount."""
        return Prevout(sat_of(self.value), bytes_of(self.scriptPubKey.hex))


class _Input(msgspec.Struct):
    prevout: Coin | None = None


class MinedTransaction(msgspec.Struct):
    """`getrawtransaction txid 2 blockhash`."""

    vin: list[_Input]
    fee: _Btc | None = None

    def mined(self) -> Mined | None:
        """Return what it paid and spent; None when the node has no undo data for it, or it is a coinbase."""
        prevouts = [each.prevout.prevout() for each in self.vin if each.prevout is not None]
        if self.fee is None or len(prevouts) != len(self.vin):
            return None
        return Mined(sat_of(self.fee), prevouts)


class BlockHeader(msgspec.Struct):
    """`getblockheader`."""

    hash: _Hash
    height: Count
    time: _UnixTime
    confirmations: Annotated[int, msgspec.Meta(ge=-1, lt=2**53)]
    previousblockhash: _Hash = _ABOVE_GENESIS

    def place(self) -> BlockPlace:
        """Return where it stands."""
        return BlockPlace(self.hash, self.height, self.previousblockhash, self.time, self.confirmations)


class _Mineable(msgspec.Struct):
    txid: _Hash


class BlockTemplate(msgspec.Struct):
    """`getblocktemplate`."""

    transactions: list[_Mineable]
    previousblockhash: _Hash

    def template(self) -> Template:
        """Return which transactions it holds."""
        return Template(frozenset(each.txid for each in self.transactions), self.previousblockhash)


def sat_of(btc: float) -> int:
    """Return the satoshis of an amount in bitcoin; exact up to 21 million bitcoin with 8 decimals."""
    return round(btc * _SAT_PER_BTC)


def txid_of(text: str) -> bytes:
    """Return 32 bytes in display order; raise NodeError when it is no txid."""
    txid = bytes_of(text)
    if len(txid) != _TXID_BYTES:
        raise NodeError("the node gave something else than a txid")
    return txid


def bytes_of(text: str) -> bytes:
    """Return the bytes that hexadecimal says; raise NodeError when it is none."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise NodeError("the node gave something else than hexadecimal") from None
