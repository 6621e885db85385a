"""Telling systemd how the service is, by the datagrams of sd_notify(3)."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_log = logging.getLogger(__name__)


class Systemd:
    """The supervisor at `address`; without an address nobody listens, and nothing is sent."""

    def __init__(self, address: str | None) -> None:
        # "@" stands for the NUL byte of Linux's abstract socket names.
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address

    @classmethod
    def take_over(cls, environ: MutableMapping[str, str]) -> Systemd:
        """Return the supervisor that `environ` names, and take its name out.

        gunicorn would otherwise report the service ready as soon as its port is bound, before there is a worker
        to answer on it.
        """
        return cls(environ.pop("NOTIFY_SOCKET", None))

    def ready(self) -> None:
        """Send READY=1."""
        self._send("READY=1")

    def alive(self) -> None:
        """Send WATCHDOG=1."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Send STOPPING=1."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.sendto(state.encode(), self._address)
        except OSError as error:
            # systemd draws its own conclusions from silence; the service itself is not broken by it.
            _log.warning("systemd was not told", extra={"state": state, "error": str(error)})
