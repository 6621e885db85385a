"""Where commands read blocks from."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from app.config.declaration import Settings
    from app.services.block_source import FallbackBlockSource


def blocks_of(settings: Settings, state: Path) -> FallbackBlockSource:
    """Return the sources of blocks; nothing is asked yet."""
    from app.adapters.block_sources import Upstreams, tiered_blocks  # noqa: PLC0415 - as in app.commands

    return tiered_blocks(Upstreams.among(settings), state, partial(datetime.now, UTC))
