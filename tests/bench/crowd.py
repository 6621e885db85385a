"""A made-up mempool as large as bitcoind keeps one: no real node is filled with it within minutes."""

from __future__ import annotations

import json
import random
from hashlib import sha256

from tests.bench.recording import Block, Recording, Template

THRESHOLD_SAT = 100 * 100_000_000
_ORDINARY_SAT = 50_000_000
# Two of them make a whale, as nothing is known of what it spends.
_WHALE_SAT = 60 * 100_000_000
_BLOCKS = 26
_TIME = 1_760_000_000
_SCRIPT = bytes.fromhex("160014") + bytes(20)


def crowd(transactions: int, whales: int) -> Recording:
    """Return a node with that many waiting transactions, some of them whales, that publishes nothing."""
    chance = random.Random("a crowd")  # noqa: S311 - not cryptography
    large = set(chance.sample(range(transactions), whales))
    raw: dict[str, bytes] = {}
    entries: dict[str, bytes] = {}
    names: list[str] = []
    for number in range(transactions):
        made = _transaction(number, _WHALE_SAT if number in large else _ORDINARY_SAT)
        txid = sha256(sha256(made).digest()).digest()[::-1].hex()
        raw[txid], entries[txid] = made, _entry(txid, round(10 ** chance.uniform(0, 2), 3))
        if number in large:
            names.append(txid)
    blocks = [_block(height) for height in range(_BLOCKS)]
    template = Template(0.0, json.dumps({"transactions": [], "previousblockhash": blocks[-1].hash}).encode())
    return Recording(
        threshold_sat=THRESHOLD_SAT,
        waiting=list(raw),
        sequence=transactions,
        frames=[],
        raw=raw,
        entries=entries,
        coins={},
        blocks=blocks,
        templates=[template],
        durations={},
        whales=names,
    )


def _transaction(number: int, value_sat: int) -> bytes:
    """Return one of the old form: an input that nobody knows, and two outputs."""
    spent = number.to_bytes(32, "big") + bytes(4) + bytes(1) + b"\xfd\xff\xff\xff"
    output = value_sat.to_bytes(8, "little") + _SCRIPT
    return b"\x02\x00\x00\x00\x01" + spent + b"\x02" + 2 * output + bytes(4)


def _entry(txid: str, feerate_sat_vb: float) -> bytes:
    """Return what bitcoind says of it, as long as bitcoind says it."""
    fee = round(113 * feerate_sat_vb) / 1e8
    said = {
        "vsize": 113,
        "weight": 452,
        "time": _TIME,
        "height": _BLOCKS,
        "descendantcount": 1,
        "descendantsize": 113,
        "ancestorcount": 1,
        "ancestorsize": 113,
        "wtxid": txid,
        "fees": {"base": fee, "modified": fee, "ancestor": fee, "descendant": fee},
        "depends": [],
        "spentby": [],
        "bip125-replaceable": True,
        "unbroadcast": False,
    }
    return json.dumps(said, separators=(",", ":")).encode()


def _block(height: int) -> Block:
    name, before = f"{height + 1:064x}", f"{height:064x}"
    header = {"hash": name, "height": height, "time": _TIME + 600 * height, "confirmations": 1}
    if height:
        header["previousblockhash"] = before
    return Block(name, height, json.dumps(header).encode())
