"""What the detector makes of answers that the bitcoind of the tests does not give."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.bitcoind_mempool import MAX_ANSWER_BYTES, BitcoindMempool, mempool_node
from app.adapters.bitcoind_mempool_forms import sat_of
from app.domain.whales.prevout import Outpoint
from app.services.block_source import (
    BadBlockError,
    BlockPrunedError,
    NodeError,
    NodeNotReadyError,
    NodeUnreachableError,
)
from tests.fakes.bitcoin_node import RefusedError
from tests.fakes.json_rpc import JsonRpc, json_rpc
from tests.fakes.trickle import ENDLESS_BODY, ENDLESS_HEAD, trickling

TXID = bytes(range(32))
HASH = TXID.hex()
ENTRY = {
    "vsize": 200,
    "weight": 797,
    "time": 1_700_000_000,
    "ancestorsize": 300,
    "fees": {"base": 0.00002, "modified": 0.00002, "ancestor": 0.000021, "descendant": 0.00002},
    "depends": [HASH],
    "spentby": [],
}
INFO = {"loaded": True, "size": 3, "bytes": 500, "usage": 4000, "total_fee": 0.001, "maxmempool": 300_000_000}

QUESTIONS: dict[str, Callable[[BitcoindMempool], object]] = {
    "getzmqnotifications": BitcoindMempool.stream_addresses,
    "getmempoolinfo": BitcoindMempool.is_mempool_loaded,
    "getrawmempool": lambda node: list(node.snapshot().txids),
    "getrawtransaction": lambda node: node.raw_transactions([TXID]),
    "getmempoolentry": lambda node: node.entries([TXID]),
    "gettxout": lambda node: node.coins([Outpoint(HASH, 0)]),
    "getrawtransaction of a block": lambda node: node.mined(HASH, HASH),
    "getbestblockhash": BitcoindMempool.best_block,
    "getblockheader": lambda node: node.place_of(HASH),
    "getblock": lambda node: node.raw_block(HASH),
    "getblocktemplate": BitcoindMempool.template,
}
every_question = pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)


@pytest.fixture
def server() -> Iterator[JsonRpc]:
    with json_rpc(lambda *_: None) as started:
        yield started


@pytest.fixture
def node(server: JsonRpc) -> BitcoindMempool:
    return mempool_node(server.url)


def gives(server: JsonRpc, result: object) -> None:
    server.results = lambda *_: result


def refuses(server: JsonRpc, number: int, message: str) -> None:
    def refuse(*_: object) -> object:
        raise RefusedError(number, message)

    server.results = refuse


@every_question
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"{}", b"\xff", b"[" * 100_000, b'{"result":1,"id":0}'])
def test_what_is_not_json_rpc_is_not_bitcoind(
    server: JsonRpc, node: BitcoindMempool, question: Callable[[BitcoindMempool], object], body: bytes
) -> None:
    server.body = body
    with pytest.raises(NodeError, match="BITCOIN_RPC_URL right"):
        question(node)


@pytest.mark.parametrize("name", sorted({*QUESTIONS} - {"getmempoolentry"}))
@pytest.mark.parametrize(
    "result", [7, -1, "text", [7], [[]], {}, {"txids": []}, {"hex": 7}, True], ids=partial(json.dumps)
)
def test_a_result_of_another_shape_is_refused(
    server: JsonRpc, node: BitcoindMempool, name: str, result: object
) -> None:
    gives(server, result)
    with pytest.raises(NodeError):
        QUESTIONS[name](node)


@every_question
def test_a_node_that_starts_is_not_ready(
    server: JsonRpc, node: BitcoindMempool, question: Callable[[BitcoindMempool], object]
) -> None:
    refuses(server, -28, "Loading block index…")
    with pytest.raises(NodeNotReadyError, match="Loading block index"):
        question(node)


@pytest.mark.parametrize("begins_with", [ENDLESS_HEAD, ENDLESS_BODY], ids=["head", "body"])
def test_a_node_that_trickles_its_answer_is_unreachable(begins_with: bytes) -> None:
    with trickling(begins_with) as url, pytest.raises(NodeUnreachableError, match="does not answer in time"):
        mempool_node(url, timeout_seconds=(5, 0.2)).snapshot()


def test_an_answer_without_end_is_cut(server: JsonRpc, node: BitcoindMempool) -> None:
    server.body = bytes(MAX_ANSWER_BYTES + 1)
    with pytest.raises(NodeError, match=f"sends more than {MAX_ANSWER_BYTES} bytes"):
        node.snapshot()


def test_a_batch_has_none_for_what_is_not_there_and_is_in_order(server: JsonRpc, node: BitcoindMempool) -> None:
    def results(method: str, params: list[Any]) -> object:
        if params[0] == HASH:
            raise RefusedError(-5, "Transaction not in mempool")
        return ENTRY if method == "getmempoolentry" else params[0]

    server.results = results
    others = [bytes([each]) * 32 for each in range(3)]
    assert node.raw_transactions([others[0], TXID, *others[1:]]) == [others[0], None, *others[1:]]
    assert [entry is None for entry in node.entries([TXID, others[0], TXID])] == [True, False, True]


def test_a_batch_in_which_anything_else_fails_fails(server: JsonRpc, node: BitcoindMempool) -> None:
    def results(_: str, params: list[Any]) -> object:
        if params[0] == HASH:
            raise RefusedError(-1, "of another reason")
        return ENTRY

    server.results = results
    with pytest.raises(NodeError, match="refused getmempoolentry: of another reason"):
        node.entries([bytes(32), TXID])


def test_without_a_chunk_the_effective_feerate_is_the_lower_one_of_own_and_ancestors(
    server: JsonRpc, node: BitcoindMempool
) -> None:
    feerates = []
    for ancestor in (0.000021, 0.000090):
        gives(server, ENTRY | {"fees": {"base": 0.00002, "ancestor": ancestor}})
        feerates += [each.effective_feerate_sat_vb for each in node.entries([TXID]) if each is not None]
    assert feerates == [2100 / 300, 2000 / 200]


def test_the_feerate_of_its_chunk_is_told_by_newer_nodes(server: JsonRpc, node: BitcoindMempool) -> None:
    gives(server, ENTRY | {"fees": {"base": 0.00002, "ancestor": 0.000021, "chunk": 0.0005}, "chunkweight": 4001})
    (entry,) = node.entries([TXID])
    assert entry is not None
    assert entry.effective_feerate_sat_vb == pytest.approx(50_000 / (4001 / 4))


@pytest.mark.parametrize(
    "fees",
    [
        {"fees": {"base": 0.00002, "ancestor": -0.001}},
        {"fees": {"base": 0.00002, "ancestor": -0.001, "chunk": -0.001}, "chunkweight": 800},
    ],
    ids=["ancestors", "chunk"],
)
def test_a_transaction_that_an_operator_put_back_by_more_than_its_fee_has_a_feerate_of_0(
    server: JsonRpc, node: BitcoindMempool, fees: dict[str, object]
) -> None:
    gives(server, ENTRY | fees)
    (entry,) = node.entries([TXID])
    assert entry is not None
    assert (entry.fee_sat, entry.effective_feerate_sat_vb) == (2000, 0.0)


@pytest.mark.parametrize(
    "odd",
    [
        {"vsize": 0},
        {"vsize": -1},
        {"vsize": 1.5},
        {"vsize": "200"},
        {"ancestorsize": 0},
        {"time": -1},
        {"time": 2**32},
        {"fees": {"base": -0.1, "ancestor": 1}},
        {"fees": {"base": 0.1, "ancestor": 21_000_001}},
        {"fees": {"base": "0.1", "ancestor": 1}},
        {"fees": {"base": 0.1}},
        {"depends": ["00"]},
        {"depends": ["zz" * 32]},
        {"depends": [" " * 64]},
        {"depends": HASH},
        {"chunkweight": 0},
    ],
    ids=str,
)
def test_an_entry_that_no_bitcoind_has_is_none_and_blocks_no_other(
    server: JsonRpc, node: BitcoindMempool, odd: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    server.results = lambda _, params: ENTRY | odd if params[0] == HASH else ENTRY
    for _ in range(2):
        assert [entry is None for entry in node.entries([bytes(32), TXID, bytes(32)])] == [False, True, False]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert vars(record)["txid"] == HASH


@given(st.integers(0, 21_000_000 * 100_000_000))
def test_every_amount_comes_back_exactly_from_the_json_that_bitcoind_writes(value_sat: int) -> None:
    text = f"{value_sat // 100_000_000}.{value_sat % 100_000_000:08}"
    assert sat_of(json.loads(text)) == value_sat


def test_a_node_without_undo_data_cannot_tell_what_was_spent(server: JsonRpc, node: BitcoindMempool) -> None:
    prevout = {"value": 1.5, "scriptPubKey": {"hex": "51"}}
    for told in ({"vin": [{"txid": HASH}]}, {"vin": [{"prevout": prevout}, {"txid": HASH}], "fee": 0.1}):
        gives(server, told)
        assert node.mined(HASH, HASH) is None
    refuses(server, -1, "Block not available (pruned data)")
    assert node.mined(HASH, HASH) is None
    with pytest.raises(BlockPrunedError):
        node.raw_block(HASH)


def test_a_block_that_the_node_cannot_read_from_its_disk_is_bad(server: JsonRpc, node: BitcoindMempool) -> None:
    refuses(server, -1, "Block not found on disk")
    with pytest.raises(BadBlockError, match="not found on disk"):
        node.raw_block(HASH)


def test_a_node_without_peers_gives_no_template(server: JsonRpc, node: BitcoindMempool) -> None:
    refuses(server, -9, "Bitcoin Core is not connected!")
    assert node.template() is None


def test_a_mempool_that_is_still_read_from_disk_is_not_loaded(server: JsonRpc, node: BitcoindMempool) -> None:
    gives(server, INFO | {"loaded": False})
    assert not node.is_mempool_loaded()


def test_the_end_of_loading_is_no_change_that_a_silent_stream_should_have_told_of(
    server: JsonRpc, node: BitcoindMempool
) -> None:
    def pulse(*, is_loaded: bool) -> object:
        info = INFO | {"loaded": is_loaded}
        server.results = lambda method, _: info if method == "getmempoolinfo" else HASH
        return node.pulse()

    assert pulse(is_loaded=False) == pulse(is_loaded=True)


@pytest.mark.parametrize(
    ("published", "addresses"),
    [
        ([], {}),
        ([("pubrawtx", "tcp://10.0.0.1:1")], {"rawtx": "tcp://10.0.0.1:1"}),
        ([("pubhashtx", "tcp://10.0.0.1:1"), ("pubrawblock", "tcp://10.0.0.1:1")], {}),
        (
            [("pubrawtx", "tcp://10.0.0.1:1"), ("pubsequence", "ipc:///run/node.sock")],
            {"rawtx": "tcp://10.0.0.1:1", "sequence": "ipc:///run/node.sock"},
        ),
        (
            [("pubrawtx", "tcp://0.0.0.0:1"), ("pubsequence", "tcp://*:2")],
            {"rawtx": "tcp://127.0.0.1:1", "sequence": "tcp://127.0.0.1:2"},
        ),
        (
            [("pubrawtx", "tcp://[::]:1"), ("pubrawtx", "tcp://[::]:2"), ("pubsequence", "tcp://[::]:2")],
            {"rawtx": "tcp://127.0.0.1:2", "sequence": "tcp://127.0.0.1:2"},
        ),
    ],
    ids=["nothing", "one topic", "other topics", "two addresses", "everywhere", "one address where possible"],
)
def test_an_address_for_each_topic_is_found(
    server: JsonRpc, node: BitcoindMempool, published: list[tuple[str, str]], addresses: dict[str, str]
) -> None:
    gives(server, [{"type": kind, "address": address, "hwm": 1000} for kind, address in published])
    assert node.stream_addresses() == addresses


def test_a_mempool_of_300_000_is_read_in_little_more_memory_than_its_answer_takes(server: JsonRpc) -> None:
    count = 300_000
    txids = ",".join(f'"{number:064x}"' for number in range(count))
    program = f"""
import re
from pathlib import Path
from app.adapters.bitcoind_mempool import mempool_node

def memory_bytes(kind):
    return int(re.search(kind + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

node = mempool_node("{server.url}")
before_bytes = memory_bytes("VmRSS")
snapshot = node.snapshot()
assert sum(1 for _ in snapshot.txids) == snapshot.size == {count}
print(memory_bytes("VmHWM") - before_bytes)
"""
    server.body = f'{{"result":{{"txids":[{txids}],"mempool_sequence":7}},"error":null,"id":0}}'.encode()
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert int(run.stdout) < len(server.body) + 10_000_000


def test_nothing_that_the_detector_does_without_is_imported() -> None:
    program = """
import sys
import app.adapters.bitcoind_mempool, app.adapters.mempool_stream
print(sorted({"requests", "urllib3", "gevent", "flask", "asyncio", "numpy"} & {*sys.modules}))
"""
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"
