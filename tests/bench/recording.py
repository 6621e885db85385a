"""What a bitcoind published by ZMQ for a while, and what it answered about it: enough to be that node once more."""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec

RAWTX, SEQUENCE = "rawtx", "sequence"


class Frame(msgspec.Struct, array_like=True):
    """One message, `at_seconds` after the first; of each topic none is missing, so its counter need not be kept."""

    at_seconds: float
    topic: str
    body: bytes


class Block(msgspec.Struct, array_like=True):
    """A block of the active chain: what `getblockheader` says of it, and its bytes unless it came before all frames."""

    hash: str
    height: int
    header: bytes
    raw: bytes = b""
    txids: list[str] = []


class Template(msgspec.Struct, array_like=True):
    """What `getblocktemplate` answered, as JSON, and when."""

    at_seconds: float
    answer: bytes


class Duration(msgspec.Struct, array_like=True):
    """How long the node took for an answer: for one, and for each further one of a batch."""

    first_seconds: float
    further_seconds: float


class Recording(msgspec.Struct):
    """All of it.

    Attributes:
        threshold_sat: What a whale moves.
        waiting: txids that were in the mempool before the first frame.
        sequence: The mempool sequence number that the first frame, or a later one, carries.
        frames: In their order.
        raw: Of `waiting`, the serialised transactions by txid; all others are in the frames.
        entries: What `getmempoolentry` said of each, as JSON, by txid.
        coins: What `gettxout` said of what whales and their replacements spend, as JSON, by `txid:n`.
        blocks: The active chain's newest, oldest first.
        templates: In their order.
        durations: How long the node takes for its answers, by method.
        whales: txids of those that were accepted, by the record of who sent them, among `waiting` and in the frames.
    """

    threshold_sat: int
    waiting: list[str]
    sequence: int
    frames: list[Frame]
    raw: dict[str, bytes]
    entries: dict[str, bytes]
    coins: dict[str, bytes]
    blocks: list[Block]
    templates: list[Template]
    durations: dict[str, Duration]
    whales: list[str]

    @property
    def transactions(self) -> int:
        """How many entered the mempool."""
        return sum(is_added(frame) for frame in self.frames)


def is_added(frame: Frame) -> bool:
    """Return whether the message says that a transaction entered the mempool."""
    return frame.topic == SEQUENCE and frame.body[32:33] == b"A"


def save(recording: Recording, path: Path) -> None:
    """Write a recording to a file, which is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(zlib.compress(msgspec.msgpack.encode(recording), 1))
    unfinished.replace(path)


def load(path: Path) -> Recording:
    """Return the recording of a file."""
    return msgspec.msgpack.decode(zlib.decompress(path.read_bytes()), type=Recording)
