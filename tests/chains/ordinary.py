"""Ordinary transactions: payments with change, and everything else that fills blocks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tests.chains.config import Config
from tests.chains.sums import Lot, any_sum_sat, payment_sat, round_btc_sat
from tests.chains.transactions import Input, Output, Transaction, size_prefix
from tests.chains.wallets import DUST_SAT, OP_RETURN, Wallets, spread

_DUST_TAPROOT_SAT = 330
_TAPROOT = 0.7


class Ordinary(NamedTuple):
    """A transaction, and whether its payment is a round sum of USD."""

    transaction: Transaction
    pays_round_usd: bool


def ordinary(wallets: Wallets, kind: str, lot: Lot, config: Config) -> Ordinary:
    """Make a transaction of a kind of `KINDS`."""
    if kind in _PAYING:
        return _payment(wallets, kind, lot, config)
    return Ordinary(_OTHERS[kind](wallets, lot), pays_round_usd=False)


def _payment(wallets: Wallets, kind: str, lot: Lot, config: Config) -> Ordinary:
    sat, is_round_usd = payment_sat(lot, config)
    inputs = _PAYING[kind](wallets, lot)
    if kind == "channel" and lot.shape < 0.5:
        sat, is_round_usd = round_btc_sat(lot), False
    outputs = [
        (sat, wallets.script(lot.payee)),
        (any_sum_sat(lot.price_usd, lot.change_normal), wallets.script(lot.change)),
    ]
    if lot.order < 0.5:
        outputs.reverse()
    return Ordinary(wallets.send(inputs, outputs), is_round_usd)


def _few_keys(wallets: Wallets, lot: Lot) -> list[Input]:
    return wallets.inputs("key", lot.source, 1 if lot.shape < 0.7 else 2 if lot.shape < 0.9 else 3)


def _many_keys(wallets: Wallets, lot: Lot) -> list[Input]:
    return wallets.inputs("key", lot.source, 4 + int(lot.shape * 5))


def _legacy(wallets: Wallets, lot: Lot) -> list[Input]:
    return wallets.inputs("p2pkh", lot.source, 1 + (lot.shape > 0.75))


def _multisig(wallets: Wallets, lot: Lot) -> list[Input]:
    return [wallets.input("p2sh_multisig" if lot.shape < 0.4 else "p2wsh_multisig", lot.source)]


def _channel(wallets: Wallets, lot: Lot) -> list[Input]:
    return [wallets.input("p2wsh_multisig", lot.source)]


def _sweep(wallets: Wallets, lot: Lot) -> Transaction:
    return wallets.send([wallets.input("key", lot.source)], [_to_payee(wallets, lot)])


def _consolidation(wallets: Wallets, lot: Lot) -> Transaction:
    inputs = wallets.inputs("p2pkh" if lot.shape < 0.3 else "key", lot.source, 10 + int(50 * lot.size))
    value_sat, script = _to_payee(wallets, lot)
    return wallets.send(inputs, [(value_sat * 20, script)])


def _batch(wallets: Wallets, lot: Lot) -> Transaction:
    outputs = [
        (
            any_sum_sat(lot.price_usd, math.sin(each * 1.7 + 9 * lot.detail), sigma=1.9, least_sat=DUST_SAT),
            wallets.script(spread(lot.payee, each)),
        )
        for each in range(3 + int(117 * lot.size**3))
    ]
    return wallets.send(wallets.inputs("key", lot.source, 1 + int(3 * lot.shape)), outputs)


def _data_carrier(wallets: Wallets, lot: Lot) -> Transaction:
    size = 8 + int(60 * lot.size)
    data = OP_RETURN + size_prefix(size) + wallets.random_bytes(size)
    outputs = [(0, data), (DUST_SAT, wallets.script(_TAPROOT))]
    if lot.detail < 0.6:
        outputs.append(_to_payee(wallets, lot))
    if lot.shape < 0.5:
        outputs.reverse()
    return wallets.send([wallets.input("key", lot.source)], outputs)


def _inscription(wallets: Wallets, lot: Lot) -> Transaction:
    value_sat = DUST_SAT if lot.size < 0.5 else _DUST_TAPROOT_SAT if lot.size < 0.8 else 10_000
    outputs = [(value_sat, wallets.script(_TAPROOT))]
    if lot.detail < 0.3:
        outputs.append(_to_payee(wallets, lot))
    return wallets.send([wallets.input("reveal", lot.source)], outputs)


def _to_payee(wallets: Wallets, lot: Lot) -> Output:
    return (any_sum_sat(lot.price_usd, lot.payee_normal), wallets.script(lot.payee))


_PAYING: dict[str, Callable[[Wallets, Lot], list[Input]]] = {
    "payment": _few_keys,
    "payment of many inputs": _many_keys,
    "legacy": _legacy,
    "multisig": _multisig,
    "channel": _channel,
}
_OTHERS: dict[str, Callable[[Wallets, Lot], Transaction]] = {
    "sweep": _sweep,
    "consolidation": _consolidation,
    "batch": _batch,
    "data carrier": _data_carrier,
    "inscription": _inscription,
}
# Weights; the order belongs to the bytes.
_WEIGHTS = {
    "payment": 0.330,
    "payment of many inputs": 0.030,
    "legacy": 0.050,
    "multisig": 0.040,
    "sweep": 0.190,
    "consolidation": 0.020,
    "batch": 0.070,
    "data carrier": 0.170,
    "inscription": 0.090,
    "channel": 0.030,
}
KINDS = tuple(_WEIGHTS)
SHARES = np.array(list(_WEIGHTS.values())) / np.array(list(_WEIGHTS.values())).sum()
