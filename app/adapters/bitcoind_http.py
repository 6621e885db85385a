"""HTTP to one bitcoind for blocks, with bounds on time and size."""

from __future__ import annotations

from app.adapters.bitcoind_transport import BitcoindTransport
from app.adapters.bounded_http import BoundedHttp
from app.adapters.http_answer import Bounds

# Beyond a block in hexadecimal, with room for what surrounds it.
MAX_ANSWER_BYTES = 16_000_000

# For the connection, and for the answer: a whole block takes a busy node its time.
PATIENT: tuple[float, float] = (5, 60)


class BitcoindHttp(BitcoindTransport):
    """As much of a node as no block exceeds."""

    def __init__(self, url: str, timeout_seconds: tuple[float, float] = PATIENT) -> None:
        super().__init__(url, BoundedHttp(Bounds(*timeout_seconds, MAX_ANSWER_BYTES)))
