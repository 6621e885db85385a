"""Blocks by Esplora's REST, which electrs, mempool and public explorers speak."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import requests

from app.adapters.esplora_headers import headers_of
from app.domain.blocks.header import HEADER_BYTES, read_header
from app.services.block_source import BadBlockError, BlockUnknownError, NodeError, NodeNotReadyError, NodeStatus
from app.services.header_work import check_work, least_tip_height

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.adapters.esplora_http import EsploraHttp

# By BITCOIN_NETWORK. Every signet has the same first block.
GENESIS = {
    "main": "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
    "testnet4": "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
    "signet": "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
    "regtest": "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
}

# The age of its tip from which bitcoind, too, takes itself for one that is catching up.
_MAX_TIP_AGE = timedelta(hours=24)

_HASH = re.compile(rb"[0-9a-f]{64}")
_HEADER = re.compile(rb"[0-9a-f]{%d}" % (2 * HEADER_BYTES))
_HEIGHT = re.compile(rb"[0-9]{1,9}")


class EsploraBlocks:
    """The chain that a service other than bitcoind takes for the active one.

    Proven, before anything else is believed: that its first block is that of `network`, and that each block which
    it places at a height has a header of that hash with the work that `header_work` wants. Trusted: that there is
    no better chain, and which blocks those of before MAIN_FLOOR_HEIGHT are. A service that lags behind, or is on
    another network, has failed: it is not the operator's node, whose word would count.
    """

    def __init__(self, http: EsploraHttp, network: str, clock: Callable[[], datetime]) -> None:
        self._http = http
        self._network = network
        self._clock = clock
        self._found_prefix: str | None = None

    @property
    def name(self) -> str:
        """That of the service."""
        return self._http.service.name

    def status(self) -> NodeStatus:
        """Return its height; raise NodeNotReadyError when its newest block is not new."""
        tip_height = self._tip_height()
        try:
            stamped = datetime.fromtimestamp(read_header(self._at(tip_height)[1]).time, UTC)
        except BlockUnknownError as error:
            raise NodeError(f"{self._http.service} does not know its own newest block, {tip_height}") from error
        if self._clock() - stamped > _MAX_TIP_AGE or tip_height < least_tip_height(self._network):
            raise NodeNotReadyError(
                f"{self._http.service} has not caught up: its newest block, {tip_height}, is of {stamped:%F %R} UTC"
            )
        return NodeStatus(self._network, tip_height, initial_block_download=False)

    def block_hash(self, height: int) -> str:
        """Return the hash of the block at `height`, whose header is proven."""
        return self._at(height)[0]

    def headers(self, first_height: int, count: int) -> Sequence[bytes]:
        """Return `count` headers from `first_height` on, proven to be one chain; fewer at the tip."""
        last_height = min(first_height + count - 1, max(first_height, self._tip_height()))
        downwards = [self._at(last_height)[1]]
        while (height := last_height - len(downwards)) >= first_height:
            downwards += self._below(downwards[-1], height)
        return downwards[last_height - first_height :: -1]

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block, unproven."""
        return self._http.body(f"{self._prefix()}/block/{block_hash}/raw")

    def _tip_height(self) -> int:
        try:
            return int(self._word("/blocks/tip/height", _HEIGHT))
        except BlockUnknownError as error:
            raise NodeError(f"{self._http.service} does not tell its height") from error

    def _at(self, height: int) -> tuple[str, bytes]:
        """Return hash and header of the block at `height`, proven."""
        block_hash = self._word(f"/block-height/{height}", _HASH).decode()
        return block_hash, self._proven_header(block_hash, height)

    def _below(self, header: bytes, height: int) -> list[bytes]:
        """Return proven headers from `height` down, of which `header` is the next: a page of them, or one."""
        proven: list[bytes] = []
        page = self._http.answer(f"{self._prefix()}/blocks/{height}")
        for each in headers_of(page.body) if page.status == requests.codes.ok else ():
            if read_header(each).hash != read_header(header).previous_hash:
                break
            self._check_work(each, height - len(proven))
            proven.append(header := each)
        return proven or [self._proven_header(read_header(header).previous_hash, height)]

    def _proven_header(self, block_hash: str, height: int) -> bytes:
        try:
            header = self._header(block_hash)
        except BlockUnknownError as error:
            # It was named by the service itself: that is no answer, after which nobody else would be asked.
            raise NodeError(f"{self._http.service} does not know its own block {height}") from error
        self._check_work(header, height)
        return header

    def _header(self, block_hash: str) -> bytes:
        """Return the header of this hash, whatever work is in it."""
        header = bytes.fromhex(self._word(f"/block/{block_hash}/header", _HEADER).decode())
        given = read_header(header).hash
        if given != block_hash:
            raise BadBlockError(f"{self._http.service} was asked for the header of {block_hash} and gave {given}")
        return header

    def _check_work(self, header: bytes, height: int) -> None:
        try:
            check_work(header, self._network, height)
        except BadBlockError as error:
            raise BadBlockError(f"{self._http.service}: {error}") from error

    def _word(self, path: str, form: re.Pattern[bytes]) -> bytes:
        word = self._http.body(self._prefix() + path).strip()
        if form.fullmatch(word) is None:
            raise NodeError(f"{self._http.service} did not answer to {path} as Esplora does")
        return word

    def _prefix(self) -> str:
        """Return where its REST begins; found with the first question, which its first block answers."""
        if self._found_prefix is None:
            self._found_prefix = self._search_prefix()
        return self._found_prefix

    def _search_prefix(self) -> str:
        for prefix in self._http.service.prefixes:
            answer = self._http.answer(f"{prefix}/block-height/0")
            first = answer.body.strip()
            if answer.status == requests.codes.ok and _HASH.fullmatch(first):
                self._check_network(first.decode())
                return prefix
        raise NodeError(f"{self._http.service} serves no blocks as Esplora does{self._http.service.remedy}")

    def _check_network(self, first_hash: str) -> None:
        if first_hash != GENESIS[self._network]:
            network = next((name for name, each in GENESIS.items() if each == first_hash), "another network")
            raise NodeError(f"{self._http.service} is on {network} and BITCOIN_NETWORK says {self._network}")
