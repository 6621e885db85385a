"""Frames of RFC 6455: a library reads those of clients, and writes ours."""

from __future__ import annotations

from wsproto.frame_protocol import FrameProtocol

# It keeps nothing from one whole frame to the next, so one is enough.
_writer = FrameProtocol(client=False, extensions=[])

PING = bytes(_writer.ping())

_REASON_BYTES = 120


class FrameReader(FrameProtocol):
    """Reads the frames of one client; 2 KB, so that it is kept no longer than a message takes to come."""

    def __init__(self) -> None:
        super().__init__(client=False, extensions=[])

    @property
    def is_between_messages(self) -> bool:
        """Return whether nothing has come of which the rest is yet to come."""
        decoder = self._frame_decoder
        return decoder.header is None and not decoder.buffer and self._message_decoder.opcode is None


def text_frame(text: bytes) -> bytes:
    """Return the frame of a text, given in UTF-8."""
    return bytes(_writer.send_data(text.decode(), fin=True))


def pong_frame(payload: bytes) -> bytes:
    """Return the frame that answers a ping of `payload`."""
    return bytes(_writer.pong(payload))


def close_frame(code: int, reason: str) -> bytes:
    """Return the frame after which nothing is sent; of `reason`, as much as fits."""
    return bytes(_writer.close(code, reason.encode()[:_REASON_BYTES].decode(errors="ignore")))
