"""What is heard of a real bitcoind on regtest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.mempool_stream import ZmqMempoolStream
from app.services.whales.mempool_node import Heard, Topic
from tests.adapters.stream_listener import CONNECTION_BEGINS, hear, hear_until, listening
from tests.fakes.anyones_coins import ACCEPTING, Coin, coins_of, mine_coins, send, spending
from tests.node.bitcoind import Bitcoind, free_port, regtest_bitcoind


@pytest.fixture(scope="module")
def address() -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, address: str) -> Iterator[Bitcoind]:
    published = (f"-zmqpubrawtx={address}", f"-zmqpubsequence={address}")
    with regtest_bitcoind(tmp_path_factory.mktemp("node"), extra=(*published, *ACCEPTING)) as started:
        yield started


@pytest.fixture(scope="module")
def coins(node: Bitcoind) -> Iterator[Coin]:
    """Coins that can be spent, each of them once."""
    return iter(mine_coins(node, 20))


@pytest.fixture
def stream(node: Bitcoind, address: str) -> Iterator[ZmqMempoolStream]:
    del node
    with listening(address) as stream:
        yield stream


def test_a_transaction_is_heard_whole_and_then_as_added(
    node: Bitcoind, coins: Iterator[Coin], stream: ZmqMempoolStream
) -> None:
    sequence = node.call("getrawmempool", False, True)["mempool_sequence"]  # noqa: FBT003 - bitcoind's own parameters
    parent = spending([next(coins)], fee_sat=1000)
    child = spending(coins_of(parent), fee_sat=1000)
    for transaction in (parent, child):
        txid = send(node, transaction)
        assert hear(stream, 2) == [Heard(Topic.RAW, transaction.raw, 0), Heard(Topic.ADDED, txid, sequence)]
        sequence += 1


def test_a_replacement_is_heard_as_the_end_of_the_old_one(
    node: Bitcoind, coins: Iterator[Coin], stream: ZmqMempoolStream
) -> None:
    coin = next(coins)
    old, new = spending([coin], fee_sat=1000), spending([coin], fee_sat=5000)
    old_txid = send(node, old)
    *_, added = hear(stream, 2)
    new_txid = send(node, new)
    assert hear(stream, 3) == [
        Heard(Topic.REMOVED, old_txid, added.sequence + 1),
        Heard(Topic.RAW, new.raw, 0),
        Heard(Topic.ADDED, new_txid, added.sequence + 2),
    ]


def test_a_block_is_heard_after_its_transactions_under_the_hash_that_rpc_says(
    node: Bitcoind, coins: Iterator[Coin], stream: ZmqMempoolStream
) -> None:
    node.mine()
    transaction = spending([next(coins)], fee_sat=1000)
    send(node, transaction)
    (block_hash,) = node.mine()
    heard = hear_until(stream, lambda heard: any(each.body.hex() == block_hash for each in heard))
    in_block = [node.call("getrawtransaction", txid) for txid in node.call("getblock", block_hash)["tx"]]
    assert transaction.raw.hex() in in_block
    said = [(each.topic, each.body.hex()) for each in heard]
    assert said[-1] == (Topic.CONNECTED, block_hash)
    assert {body for topic, body in said[-3:-1] if topic is Topic.RAW} == set(in_block)
    assert Topic.REMOVED not in {topic for topic, _ in said}


def test_a_block_that_is_taken_back_is_heard_and_its_transactions_come_back(
    node: Bitcoind, coins: Iterator[Coin], stream: ZmqMempoolStream
) -> None:
    txid = send(node, spending([next(coins)], fee_sat=1000))
    (block_hash,) = node.mine()
    hear_until(stream, lambda heard: Heard(Topic.CONNECTED, bytes.fromhex(block_hash), 0) in heard)
    node.call("invalidateblock", block_hash)
    heard = hear_until(stream, lambda heard: any(each.topic is Topic.ADDED for each in heard))
    assert Heard(Topic.DISCONNECTED, bytes.fromhex(block_hash), 0) in heard
    assert txid in {each.body for each in heard if each.topic is Topic.ADDED}
    assert Topic.LOST not in {each.topic for each in heard}
    node.call("reconsiderblock", block_hash)
    hear_until(stream, lambda heard: Heard(Topic.CONNECTED, bytes.fromhex(block_hash), 0) in heard)


def test_topics_of_two_addresses_are_both_heard_and_a_killed_node_is_heard_again_once_it_is_back(
    tmp_path: Path,
) -> None:
    with regtest_bitcoind(tmp_path, zmq=True, extra=ACCEPTING) as node:
        assert node.zmq_rawtx != node.zmq_sequence
        coins = iter(mine_coins(node, 2))
        # What is not saved by a kill.
        node.restart()
        with listening(node.zmq_rawtx, node.zmq_sequence) as stream:
            transaction = spending([next(coins)], fee_sat=1000)
            txid = send(node, transaction)
            # Between two connections there is no order.
            assert {each.topic: each.body for each in hear(stream, 2)} == {
                Topic.RAW: transaction.raw,
                Topic.ADDED: txid,
            }
            node.kill()
            assert hear_until(stream, lambda _: not stream.is_connected) == []
            node.start()
            heard = hear_until(stream, lambda _: stream.is_connected)
            assert CONNECTION_BEGINS in heard
            txid = send(node, spending([next(coins)], fee_sat=1000))
            again = hear_until(stream, lambda heard: txid in {each.body for each in heard})
            assert Topic.LOST not in {each.topic for each in again}
