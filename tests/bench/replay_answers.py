"""What the recorded node answers, as far into the recording as it has been replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.bench.recording import RAWTX, Block, Duration, Frame, Recording

_NOT_THERE = b'{"code":-5,"message":"Transaction not in mempool"}'
_NO_METHOD = b'{"code":-32601,"message":"Method not found"}'
_AT_ONCE = Duration(0.0, 0.0)
_TXID_BYTES = 32

Params = Sequence[Any]


class Call(msgspec.Struct):
    """One call of JSON-RPC."""

    method: str
    params: list[Any]
    id: int


class ReplayAnswers:
    """Knows mempool and chain at one moment of the recording.

    Args:
        recording: What is replayed.
        zmq_address: Where, for who asks.

    Attributes:
        asked: How often each method was called.
        unknown: Calls that a detector made and the recorder did not: nothing of the kind in a sound replay.
    """

    def __init__(self, recording: Recording, zmq_address: str) -> None:
        self.asked: Counter[str] = Counter()
        self.unknown: list[str] = []
        self._recording = recording
        self._zmq_address = zmq_address
        self._waiting = dict.fromkeys(recording.waiting)
        self._sequence = recording.sequence
        self._raw = dict(recording.raw)
        self._blocks = {block.hash: block for block in recording.blocks}
        self._by_height = {block.height: block for block in recording.blocks}
        self._tip = max((each for each in recording.blocks if not each.raw), key=lambda each: each.height)
        self._template = recording.templates[0].answer
        self._methods: dict[str, Callable[[Params], bytes | None]] = {
            "getblockchaininfo": self._chain_info,
            "getbestblockhash": lambda _: _json(self._tip.hash),
            "getblockhash": lambda params: self._of_block(self._by_height.get(params[0]), lambda b: _json(b.hash)),
            "getblockheader": lambda params: self._of_block(self._blocks.get(params[0]), _header_of),
            "getblock": lambda params: self._of_block(self._blocks.get(params[0]), lambda b: _json(b.raw.hex())),
            "getblocktemplate": lambda _: self._template,
            "getmempoolentry": self._entry,
            "getmempoolinfo": self._mempool_info,
            "getrawmempool": self._snapshot,
            "getrawtransaction": self._raw_transaction,
            "gettxout": self._coin,
            "getzmqnotifications": self._notifications,
        }

    def hears(self, frame: Frame, txid: str) -> None:
        """Follow a message that is being sent; `txid` names the transaction of `rawtx`, and else nothing."""
        if frame.topic == RAWTX:
            self._raw[txid] = frame.body
            return
        about, letter = frame.body[:_TXID_BYTES].hex(), frame.body[_TXID_BYTES : _TXID_BYTES + 1]
        if letter == b"A":
            self._waiting[about] = None
        elif letter == b"R":
            self._waiting.pop(about, None)
        elif letter == b"C":
            self._tip = self._blocks[about]
            for mined in self._tip.txids:
                self._waiting.pop(mined, None)
        if len(frame.body) > _TXID_BYTES + 1:
            self._sequence = int.from_bytes(frame.body[_TXID_BYTES + 1 :], "little") + 1

    def template_is(self, answer: bytes) -> None:
        """From now on this is the next block."""
        self._template = answer

    def answer(self, request: bytes) -> tuple[bytes, float]:
        """Return the answer to a request of one call or many, and how many seconds the node took for the like."""
        if not request.startswith(b"["):
            call = msgspec.json.decode(request, type=Call)
            return self._one(call), self._recording.durations.get(call.method, _AT_ONCE).first_seconds
        calls = msgspec.json.decode(request, type=list[Call])
        duration = self._recording.durations.get(calls[0].method, _AT_ONCE)
        seconds = duration.first_seconds + (len(calls) - 1) * duration.further_seconds
        return b"[" + b",".join(map(self._one, calls)) + b"]", seconds

    def _one(self, call: Call) -> bytes:
        self.asked[call.method] += 1
        method = self._methods.get(call.method)
        if method is None:
            self.unknown.append(call.method)
            return b'{"result":null,"error":%b,"id":%d}' % (_NO_METHOD, call.id)
        result = method(call.params)
        if result is None:
            return b'{"result":null,"error":%b,"id":%d}' % (_NOT_THERE, call.id)
        return b'{"result":%b,"error":null,"id":%d}' % (result, call.id)

    def _entry(self, params: Params) -> bytes | None:
        txid = params[0]
        return self._recording.entries.get(txid) if txid in self._waiting else None

    def _raw_transaction(self, params: Params) -> bytes | None:
        raw = self._raw.get(params[0]) if params[0] in self._waiting else None
        return None if raw is None else _json(raw.hex())

    def _coin(self, params: Params) -> bytes:
        txid, vout = params[:2]
        found = self._recording.coins.get(f"{txid}:{vout}")
        if found is None:
            self.unknown.append(f"gettxout {txid} {vout}")
            return b"null"
        return found

    def _snapshot(self, params: Params) -> bytes:
        if params[0]:
            entries = (b'"%b":%b' % (txid.encode(), self._recording.entries[txid]) for txid in self._waiting)
            return b"{" + b",".join(entries) + b"}"
        return _json({"txids": list(self._waiting), "mempool_sequence": self._sequence})

    def _chain_info(self, _: Params) -> bytes:
        return _json({"chain": "regtest", "blocks": self._tip.height, "initialblockdownload": False})

    def _mempool_info(self, _: Params) -> bytes:
        size = len(self._waiting)
        return _json({"loaded": True, "size": size, "bytes": self._sequence, "usage": size, "total_fee": 0.0})

    def _notifications(self, _: Params) -> bytes:
        return _json([{"type": kind, "address": self._zmq_address} for kind in ("pubrawtx", "pubsequence")])

    def _of_block(self, block: Block | None, what: Callable[[Block], bytes]) -> bytes | None:
        return None if block is None or block.height > self._tip.height else what(block)


def _header_of(block: Block) -> bytes:
    return block.header


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
