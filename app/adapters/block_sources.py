"""The sources of blocks in their tiers: the operator's bitcoind, what else he runs, and strangers if he allows them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.adapters.bitcoind import rpc_client
from app.adapters.bitcoind_http import BitcoindHttp
from app.adapters.bitcoind_rest import RestBlockSource
from app.adapters.bitcoind_rpc_blocks import RpcBlockSource
from app.adapters.esplora_blocks import EsploraBlocks
from app.adapters.esplora_http import EsploraHttp, Service
from app.adapters.mempool_blocks import MempoolBlocks
from app.adapters.source_memory import FileMemory
from app.adapters.timed_blocks import TimedBlocks
from app.services.block_source import FallbackBlockSource
from app.services.source_breaker import Delays, SourceBreaker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from app.services.block_source import BlockSource

# Public Esplora services by network, in the order in which they are asked; there are none for regtest.
PUBLIC = {
    "main": ("https://mempool.space/api", "https://blockstream.info/api"),
    "testnet4": ("https://mempool.space/testnet4/api",),
    "signet": ("https://mempool.space/signet/api",),
}

# A bitcoind that is restarted is back in minutes, before the next run; what else fails may be left alone for longer.
_BITCOIND_DELAYS = Delays(first_seconds=60, longest_seconds=5 * 60)
_OTHER_DELAYS = Delays(first_seconds=10 * 60, longest_seconds=6 * 3600)

# Four sources that trickle their answers leave time for a fifth within a run.
_QUESTION_SECONDS = 75.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams:
    """What may be asked for blocks; the fields are the settings of these names."""

    bitcoin_network: str
    bitcoin_rpc_url: str
    bitcoin_rpc_cookie_file: Path | None = None
    bitcoin_rpc_user: str | None = None
    bitcoin_rpc_password: str | None = field(default=None, repr=False)
    electrs_api_url: str | None = None
    mempool_api_url: str | None = None
    public_fallback_enabled: bool = False

    @classmethod
    def among(cls, settings: object) -> Upstreams:
        """Return those among all settings."""
        return cls(**{each.name: getattr(settings, each.name) for each in fields(cls)})


def tiered_blocks(upstreams: Upstreams, state_directory: Path, clock: Callable[[], datetime]) -> FallbackBlockSource:
    """Return the blocks of `upstreams`; nothing is asked yet.

    Args:
        upstreams: What may be asked.
        state_directory: Where failures are remembered, in sources.json.
        clock: The time, in UTC.
    """
    breaker = SourceBreaker(
        FileMemory(state_directory / "sources.json"),
        lambda name: _BITCOIND_DELAYS if name.startswith("bitcoind-") else _OTHER_DELAYS,
        lambda: clock().timestamp(),
    )
    first, *others = (TimedBlocks(source, _QUESTION_SECONDS) for source in _tiers(upstreams, clock))
    return FallbackBlockSource(first, *others, breaker=breaker)


def _tiers(upstreams: Upstreams, clock: Callable[[], datetime]) -> Iterator[BlockSource]:
    url = upstreams.bitcoin_rpc_url
    yield RestBlockSource(BitcoindHttp(url))
    yield RpcBlockSource(
        rpc_client(url, upstreams.bitcoin_rpc_cookie_file, upstreams.bitcoin_rpc_user, upstreams.bitcoin_rpc_password)
    )
    for service in _services(upstreams):
        blocks = MempoolBlocks if service.name == "mempool" else EsploraBlocks
        yield blocks(EsploraHttp(service), upstreams.bitcoin_network, clock)


def _services(upstreams: Upstreams) -> Iterator[Service]:
    if upstreams.electrs_api_url:
        yield Service("electrs", upstreams.electrs_api_url, remedy="; is it running, and is ELECTRS_API_URL right?")
    if upstreams.mempool_api_url:
        # Its backend has them under the first, unless electrs serves it; then its front end has them under the other.
        yield Service(
            "mempool",
            upstreams.mempool_api_url,
            ("/api/v1", "/api"),
            "; is it running, and is MEMPOOL_API_URL that of a backend with blocks, or of the front end?",
        )
    if upstreams.public_fallback_enabled:
        for url in PUBLIC.get(upstreams.bitcoin_network, ()):
            yield Service(f"public:{urlsplit(url).hostname}", url)
