"""Wallets: scripts of every usual shape, and outputs that are spent again."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Literal

import numpy as np

from tests.chains.random_bytes import RandomBytes
from tests.chains.transactions import Input, Output, Transaction, serialise

Kind = Literal["key", "p2pkh", "p2sh_multisig", "p2wsh_multisig", "reveal"]

DUST_SAT = 546
OP_RETURN = b"\x6a"

_WORTH_REMEMBERING = 4
_ENOUGH_OUTPOINTS, _MOST_OUTPOINTS, _FORGET = 50, 60_000, 20_000


class Wallets:
    """Everybody's wallets; each chance that is handed in is uniform in 0 … 1."""

    def __init__(self, random: np.random.RandomState, same_day: float) -> None:
        self.random_bytes = RandomBytes(random)
        self._same_day = same_day
        self._outpoints: list[bytes] = []

    def input(self, kind: Kind, chance: float) -> Input:
        """Return an input of `kind`: a single key, a multisig, or a reveal of 600 to 8000 bytes."""
        outpoint, some = self._outpoint(chance), self.random_bytes
        variant = chance * 7919.0 % 1.0
        match kind:
            case "key":
                return self._single_key(outpoint, variant)
            case "p2pkh":
                return outpoint, b"\x48" + some(72) + b"\x21" + some(33), ()
            case "p2sh_multisig":
                return outpoint, some(253 + int(variant * 2)), ()
            case "p2wsh_multisig":
                return outpoint, b"", (b"", some(72), some(71), some(105 if variant < 0.6 else 139))
            case "reveal":
                return outpoint, b"", (some(64), some(600 + int(7400 * variant**4)), some(33))

    def inputs(self, kind: Kind, chance: float, count: int) -> list[Input]:
        """Return `count` inputs that differ from each other."""
        return [self.input(kind, spread(chance, each)) for each in range(count)]

    def script(self, chance: float) -> bytes:
        """Return a script to pay to: P2WPKH, P2TR, P2SH, P2PKH or P2WSH."""
        some = self.random_bytes
        if chance < 0.60:
            return b"\x00\x14" + some(20)
        if chance < 0.75:
            return b"\x51\x20" + some(32)
        if chance < 0.87:
            return b"\xa9\x14" + some(20) + b"\x87"
        if chance < 0.97:
            return b"\x76\xa9\x14" + some(20) + b"\x88\xac"
        return b"\x00\x20" + some(32)

    def send(self, inputs: Sequence[Input], outputs: Sequence[Output]) -> Transaction:
        """Return the transaction; later ones may spend its first outputs."""
        transaction = serialise(inputs, outputs)
        for index, (value_sat, script) in enumerate(outputs[:_WORTH_REMEMBERING]):
            if value_sat > DUST_SAT and not script.startswith(OP_RETURN):
                self._outpoints.append(transaction.txid_le + struct.pack("<I", index))
        if len(self._outpoints) > _MOST_OUTPOINTS:
            del self._outpoints[:_FORGET]
        return transaction

    def _outpoint(self, chance: float) -> bytes:
        known = self._outpoints
        if chance < self._same_day and len(known) > _ENOUGH_OUTPOINTS:
            at = int(chance / self._same_day * len(known))
            known[at], known[-1] = known[-1], known[at]
            return known.pop()
        return self.random_bytes(32) + struct.pack("<I", int(chance * 1e6) % 5)

    def _single_key(self, outpoint: bytes, variant: float) -> Input:
        some = self.random_bytes
        if variant < 0.72:
            return outpoint, b"", (some(71 + int(variant * 10) % 2), some(33))
        if variant < 0.88:
            return outpoint, b"", (some(64),)
        return outpoint, b"\x16\x00\x14" + some(20), (some(72), some(33))


def spread(chance: float, each: int) -> float:
    """Return the `each`-th of many chances made from one, evenly spread by the golden ratio."""
    return (chance + each * 0.381966) % 1
