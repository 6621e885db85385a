"""Blocks by bitcoind's REST interface: bytes as they are, without a password."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import requests

from app.adapters.bitcoind_rpc_blocks import status_of
from app.adapters.strange_json import NoJsonError, json_of
from app.domain.blocks.header import HEADER_BYTES, read_header
from app.services.block_source import (
    BadBlockError,
    BlockPrunedError,
    BlockUnknownError,
    NodeError,
    NodeStatus,
    RestDisabledError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.adapters.bitcoind_http import BitcoindHttp
    from app.adapters.bounded_http import Answer

_HASH_BYTES = 32
# What bitcoind says to a height that its chain does not reach (rest.cpp).
_ABOVE_TIP = "Block height out of range"


class RestBlockSource:
    """The active chain of one bitcoind, by REST."""

    name = "bitcoind-rest"

    def __init__(self, http: BitcoindHttp) -> None:
        self._http = http

    def status(self) -> NodeStatus:
        """Return what the node says about itself now."""
        try:
            return status_of(json_of(self._get("chaininfo.json"), object))
        except NoJsonError:
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
        expected = self.block_hash(first_height)
        path = f"headers/{count}/{expected}.bin"
        raw = self._get(path)
        if not 0 < len(raw) <= count * HEADER_BYTES or len(raw) % HEADER_BYTES:
            raise self._nonsense(path)
        headers = [raw[at : at + HEADER_BYTES] for at in range(0, len(raw), HEADER_BYTES)]
        read = [read_header(each) for each in headers]
        # Even in a reorganisation: bitcoind lets nobody change its chain while it gives them.
        is_linked = all(each.previous_hash == below.hash for below, each in pairwise(read))
        # Of the last one no other header tells the hash.
        last = expected if len(read) == 1 else self.block_hash(first_height + len(read) - 1)
        if read[0].hash != expected or not is_linked or read[-1].hash != last:
            raise BadBlockError(f"{self.name} was asked for the headers from {expected} on and gave others")
        return headers

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
        kind = path.partition("/")[0] if answer.status == requests.codes.not_found else None
        if kind == "block" and "pruned" in said:
            return BlockPrunedError(f"{where} has deleted a block of the window: it is pruned, raise prune= there")
        # Where a chain ends is an answer, after which nobody else is asked; and any web server says 404 to all paths.
        if kind == "block" or (kind == "blockhashbyheight" and said == _ABOVE_TIP):
            return BlockUnknownError(f"{where} does not know the block: {said}")
        return NodeError(f"{where} answered {answer.status} to /rest/{path}: {said}")

    def _nonsense(self, path: str) -> NodeError:
        return NodeError(
            f"what answers at {self._http.shown_url}/rest/{path} is not bitcoind; is BITCOIN_RPC_URL right?"
        )
