"""Bodies that are kept compressed, and sent as each client can read them."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Response, request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LEVEL = 4
_AS_GZIP = zlib.MAX_WBITS | 16
_PIECE_BYTES = 131_072
# Not 0, with which gevent comes back up to a thousand times before it looks at a socket.
_PAUSE_SECONDS = 0.0005


@dataclass(frozen=True, slots=True)
class Compressed:
    """A body as gzip, and how long it is when it is not compressed."""

    body: bytes
    plain_bytes: int

    def plain(self) -> Iterator[bytes]:
        """Yield the body as it was, in pieces; between them others may run."""
        decompressor = zlib.decompressobj(_AS_GZIP)
        rest = self.body
        while rest:
            yield decompressor.decompress(rest, _PIECE_BYTES)
            rest = decompressor.unconsumed_tail
            let_others_run()


def compressed(pieces: Iterable[bytes]) -> Compressed:
    """Return the body that `pieces` add up to."""
    # Unlike gzip's own this has no time in it, so that a body is the same bytes whenever it is made.
    compressor = zlib.compressobj(_LEVEL, wbits=_AS_GZIP)
    body, plain_bytes = bytearray(), 0
    for piece in pieces:
        body += compressor.compress(piece)
        plain_bytes += len(piece)
    return Compressed(bytes(body + compressor.flush()), plain_bytes)


def let_others_run() -> None:
    """Let the loop look at its sockets: a greenlet that computes is not interrupted."""
    time.sleep(_PAUSE_SECONDS)


def takes_gzip() -> bool:
    """Return whether the client can read it."""
    return request.accept_encodings["gzip"] > 0


def as_response(answer: Compressed, content_type: str) -> Response:
    """Return the body in the form that the client can read."""
    if takes_gzip():
        return Response(answer.body, content_type=content_type, headers={"Content-Encoding": "gzip"})
    return Response(answer.plain(), content_type=content_type, headers={"Content-Length": str(answer.plain_bytes)})
