"""The port to whatever started the process and watches over it."""

from __future__ import annotations

from typing import Protocol


class Supervisor(Protocol):
    """What systemd wants to be told by a service that runs long."""

    def ready(self) -> None:
        """Say that requests are answered from now on."""

    def alive(self) -> None:
        """Say that the process still does its work; silence for too long gets it killed."""

    def stopping(self) -> None:
        """Say that the process is about to end because it was told to."""
