"""A stream from wherever the node publishes it, even if that changes while we listen."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app.services.block_source import NodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from app.services.whales.clocks import Clocks
    from app.services.whales.mempool_node import Heard, MempoolNode, MempoolStream

_log = logging.getLogger(__name__)

AUTO, OFF = "auto", "off"
# A node that was started anew may publish elsewhere, or at last.
_LOOK_AGAIN_SECONDS = 15.0


class Listening:
    """Answers MempoolStream; without a stream it is one that is never connected.

    Args:
        addresses: Tells where to listen; may raise NodeError.
        listen: Opens a stream.
        clocks: The time.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        addresses: Callable[[], Collection[str]],
        listen: Callable[[Collection[str]], MempoolStream],
        clocks: Clocks,
        sleep: Callable[[float], None],
    ) -> None:
        self._find = addresses
        self._listen = listen
        self._clocks = clocks
        self._sleep = sleep
        self._addresses: Collection[str] = ()
        self._stream: MempoolStream | None = None
        self._look_at_seconds = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to everything that we listen to."""
        return self._stream is not None and self._stream.is_connected

    def receive(self, timeout_seconds: float, most: int) -> Sequence[Heard]:
        """Return what has come, up to `most` messages; wait for the first one up to `timeout_seconds`."""
        if not self.is_connected and self._clocks.seconds() >= self._look_at_seconds:
            self._look()
        if self._stream is None:
            self._sleep(timeout_seconds)
            return []
        return self._stream.receive(timeout_seconds, most)

    def close(self) -> None:
        """Listen no longer."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _look(self) -> None:
        try:
            addresses = self._find()
        except NodeError:
            # Where it was is the best guess.
            return
        finally:
            # However long the answer took.
            self._look_at_seconds = self._clocks.seconds() + _LOOK_AGAIN_SECONDS
        if self._stream is not None and set(addresses) == set(self._addresses):
            return
        self.close()
        self._addresses = addresses
        if addresses:
            self._stream = self._listen(addresses)
            _log.info("listening", extra={"addresses": sorted(set(addresses))})
        else:
            _log.warning("the node publishes no stream; put zmqpubrawtx and zmqpubsequence into its bitcoin.conf")


def stream_addresses(node: MempoolNode, wanted: dict[str, str]) -> Collection[str]:
    """Return where to listen: all of it or nothing, since one topic without the other tells too little.

    Args:
        node: Is asked for what it publishes where `wanted` does not say it; may raise NodeError.
        wanted: For each topic (`rawtx`, `sequence`) an address, `auto` or `off`.
    """
    if OFF in wanted.values():
        return []
    told = node.stream_addresses() if AUTO in wanted.values() else {}
    found = [told.get(topic) if address == AUTO else address for topic, address in wanted.items()]
    return [address for address in found if address is not None] if None not in found else []
