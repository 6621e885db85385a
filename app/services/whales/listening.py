"""A stream from wherever the node publishes it, even if that changes while we listen."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app.services.block_source import NodeError
from app.services.whales.mempool_node import StreamAddressError

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
        listen: Opens a stream; may raise StreamAddressError.
        clocks: The time.
        sleep: Waits for so many seconds.
        is_wanted: False when the operator turned the stream off: then none is looked for.
    """

    def __init__(
        self,
        addresses: Callable[[], Collection[str]],
        listen: Callable[[Collection[str]], MempoolStream],
        clocks: Clocks,
        sleep: Callable[[float], None],
        *,
        is_wanted: bool = True,
    ) -> None:
        self._find = addresses
        self._listen = listen
        self._clocks = clocks
        self._sleep = sleep
        self._is_wanted = is_wanted
        self._addresses: Collection[str] | None = None
        self._stream: MempoolStream | None = None
        self._look_at_seconds = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to everything that we listen to."""
        return self._stream is not None and self._stream.is_connected

    def receive(self, timeout_seconds: float, most: int) -> Sequence[Heard]:
        """Return what has come, up to `most` messages; wait for the first one up to `timeout_seconds`."""
        if self._is_wanted and not self.is_connected and self._clocks.seconds() >= self._look_at_seconds:
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
        if self._addresses is None or set(addresses) != set(self._addresses):
            self.close()
            self._addresses = addresses
            self._open(addresses)

    def _open(self, addresses: Collection[str]) -> None:
        if not addresses:
            _log.warning("the node publishes no stream; put zmqpubrawtx and zmqpubsequence into its bitcoin.conf")
            return
        try:
            self._stream = self._listen(addresses)
        except StreamAddressError as error:
            _log.warning("the node's stream cannot be listened to", extra={"reason": str(error)})
        else:
            _log.info("listening", extra={"addresses": sorted(set(addresses))})


def stream_addresses(node: MempoolNode, wanted: dict[str, str]) -> Collection[str]:
    """Return where to listen: all of it or nothing, since one topic without the other tells too little.

    Args:
        node: Is asked for what it publishes where `wanted` does not say it; may raise NodeError.
        wanted: For each topic (`rawtx`, `sequence`) an address or `auto`.
    """
    told = node.stream_addresses() if AUTO in wanted.values() else {}
    found = [told.get(topic) if address == AUTO else address for topic, address in wanted.items()]
    return [address for address in found if address is not None] if None not in found else []
