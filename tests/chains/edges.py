"""Transactions on both sides of every rule about which outputs count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.chains.sums import SAT_PER_BTC
from tests.chains.transactions import Input, Output, Transaction, serialise
from tests.chains.wallets import Wallets

_FIRST, _SECOND = bytes(4), b"\x01\x00\x00\x00"


class Edge(NamedTuple):
    """A transaction, and whether the published method uses its outputs."""

    label: str
    is_kept: bool
    transaction: Transaction


def edge_transactions(wallets: Wallets, price_usd: float) -> list[Edge]:
    """Return them all, in an order in which they may stand in a block; the price is in USD per BTC."""
    edges = _Edges(wallets, price_usd)
    _counts(edges)
    _witnesses(edges)
    _scripts(edges)
    _values(edges)
    _serialisations(edges)
    _families(edges)
    return edges.made


class _Edges:
    """Collects edge transactions, and makes the parts that they have in common."""

    def __init__(self, wallets: Wallets, price_usd: float) -> None:
        self.made: list[Edge] = []
        self.some = wallets.random_bytes
        self.pay_sat = int(100 / price_usd * SAT_PER_BTC)
        self.change_sat = int(37.31 / price_usd * SAT_PER_BTC)

    def kept(
        self, label: str, inputs: Sequence[Input], outputs: Sequence[Output], version: int = 2, locktime: int = 0
    ) -> Transaction:
        transaction = serialise(inputs, outputs, version=version, locktime=locktime)
        self.made.append(Edge(label, is_kept=True, transaction=transaction))
        return transaction

    def dropped(self, label: str, inputs: Sequence[Input], outputs: Sequence[Output]) -> Transaction:
        transaction = serialise(inputs, outputs)
        self.made.append(Edge(label, is_kept=False, transaction=transaction))
        return transaction

    def outpoint(self) -> bytes:
        return self.some(32) + _FIRST

    def keys(self, count: int = 1) -> list[Input]:
        return [self.witness(72, 33) for _ in range(count)]

    def witness(self, *sizes: int) -> Input:
        return self.outpoint(), b"", [self.some(size) for size in sizes]

    def bare(self) -> Input:
        return self.outpoint(), self.some(107), []

    def spend(self, parent: Transaction, index: bytes = _FIRST) -> Input:
        return parent.txid_le + index, b"", [self.some(64)]

    def output(self, value_sat: int) -> Output:
        return value_sat, b"\x00\x14" + self.some(20)

    def pay(self) -> Output:
        return self.output(self.pay_sat)

    def two(self) -> list[Output]:
        return [self.pay(), self.output(self.change_sat)]

    def one(self) -> list[Output]:
        # The second is drawn and left out, which belongs to the bytes.
        return self.two()[:1]


def _counts(e: _Edges) -> None:
    e.kept("5 inputs", e.keys(5), e.two())
    e.dropped("6 inputs", e.keys(6), e.two())
    e.dropped("1 output", e.keys(), e.one())
    e.dropped("3 outputs", e.keys(), [*e.two(), e.output(5000)])


def _witnesses(e: _Edges) -> None:
    e.kept("witness item 500", [e.witness(500)], e.two())
    e.dropped("witness item 501", [e.witness(501)], e.two())
    e.kept("witness total 500", [e.witness(250, 250)], e.two())
    e.dropped("witness total 501", [e.witness(250, 251)], e.two())
    e.kept("two inputs of 400 witness bytes", [e.witness(400), e.witness(400)], e.two())
    e.dropped("second input over the limit", [e.witness(64), e.witness(300, 300)], e.two())
    e.kept("witness mixed with bare input", [e.bare(), *e.keys()], e.two())


def _scripts(e: _Edges) -> None:
    e.dropped("OP_RETURN first", e.keys(), [(0, b"\x6a\x04" + e.some(4)), e.pay()])
    e.dropped("OP_RETURN second", e.keys(), [e.pay(), (0, b"\x6a\x5d\x03" + e.some(3))])
    e.dropped("bare 0x6a", e.keys(), [e.pay(), (0, b"\x6a")])
    e.kept("0x6a later in script", e.keys(), [(e.pay_sat, b"\x00\x14" + b"\x6a" * 20), e.output(e.change_sat)])
    e.kept("empty script", e.keys(), [(e.pay_sat, b""), e.output(e.change_sat)])


def _values(e: _Edges) -> None:
    e.kept("values 0 and 1000 sats", e.keys(), [e.output(0), e.output(1000)])
    e.kept("values 1001 sats and 1e5 BTC", e.keys(), [e.output(1001), e.output(100_000 * SAT_PER_BTC)])
    e.kept("values 99999 BTC and 10 BTC", e.keys(), [e.output(99_999 * SAT_PER_BTC), e.output(10 * SAT_PER_BTC)])
    for low, high in ((100, 1_000), (10_000, 100_000), (1_000_000, 10_000_000), (100_000_000, 999_999_999)):
        e.kept(f"decades {low} {high}", e.keys(), [e.output(low), e.output(high)])


def _serialisations(e: _Edges) -> None:
    e.kept("script of 300 bytes", e.keys(), [(e.pay_sat, b"\x51" + e.some(299)), e.output(e.change_sat)])
    e.dropped("300 outputs", e.keys(), [e.output(e.pay_sat + each) for each in range(300)])
    e.dropped("260 inputs", e.keys(260), e.two())
    e.dropped("witness item of 70000", [e.witness(70_000)], e.two())
    e.kept("odd version and locktime", e.keys(), e.two(), version=0xFFFFFFFF, locktime=499_999_999)
    e.kept("legacy", [e.bare()], e.two())


def _families(e: _Edges) -> None:
    """Spend inside one block, from parents that count and from parents that other rules drop."""
    single = e.dropped("parent: 1 output", e.keys(), e.one())
    e.dropped("child of a 1-output parent", [e.spend(single)], e.two())
    large = e.dropped("parent: 8 inputs", e.keys(8), e.two())
    e.dropped("child of an 8-input parent", [*e.keys(), e.spend(large, _SECOND)], e.two())
    parent = e.kept("parent: kept", e.keys(), e.two())
    child = e.dropped("child of a kept parent", [e.spend(parent)], e.two())
    e.dropped("grandchild", [e.spend(child)], e.two())
