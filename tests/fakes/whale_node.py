"""A bitcoind in memory: what it does, what it says of that by itself, and what it answers.

Answers `app.services.whales.mempool_node.MempoolNode`. Says everything in the order and form of a real one: the bytes
of a transaction before the word that it entered the mempool; of a block the bytes of each transaction, then the word
of the block; of a replacement the old one's leaving first; in a reorganisation the blocks that leave, what returns to
the mempool, then the blocks that join.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.domain.whales.prevout import Outpoint, Prevout
from app.services.block_source import BlockPrunedError, BlockUnknownError, NodeStatus, NodeUnreachableError
from app.services.whales.mempool_node import BlockPlace, Entry, Heard, Mined, Snapshot, Template, Topic
from tests.fakes.whale_chain import Mined as MinedBlock
from tests.fakes.whale_chain import SimulatedChain, coinbase_of
from tests.fakes.whale_clock import SimulatedClock
from tests.fakes.whale_mempool import Announcer, Pool
from tests.fakes.whale_transactions import Coin, Sent

NO_TOPIC: frozenset[str] = frozenset()
EVERY_TOPIC = frozenset({"rawtx", "sequence"})


class SimulatedNode:
    """One node; what it is told to do it does at once.

    Attributes:
        is_away: It answers nothing.
        hangs_for_seconds: Until whoever asks gives up, since it answers nothing and does not say so either.
        failing: What it is asked, by name, and refuses.
        is_indexing: It has the bytes of what is in blocks as well.
        is_publishing: A listener has a connection.
        is_catching_up: It is in initial block download.
        is_loaded: It has read its mempool from disk.
        losing: Topics of ZMQ on which what is said is lost; whoever listens learns of it with the next message there.
        template_size: How many transactions fit into the block it would mine.
        requests: Names of what it was asked, in their order.
        shown: txids of all that was in a snapshot.
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._announcer = Announcer()
        self.chain = SimulatedChain(int(clock.now().timestamp()))
        self.pool = Pool(self._say)
        self.is_away = False
        self.hangs_for_seconds = 0.0
        self.failing: frozenset[str] = frozenset()
        self.is_indexing = False
        self.is_publishing = True
        self.is_catching_up = False
        self.is_loaded = True
        self.template_size = 2
        self.requests: list[str] = []
        self.shown: set[str] = set()
        self._saved: list[Sent] = []
        self._pruned: set[str] = set()

    # What it does.

    @property
    def losing(self) -> frozenset[str]:
        return self._announcer.losing

    @losing.setter
    def losing(self, topics: frozenset[str]) -> None:
        self._announcer.losing = topics

    def give(self, value_sat: int, script: bytes) -> Coin:
        return self.chain.give(value_sat, script)

    def send(self, transaction: Sent) -> bool:
        """Take a transaction into the mempool; return False if it cannot be."""
        if any(transaction in self.chain.blocks[each].transactions for each in self.chain.active):
            return False
        return self.pool.accept(transaction, self.chain.unspent, self._clock.now())

    def evict(self, transaction: Sent) -> None:
        self.pool.evict(transaction.txid)

    def mine(self, *transactions: Sent) -> str:
        """Mine a block of those of `transactions` that can be in one, wherever they come from; return its hash."""
        block = self._connect(transactions)
        self._say_connected(block)
        return block.block.hash

    def take_back(self, blocks: int = 1) -> None:
        """Take the newest blocks back, as `invalidateblock` does: the mempool is right after each of them."""
        for _ in range(blocks):
            self._return(self._disconnect())

    def reorganise(self, depth: int, blocks: Sequence[Sequence[Sent]]) -> None:
        """Take `depth` blocks back and put others, of these transactions, in their place."""
        left = [self._disconnect() for _ in range(depth)]
        joined = [self._connect(transactions) for transactions in blocks]
        for block in reversed(left):
            self._return(block)
        for block in joined:
            self._say_connected(block)

    def stop(self) -> None:
        """Go down, as by a power cut, with the mempool saved not long ago."""
        self.is_away, self.is_publishing, self.is_loaded = True, False, False
        self._saved = self.pool.transactions
        self.pool = Pool(self._say)
        self.losing = EVERY_TOPIC

    def forget_tip(self) -> None:
        """Lose the newest block, which was not on disk yet when the power was cut."""
        del self.chain.blocks[self.chain.active.pop()]

    def start(self, *, is_mempool_kept: bool = True) -> None:
        """Come up again; the mempool is not loaded yet."""
        self.is_away, self.is_publishing = False, True
        self._saved = self._saved if is_mempool_kept else []
        self.losing = NO_TOPIC
        self._announcer.begin()

    def load(self) -> None:
        """Read the mempool from disk."""
        for transaction in self._saved:
            self.send(transaction)
        self._saved, self.is_loaded = [], True

    def prune(self, block_hash: str) -> None:
        self._pruned.add(block_hash)

    def welcome(self) -> None:
        """Somebody new listens: what was said before is not for him."""
        self._announcer.forget()
        self._announcer.begin()

    def heard(self, most: int | None = None) -> list[Heard]:
        """Return what was said and not received yet, up to `most` messages."""
        return self._announcer.take(most)

    # What it answers.

    def status(self) -> NodeStatus:
        self._asked("status")
        return NodeStatus("regtest", self.chain.tip.block.height, initial_block_download=self.is_catching_up)

    def stream_addresses(self) -> Mapping[str, str]:
        self._asked("stream_addresses")
        return {"rawtx": "tcp://127.0.0.1:28332", "sequence": "tcp://127.0.0.1:28332"}

    def is_mempool_loaded(self) -> bool:
        self._asked("is_mempool_loaded")
        return self.is_loaded

    def pulse(self) -> object:
        self._asked("pulse")
        return frozenset(each.txid for each in self.pool.transactions), self.chain.active[-1]

    def snapshot(self) -> Snapshot:
        self._asked("snapshot")
        txids = [each.txid_bytes for each in self.pool.transactions]
        self.shown |= {txid.hex() for txid in txids}
        return Snapshot(iter(txids), len(txids), self.pool.sequence)

    def raw_transactions(self, txids: Sequence[bytes]) -> Sequence[bytes | None]:
        self._asked("raw_transactions")
        mined = self.chain.mined_raw() if self.is_indexing else {}
        return [self.pool.raw(txid.hex()) or mined.get(txid.hex()) for txid in txids]

    def entries(self, txids: Sequence[bytes]) -> Sequence[Entry | None]:
        self._asked("entries")
        return [self.pool.entry(txid.hex()) for txid in txids]

    def coins(self, outpoints: Sequence[Outpoint]) -> Sequence[Prevout | None]:
        self._asked("coins")
        unspent = self.chain.unspent
        return [unspent.get(outpoint) for outpoint in outpoints]

    def mined(self, txid: str, block_hash: str) -> Mined | None:
        self._asked("mined")
        if block_hash in self._pruned:
            return None
        found = [each for each in self.chain.blocks[block_hash].transactions if each.txid == txid]
        return Mined(found[0].fee_sat, [Prevout(coin.value_sat, coin.script) for coin in found[0].coins])

    def best_block(self) -> BlockPlace:
        self._asked("best_block")
        return self.chain.place_of(self.chain.active[-1])

    def place_of(self, block_hash: str) -> BlockPlace:
        self._asked("place_of")
        return self.chain.place_of(block_hash)

    def raw_block(self, block_hash: str) -> bytes:
        self._asked("raw_block")
        if block_hash in self._pruned:
            raise BlockPrunedError(f"block {block_hash} is pruned")
        if block_hash not in self.chain.blocks:
            raise BlockUnknownError(f"no block {block_hash}")
        return self.chain.blocks[block_hash].block.raw

    def template(self) -> Template | None:
        self._asked("template")
        by_feerate = sorted(self.pool.transactions, key=lambda each: -each.fee_sat / each.vsize_vb)
        return Template(frozenset(each.txid for each in by_feerate[: self.template_size]), self.chain.active[-1])

    # How.

    def _asked(self, name: str) -> None:
        self.requests.append(name)
        if self.hangs_for_seconds:
            self._clock.advance(self.hangs_for_seconds)
            raise NodeUnreachableError("does not answer in time")
        if self.is_away or name in self.failing:
            raise NodeUnreachableError("nobody answers")

    def _say(self, topic: Topic, body: bytes, sequence: int = 0) -> None:
        self._announcer.say(topic, body, sequence)

    def _connect(self, transactions: Sequence[Sent]) -> MinedBlock:
        chosen = self.chain.valid(transactions)
        block = self.chain.connect(chosen, int(self._clock.now().timestamp()))
        self.pool.mined(chosen)
        return block

    def _disconnect(self) -> MinedBlock:
        block = self.chain.disconnect()
        self._say_transactions(block)
        self._say(Topic.DISCONNECTED, bytes.fromhex(block.block.hash))
        return block

    def _return(self, block: MinedBlock) -> None:
        """Put what a block held back into the mempool, as far as its coins are still there."""
        for transaction in block.transactions:
            self.send(transaction)
        self.pool.leave_out_orphans(self.chain.unspent)

    def _say_connected(self, block: MinedBlock) -> None:
        self._say_transactions(block)
        self._say(Topic.CONNECTED, bytes.fromhex(block.block.hash))

    def _say_transactions(self, block: MinedBlock) -> None:
        for raw in (coinbase_of(block), *(each.raw for each in block.transactions)):
            self._say(Topic.RAW, raw)
