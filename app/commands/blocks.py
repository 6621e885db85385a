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

    upstreams = Upstreams(
        bitcoin_network=settings.bitcoin_network,
        bitcoin_rpc_url=settings.bitcoin_rpc_url,
        bitcoin_rpc_cookie_file=settings.bitcoin_rpc_cookie_file,
        bitcoin_rpc_user=settings.bitcoin_rpc_user,
        bitcoin_rpc_password=settings.bitcoin_rpc_password,
        electrs_api_url=settings.electrs_api_url,
        mempool_api_url=settings.mempool_api_url,
        public_fallback_enabled=settings.public_fallback_enabled,
    )
    return tiered_blocks(upstreams, state, partial(datetime.now, UTC))
