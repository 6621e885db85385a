"""A bitcoind as a source of blocks: REST where it is served, else JSON-RPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.adapters.bitcoind_credentials import credentials_of
from app.adapters.bitcoind_http import PATIENT, BitcoindHttp
from app.adapters.bitcoind_rest import RestBlockSource
from app.adapters.bitcoind_rpc import RpcClient
from app.adapters.bitcoind_rpc_blocks import RpcBlockSource
from app.services.block_source import FallbackBlockSource

if TYPE_CHECKING:
    from pathlib import Path


def block_source(
    url: str, cookie_file: Path | None = None, user: str | None = None, password: str | None = None
) -> FallbackBlockSource:
    """Return the blocks of the bitcoind at `url`, by REST and else by JSON-RPC; nothing is connected yet.

    Args:
        url: Its address without a path.
        cookie_file: Cookie file for JSON-RPC, or
        user: user for JSON-RPC, with
        password: its password.
    """
    return FallbackBlockSource(
        RestBlockSource(BitcoindHttp(url)), RpcBlockSource(rpc_client(url, cookie_file, user, password))
    )


def rpc_client(
    url: str,
    cookie_file: Path | None = None,
    user: str | None = None,
    password: str | None = None,
    *,
    timeout_seconds: tuple[float, float] = PATIENT,
) -> RpcClient:
    """Return JSON-RPC of the bitcoind at `url`, with whichever credentials there are; nothing is connected yet."""
    return RpcClient(BitcoindHttp(url, timeout_seconds), credentials_of(cookie_file, user, password))
