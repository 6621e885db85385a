"""What the detector asks, of a real bitcoind on regtest."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from app.adapters import bitcoind_rpc_blocks
from app.adapters.bitcoind_mempool import CALLS, BitcoindMempool, mempool_node
from app.domain.whales.prevout import Outpoint, Prevout
from app.services.block_source import (
    BlockPrunedError,
    BlockUnknownError,
    NodeError,
    NodeForbiddenError,
    NodeNotReadyError,
    NodeStatus,
    NodeUnauthorisedError,
    NodeUnreachableError,
)
from app.services.whales.mempool_node import BlockPlace, Mined
from tests.fakes.anyones_coins import ACCEPTING, ANYONES_SCRIPT, Coin, coins_of, mine_coins, send, spending, txid_of
from tests.node.bitcoind import Bitcoind, regtest_bitcoind
from tests.node.programs.bitcoind_rpc import BitcoindRpc, RpcError, UnreachableError

USER, PASSWORD, WRONG = "appliance", "a password", "another"
NOT_SO_MANY = "restricted"
UNKNOWN = bytes(range(32))
TXINDEX_OFF = "-txindex=0"


def rpcauth(user: str) -> str:
    return f"{user}:ab12${hmac.new(b'ab12', PASSWORD.encode(), hashlib.sha256).hexdigest()}"


@pytest.fixture(scope="module")
def bitcoind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    extra = (
        *ACCEPTING,
        TXINDEX_OFF,
        f"-rpcauth={rpcauth(USER)}",
        f"-rpcauth={rpcauth(NOT_SO_MANY)}",
        f"-rpcwhitelist={NOT_SO_MANY}:getblockcount",
        f"-rpcwhitelist={USER}:{','.join({*CALLS, *bitcoind_rpc_blocks.CALLS})}",
        "-rpcwhitelistdefault=0",
    )
    with regtest_bitcoind(tmp_path_factory.mktemp("bitcoind"), zmq=True, extra=extra) as started:
        yield started


@pytest.fixture(scope="module")
def coins(bitcoind: Bitcoind) -> Iterator[Coin]:
    """Coins that can be spent, each of them once."""
    return iter(mine_coins(bitcoind, 20))


@pytest.fixture(scope="module")
def node(bitcoind: Bitcoind) -> BitcoindMempool:
    """Asked as the user who may make our calls and no other."""
    return mempool_node(bitcoind.rpc_url, user=USER, password=PASSWORD)


@pytest.fixture(autouse=True)
def _nothing_waits(bitcoind: Bitcoind) -> None:
    bitcoind.mine()


def test_it_says_what_it_is_and_where_it_publishes(bitcoind: Bitcoind, node: BitcoindMempool) -> None:
    assert node.status() == NodeStatus("regtest", bitcoind.call("getblockcount"), initial_block_download=False)
    assert node.stream_addresses() == {"rawtx": bitcoind.zmq_rawtx, "sequence": bitcoind.zmq_sequence}
    assert node.is_mempool_loaded()


def test_a_snapshot_holds_each_txid_and_the_number_of_the_next_change(
    bitcoind: Bitcoind, coins: Iterator[Coin], node: BitcoindMempool
) -> None:
    empty = node.snapshot()
    assert (list(empty.txids), empty.size) == ([], 0)
    parent = spending([next(coins)], fee_sat=1000)
    txids = {send(bitcoind, parent), send(bitcoind, spending(coins_of(parent), fee_sat=1000))}
    snapshot = node.snapshot()
    assert set(snapshot.txids) == txids
    assert snapshot.size == 2
    assert snapshot.sequence == empty.sequence + 2


def test_an_entry_has_the_figures_of_its_unconfirmed_ancestors(
    bitcoind: Bitcoind, coins: Iterator[Coin], node: BitcoindMempool
) -> None:
    grandparent = spending([next(coins)], fee_sat=710)
    parent = spending(coins_of(grandparent)[:1], fee_sat=142)
    child = spending([*coins_of(parent), next(coins)], fee_sat=50_000)
    txids = [send(bitcoind, each) for each in (grandparent, parent, child)]
    entries = node.entries([*txids, UNKNOWN])
    assert entries[3] is None
    first, second, third = (each for each in entries if each is not None)
    sizes = [len(each.raw) for each in (grandparent, parent, child)]
    assert [each.vsize_vb for each in (first, second, third)] == sizes
    assert [each.fee_sat for each in (first, second, third)] == [710, 142, 50_000]
    assert [each.ancestor_fee_sat for each in (first, second, third)] == [710, 852, 50_852]
    assert [each.ancestor_vsize_vb for each in (first, second, third)] == [sizes[0], sum(sizes[:2]), sum(sizes)]
    assert [each.depends for each in (first, second, third)] == [(), (txids[0],), (txids[1],)]
    assert first.effective_feerate_sat_vb == 710 / sizes[0]
    assert second.effective_feerate_sat_vb == 142 / sizes[1], "its parent pays more, which does not help it"
    assert third.effective_feerate_sat_vb == 50_852 / sum(sizes), "its ancestors pay less, and it has to pay for them"
    assert first.time == bitcoind.call("getmempoolentry", txids[0].hex())["time"]


def test_a_transaction_that_an_operator_put_back_does_not_hide_the_others(
    bitcoind: Bitcoind, coins: Iterator[Coin], node: BitcoindMempool
) -> None:
    txids = [send(bitcoind, spending([next(coins)], fee_sat=1000)) for _ in range(2)]
    bitcoind.call("prioritisetransaction", txids[0].hex(), 0, -100_000)
    put_back, other = node.entries(txids)
    assert put_back is not None
    assert other is not None
    assert (put_back.fee_sat, put_back.effective_feerate_sat_vb) == (1000, 0.0)
    assert other.effective_feerate_sat_vb == 1000 / other.vsize_vb
    # Else no block takes it, and it waits in the next test as well.
    bitcoind.call("prioritisetransaction", txids[0].hex(), 0, 100_000)


def test_transactions_are_given_as_they_were_sent(
    bitcoind: Bitcoind, coins: Iterator[Coin], node: BitcoindMempool
) -> None:
    waiting, mined = spending([next(coins)], fee_sat=1000), spending([next(coins)], fee_sat=1000)
    mined_txid = send(bitcoind, mined)
    bitcoind.mine()
    assert node.raw_transactions([UNKNOWN, send(bitcoind, waiting), mined_txid]) == [None, waiting.raw, None]
    assert node.raw_transactions([]) == []


def test_a_coin_is_one_until_a_block_spends_it(
    bitcoind: Bitcoind, coins: Iterator[Coin], node: BitcoindMempool
) -> None:
    coin = next(coins)
    transaction = spending([coin], fee_sat=1000, outputs=3)
    asked = [Outpoint(coin.txid, 0), Outpoint(coin.txid, 7), Outpoint(txid_of(transaction), 2)]
    assert node.coins(asked) == [Prevout(coin.value_sat, ANYONES_SCRIPT), None, None]
    send(bitcoind, transaction)
    assert node.coins(asked) == [Prevout(coin.value_sat, ANYONES_SCRIPT), None, None]
    bitcoind.mine()
    assert node.coins(asked) == [None, None, Prevout(transaction.outputs[2][0], ANYONES_SCRIPT)]


def test_what_a_mined_transaction_paid_and_spent_is_told_without_an_index(
    bitcoind: Bitcoind, coins: Iterator[Coin], node: BitcoindMempool
) -> None:
    spent = [next(coins), next(coins)]
    txid = send(bitcoind, spending(spent, fee_sat=12_345)).hex()
    (block_hash,) = bitcoind.mine()
    assert node.mined(txid, block_hash) == Mined(12_345, [Prevout(each.value_sat, ANYONES_SCRIPT) for each in spent])
    coinbase, _ = bitcoind.call("getblock", block_hash)["tx"]
    assert node.mined(coinbase, block_hash) is None
    assert node.mined(UNKNOWN.hex(), block_hash) is None
    assert node.mined(txid, UNKNOWN.hex()) is None


def test_a_block_has_a_place_until_the_chain_leaves_it(bitcoind: Bitcoind, node: BitcoindMempool) -> None:
    height = bitcoind.call("getblockcount")
    tip, below, genesis = (bitcoind.call("getblockhash", each) for each in (height, height - 1, 0))
    best = node.best_block()
    time = bitcoind.call("getblockheader", tip)["time"]
    assert best == node.place_of(tip) == BlockPlace(tip, height, below, time, confirmations=1)
    assert node.place_of(genesis).previous_hash == "0" * 64
    bitcoind.call("invalidateblock", tip)
    assert node.place_of(tip).confirmations == -1
    assert node.best_block().block_hash == below
    bitcoind.call("reconsiderblock", tip)
    with pytest.raises(BlockUnknownError):
        node.place_of(UNKNOWN.hex())


def test_a_block_is_given_as_it_was_mined(bitcoind: Bitcoind, node: BitcoindMempool) -> None:
    (block_hash,) = bitcoind.mine()
    assert node.raw_block(block_hash).hex() == bitcoind.call("getblock", block_hash, 0)
    with pytest.raises(BlockUnknownError):
        node.raw_block(UNKNOWN.hex())


def test_the_template_is_what_the_node_would_mine(
    bitcoind: Bitcoind, coins: Iterator[Coin], node: BitcoindMempool
) -> None:
    txid = send(bitcoind, spending([next(coins)], fee_sat=1000)).hex()
    template = node.template()
    assert template is not None
    assert (template.txids, template.previous_hash) == (frozenset([txid]), node.best_block().block_hash)


def test_the_pulse_is_the_same_until_mempool_or_tip_change(
    bitcoind: Bitcoind, coins: Iterator[Coin], node: BitcoindMempool
) -> None:
    coin = next(coins)
    before = node.pulse()
    assert node.pulse() == before
    send(bitcoind, spending([coin], fee_sat=1000))
    added = node.pulse()
    send(bitcoind, spending([coin], fee_sat=9000))
    replaced = node.pulse()
    bitcoind.mine()
    mined = node.pulse()
    bitcoind.mine()
    distinct = [before, added, replaced, mined, node.pulse()]
    assert all(one != other for at, one in enumerate(distinct) for other in distinct[:at])


def test_the_pulse_does_not_change_by_what_no_message_tells_of(
    bitcoind: Bitcoind, coins: Iterator[Coin], node: BitcoindMempool
) -> None:
    txid = send(bitcoind, spending([next(coins)], fee_sat=1000)).hex()
    before = node.pulse()
    bitcoind.call("prioritisetransaction", txid, 0, 7)
    assert node.pulse() == before


def test_a_wrong_password_and_a_forbidden_call_say_what_to_do(bitcoind: Bitcoind) -> None:
    with pytest.raises(NodeUnauthorisedError, match="compare BITCOIN_RPC_USER and BITCOIN_RPC_PASSWORD"):
        mempool_node(bitcoind.rpc_url, user=USER, password=WRONG).snapshot()
    with pytest.raises(NodeForbiddenError, match="forbids getmempoolinfo; add it to rpcwhitelist"):
        mempool_node(bitcoind.rpc_url, user=NOT_SO_MANY, password=PASSWORD).is_mempool_loaded()


def test_a_restarted_node_is_asked_again_with_its_new_cookie(tmp_path: Path) -> None:
    with regtest_bitcoind(tmp_path) as bitcoind:
        node = mempool_node(bitcoind.rpc_url, bitcoind.cookie)
        assert node.best_block().height == 0
        bitcoind.stop()
        with pytest.raises(NodeUnreachableError, match="cannot be reached; is it running"):
            node.best_block()
        with ThreadPoolExecutor() as others:
            started = others.submit(bitcoind.start)
            met: set[type[Exception]] = set()
            while not started.done():
                try:
                    node.best_block()
                except NodeError as error:
                    met.add(type(error))
            started.result()
        # Nobody there yet, no cookie yet or that of before, and still loading.
        assert met <= {NodeUnreachableError, NodeUnauthorisedError, NodeNotReadyError}
        assert node.best_block().height == 0


def test_a_node_with_too_much_to_do_is_not_ready(tmp_path: Path) -> None:
    with regtest_bitcoind(tmp_path, extra=("-rpcthreads=1", "-rpcworkqueue=1")) as bitcoind:
        node = mempool_node(bitcoind.rpc_url, bitcoind.cookie)
        over = threading.Event()

        def occupy() -> None:
            """Keep a thread of the node, or a place in its queue, for half a second at a time."""
            rpc = BitcoindRpc(bitcoind.rpc_port, bitcoind.cookie)
            while not over.is_set():
                with suppress(UnreachableError, RpcError):
                    rpc.call("waitfornewblock", 500)
            rpc.close()

        with ThreadPoolExecutor() as others:
            for _ in range(3):
                others.submit(occupy)
            try:
                with pytest.raises(NodeNotReadyError, match="is not ready: Work queue depth exceeded"):
                    all(node.is_mempool_loaded() for _ in range(100))
            finally:
                over.set()


def test_a_pruned_block_says_so_and_its_transactions_nothing(tmp_path: Path) -> None:
    with regtest_bitcoind(tmp_path, extra=(TXINDEX_OFF, "-prune=1", "-fastprune")) as bitcoind:
        bitcoind.mine(800)
        bitcoind.call("pruneblockchain", 400)
        node = mempool_node(bitcoind.rpc_url, bitcoind.cookie)
        block_hash = bitcoind.call("getblockhash", 2)
        with pytest.raises(BlockPrunedError):
            node.raw_block(block_hash)
        assert node.mined(UNKNOWN.hex(), block_hash) is None
        assert node.place_of(block_hash).height == 2
