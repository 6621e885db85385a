"""What an input spends."""

from __future__ import annotations

from typing import NamedTuple


class Outpoint(NamedTuple):
    """An output of a transaction, by which an input names what it spends."""

    txid: str
    vout: int


class Prevout(NamedTuple):
    """The output that an input spends, or any other."""

    value_sat: int
    script: bytes
