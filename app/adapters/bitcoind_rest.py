"""Blocks by bitcoind's REST interface: bytes as they are, without a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import requests

from app.adapters.bitcoind_rpc_blocks import status_of
from app.domain.blocks.header import HEADER_BYTES
from app.services.block_source import BlockPrunedError, BlockUnknownError, NodeError, NodeStatus, RestDisabledError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.adapters.bitcoind_http import BitcoindHttp
    from app.adapters.bounded_http import Answer

_HASH_BYTES = 32


class RestBlockSource:
    """The active chain of one bitcoind, by REST."""

    name = "bitcoind-rest"

    def __init__(self, http: BitcoindHttp) -> None:
        self._http = http

    def status(self) -> NodeStatus:
        """Return what the node says about itself now."""
        try:
            return status_of(msgspec.json.decode(self._get("chaininfo.json")))
        except msgspec.DecodeError:
            raise self._nonsense("chaininfo.json") from None

    def block_hash(self, height: int) -> str:
        """Return the hash of the block at `height`."""
        path = f"blockhashbyheight/{height}.bin"
        hash_le = self._get(path)
        if len(hash_le) != _HASH_BYTES:
            raise self._nonsense(path)
        return hash_le[::-1].hex()

    def headers(self, first_height: int, count: int) -> Sequence[bytes]:
        """Return `count` headers from `first_height` on; fewer at the tip."""
        # The older form of the path: every version of bitcoind understands it.
        path = f"headers/{count}/{self.block_hash(first_height)}.bin"
        raw = self._get(path)
        if not raw or len(raw) % HEADER_BYTES:
            raise self._nonsense(path)
        return [raw[at : at + HEADER_BYTES] for at in range(0, len(raw), HEADER_BYTES)]

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block."""
        return self._get(f"block/{block_hash}.bin")

    def _get(self, path: str) -> bytes:
        answer = self._http.get(f"/rest/{path}")
        if answer.status == requests.codes.ok:
            return answer.body
        raise self._refusal(path, answer)

    def _refusal(self, path: str, answer: Answer) -> Exception:
        said = answer.body[:200].decode(errors="replace").strip()
        where = f"bitcoind at {self._http.shown_url}"
        # A path that nobody serves is answered without a word.
        if answer.status == requests.codes.not_found and not said:
            return RestDisabledError(f"{where} does not serve REST (rest=1 in its bitcoin.conf turns it on)")
        if answer.status == requests.codes.not_found and "pruned" in said:
            return BlockPrunedError(f"{where} has deleted a block of the window: it is pruned, raise prune= there")
        if answer.status == requests.codes.not_found:
            return BlockUnknownError(f"{where} does not know the block: {said}")
        return NodeError(f"{where} answered {answer.status} to /rest/{path}: {said}")

    def _nonsense(self, path: str) -> NodeError:
        return NodeError(
            f"what answers at {self._http.shown_url}/rest/{path} is not bitcoind; is BITCOIN_RPC_URL right?"
        )
