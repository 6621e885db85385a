"""The stand-ins for electrs and mempool, as processes beside a real bitcoind: what they say is what it has."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import requests

from app.adapters.block_sources import Upstreams, tiered_blocks
from app.adapters.mempool import MempoolExchangeRate
from app.adapters.probes import EsploraProbe, MempoolProbe
from app.domain.blocks.block import read_block
from tests.fakes.bitcoin_node import FakeNode
from tests.fakes.http_serving import server_of, serving
from tests.fakes.published import COMMITTED, beside, chain
from tests.node.bitcoind import CHECKOUT, Bitcoind, free_port, regtest_bitcoind
from tests.node.lively_chain import BLOCK_SECONDS, lively_chain
from tests.node.programs.bitcoind_rpc import BitcoindRpc
from tests.node.programs.electrs_standin.__main__ import Esplora
from tests.node.programs.life.history import BLOCKS
from tests.node.programs.mempool_standin.__main__ import Mempool
from tests.node.programs.price_path import PricePath
from tests.node.programs.rest import Answer, Route

SEED, PRICE_USD = 3, 60_000.0
DEADLINE_SECONDS = 30.0
SAT_PER_BTC = 100_000_000
UNKNOWN = "ab" * 32
# So small that what waits would fill many more than the eight that are shown.
BLOCK_VSIZE_VB = 6000
PROJECTED = 8


class Standin:
    """One of the programs, on a port of its own."""

    def __init__(self, node: Bitcoind, name: str, port_setting: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", f"tests.node.programs.{name}"]
        self._environ = {
            "PATH": os.environ["PATH"],
            "NODE_SEED": str(SEED),
            "NODE_PRICE_USD": str(PRICE_USD),
            "NODE_RPC_PORT": str(node.rpc_port),
            "NODE_COOKIE": str(node.cookie),
            "BLOCK_VSIZE_VB": str(BLOCK_VSIZE_VB),
            port_setting: str(self.port),
        }

    @contextmanager
    def running(self) -> Iterator[Standin]:
        """Start the program, wait until it listens, and end it whatever happens."""
        process = subprocess.Popen(self._command, env=self._environ, cwd=CHECKOUT)
        try:
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not self._listens():
                assert process.poll() is None
                assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s for {self._command}"
                time.sleep(0.01)
            yield self
        finally:
            process.kill()
            process.wait(DEADLINE_SECONDS)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=DEADLINE_SECONDS)

    def json(self, path: str) -> Any:
        """Return what is answered under `path` with 200 and as JSON."""
        answer = self.get(path)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        return answer.json()

    def text(self, path: str, status: int = 200) -> str:
        """Return what is answered under `path` with `status` and as plain text."""
        answer = self.get(path)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "text/plain"
        return answer.text

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    """A chain with a history, a block of the present, and many transactions that wait."""
    world = {"seed": SEED, "price_usd": PRICE_USD, "payments": 20}
    with lively_chain(tmp_path_factory.mktemp("node"), **world) as chain:
        chain.pay(100)
        chain.mine(BLOCK_SECONDS)
        chain.pay(400)
        yield chain.node


@pytest.fixture(scope="module")
def electrs(node: Bitcoind) -> Iterator[Standin]:
    with Standin(node, "electrs_standin", "ELECTRS_PORT").running() as standin:
        yield standin


@pytest.fixture(scope="module")
def mempool(node: Bitcoind) -> Iterator[Standin]:
    with Standin(node, "mempool_standin", "MEMPOOL_PORT").running() as standin:
        yield standin


@pytest.fixture(scope="module")
def block(node: Bitcoind) -> dict[str, Any]:
    """The newest block, with what its inputs spend."""
    found: dict[str, Any] = node.call("getblock", node.call("getbestblockhash"), 3)
    assert found["nTx"] > 50
    return found


def satoshi(btc: float) -> int:
    return round(btc * SAT_PER_BTC)


def feerate(entry: dict[str, Any]) -> float:
    rate: float = satoshi(entry["fees"]["base"]) / entry["vsize"]
    return rate


def waiting(node: Bitcoind) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = node.call("getrawmempool", True)  # noqa: FBT003 - JSON-RPC has no names
    return entries


# electrs


def test_the_tip_is_bitcoinds_in_plain_text(node: Bitcoind, electrs: Standin) -> None:
    assert electrs.text("/blocks/tip/height") == str(node.call("getblockcount")) == str(BLOCKS + 1)
    assert electrs.text("/blocks/tip/hash") == node.call("getbestblockhash")


def test_a_height_leads_to_the_block_and_beyond_the_tip_to_none(node: Bitcoind, electrs: Standin) -> None:
    for height in (0, 1, 200, BLOCKS + 1):
        assert electrs.text(f"/block-height/{height}") == node.call("getblockhash", height)
    assert electrs.text(f"/block-height/{BLOCKS + 2}", 404) == "Block not found"


def test_a_raw_block_has_bitcoinds_bytes(node: Bitcoind, electrs: Standin, block: dict[str, Any]) -> None:
    answer = electrs.get(f"/block/{block['hash']}/raw")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.content.hex() == node.call("getblock", block["hash"], 0)
    assert read_block(answer.content).header.hash == block["hash"]


def test_a_block_is_described_and_its_transactions_are_listed_in_order(electrs: Standin, block: dict[str, Any]) -> None:
    described = electrs.json(f"/block/{block['hash']}")
    same = {"height": "height", "timestamp": "time", "tx_count": "nTx", "size": "size", "weight": "weight"}
    same |= {"id": "hash", "previousblockhash": "previousblockhash", "merkle_root": "merkleroot", "nonce": "nonce"}
    assert {ours: described[ours] for ours in same} == {ours: block[theirs] for ours, theirs in same.items()}
    assert described["bits"] == 0x207FFFFF
    assert electrs.json(f"/block/{block['hash']}/txids") == [each["txid"] for each in block["tx"]]


def test_the_first_block_has_no_predecessor(electrs: Standin) -> None:
    assert electrs.json(f"/block/{electrs.text('/block-height/0')}")["previousblockhash"] is None


def test_a_transaction_has_its_fee_and_what_it_spends_and_where_it_is(
    node: Bitcoind, electrs: Standin, block: dict[str, Any]
) -> None:
    for mined in block["tx"][1:20]:
        found = electrs.json(f"/tx/{mined['txid']}")
        assert found["txid"] == mined["txid"]
        assert found["fee"] == satoshi(mined["fee"])
        assert found["weight"] == mined["weight"]
        assert [(each["scriptpubkey"], each["value"]) for each in found["vout"]] == outputs(mined["vout"])
        assert [(each["txid"], each["vout"]) for each in found["vin"]] == [
            (each["txid"], each["vout"]) for each in mined["vin"]
        ]
        assert [(each["prevout"]["scriptpubkey"], each["prevout"]["value"]) for each in found["vin"]] == outputs(
            [each["prevout"] for each in mined["vin"]]
        )
        assert found["vin"][0]["is_coinbase"] is False
        assert found["status"] == {
            "confirmed": True,
            "block_height": block["height"],
            "block_hash": block["hash"],
            "block_time": block["time"],
        }
    assert electrs.text(f"/tx/{mined['txid']}/hex") == node.call("getrawtransaction", mined["txid"])


def outputs(described: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(each["scriptPubKey"]["hex"], satoshi(each["value"])) for each in described]


def test_a_transaction_that_waits_is_not_confirmed(node: Bitcoind, electrs: Standin) -> None:
    txid, entry = max(waiting(node).items(), key=lambda each: len(each[1]["depends"]))
    found = electrs.json(f"/tx/{txid}")
    assert found["status"] == {"confirmed": False}
    assert found["fee"] == satoshi(entry["fees"]["base"])
    # One that spends what waits itself, too.
    assert entry["depends"][0] in [each["txid"] for each in found["vin"]]


def test_a_coinbase_spends_nothing(electrs: Standin, block: dict[str, Any]) -> None:
    found = electrs.json(f"/tx/{block['tx'][0]['txid']}")
    (spent,) = found["vin"]
    assert spent["is_coinbase"] is True
    assert spent["prevout"] is None
    assert (spent["txid"], spent["vout"]) == ("00" * 32, 0xFFFFFFFF)
    assert found["fee"] == 0


def test_outputs_are_spent_by_blocks_and_by_what_waits(node: Bitcoind, electrs: Standin, block: dict[str, Any]) -> None:
    waits, entry = next((txid, entry) for txid, entry in waiting(node).items() if entry["spentby"])
    spent_in_block = block["tx"][1]["vin"][0]
    for txid in (waits, spent_in_block["txid"]):
        found = electrs.json(f"/tx/{txid}/outspends")
        described = node.call("getrawtransaction", txid, 1)["vout"]
        unspent = [node.call("gettxout", txid, each["n"]) is not None for each in described]
        assert [each["spent"] for each in found] == [not each for each in unspent]
    assert electrs.json(f"/tx/{spent_in_block['txid']}/outspends")[spent_in_block["vout"]] == {"spent": True}
    (child,) = entry["spentby"]
    number = next(each["vout"] for each in electrs.json(f"/tx/{child}")["vin"] if each["txid"] == waits)
    assert electrs.json(f"/tx/{waits}/outspends")[number] == {"spent": True}


def test_what_nobody_can_spend_is_not_spent(electrs: Standin, block: dict[str, Any]) -> None:
    notes = [
        (each["txid"], output["n"])
        for each in block["tx"]
        for output in each["vout"]
        if output["scriptPubKey"]["type"] == "nulldata"
    ]
    # One is the coinbase's.
    assert len(notes) > 1
    assert all(electrs.json(f"/tx/{txid}/outspends")[number] == {"spent": False} for txid, number in notes)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (f"/block/{UNKNOWN}", "Block not found"),
        (f"/block/{UNKNOWN}/header", "Block not found"),
        (f"/block/{UNKNOWN}/raw", "Block not found"),
        (f"/block/{UNKNOWN}/txids", "Block not found"),
        (f"/tx/{UNKNOWN}", "Transaction not found"),
        (f"/tx/{UNKNOWN}/hex", "Transaction not found"),
        (f"/tx/{UNKNOWN}/outspends", "Transaction not found"),
        ("/block-height/-1", "endpoint does not exist"),
        ("/api/blocks/tip/height", "endpoint does not exist"),
        ("/", "endpoint does not exist"),
    ],
)
def test_what_is_not_there_is_a_404_in_plain_text(electrs: Standin, path: str, sentence: str) -> None:
    assert electrs.text(path, 404) == sentence


def test_many_questions_go_over_one_connection(electrs: Standin, block: dict[str, Any]) -> None:
    with requests.Session() as session:
        for path in ("/blocks/tip/height", f"/block/{UNKNOWN}", f"/block/{block['hash']}/raw", "/blocks/tip/height"):
            with session.get(electrs.url + path, timeout=DEADLINE_SECONDS, stream=True) as answer:
                assert answer.headers.get("Connection") != "close"
                assert len(answer.content) == int(answer.headers["Content-Length"])


def test_what_waits_is_counted_by_both_as_bitcoind_does(node: Bitcoind, electrs: Standin, mempool: Standin) -> None:
    entries = waiting(node).values()
    expected = (len(entries), sum(entry["vsize"] for entry in entries))
    assert EsploraProbe(electrs.url).waiting(DEADLINE_SECONDS) == expected
    assert MempoolProbe(mempool.url).waiting(DEADLINE_SECONDS) == expected
    fees_sat = sum(satoshi(entry["fees"]["base"]) for entry in entries)
    assert electrs.json("/mempool") == {"count": expected[0], "vsize": expected[1], "total_fee": fees_sat} | {
        "fee_histogram": []
    }


def test_the_appliance_takes_it_for_electrs(electrs: Standin) -> None:
    assert EsploraProbe(electrs.url).probe() == f"Esplora at height {BLOCKS + 1}"


# mempool


def test_the_rate_is_near_the_true_price_and_fresh(mempool: Standin) -> None:
    quote = MempoolExchangeRate(mempool.url).quote()
    assert quote.usd == pytest.approx(PricePath(SEED, PRICE_USD).usd_at(quote.quoted_at.timestamp()), rel=0.005)
    assert 0 <= time.time() - quote.quoted_at.timestamp() < 120


def test_prices_have_a_time_and_whole_units_of_each_currency(mempool: Standin) -> None:
    prices = mempool.json("/api/v1/prices")
    assert {"time", "USD", "EUR"} <= prices.keys()
    assert all(type(each) is int and each > 0 for each in prices.values())


def test_a_quote_holds_until_the_next_refresh(node: Bitcoind) -> None:
    clock = iter([1_795_000_019.0, 1_795_000_020.0, 1_795_000_079.9, 1_795_000_080.0])
    standin = Mempool(node.rpc, PricePath(SEED, PRICE_USD), clock=lambda: next(clock))
    before, first, same, after = (json.loads(standin.prices().body) for _ in range(4))
    assert first == same
    assert first["time"] == 1_795_000_020
    assert (before["time"], after["time"]) == (1_794_999_960, 1_795_000_080)


def test_projected_blocks_hold_all_that_waits_the_best_paying_first(node: Bitcoind, mempool: Standin) -> None:
    projected = mempool.json("/api/v1/fees/mempool-blocks")
    entries = waiting(node).values()
    assert len(projected) == PROJECTED
    assert sum(each["nTx"] for each in projected) == len(entries)
    assert sum(each["blockVSize"] for each in projected) == sum(entry["vsize"] for entry in entries)
    assert sum(each["totalFees"] for each in projected) == sum(satoshi(entry["fees"]["base"]) for entry in entries)
    assert all(each["blockVSize"] <= BLOCK_VSIZE_VB for each in projected[:-1])
    assert projected[-1]["blockVSize"] > BLOCK_VSIZE_VB
    for each in projected:
        assert each["feeRange"] == sorted(each["feeRange"])
        assert each["feeRange"][0] <= each["medianFee"] <= each["feeRange"][-1]
        assert each["feeRange"][0] * each["blockVSize"] <= each["totalFees"] + 1e-6
        assert each["totalFees"] <= each["feeRange"][-1] * each["blockVSize"] + 1e-6
    rates = [rate for each in projected for rate in reversed(each["feeRange"])]
    assert rates == sorted(rates, reverse=True)


def test_the_first_projected_block_is_about_what_bitcoind_would_mine(
    node: Bitcoind, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = node.call("getblocktemplate", {"rules": ["segwit"]})["transactions"]
    sizes = list(accumulate(each["weight"] / 4 for each in template))
    # A miner's order is that of its template, and half of it fits. Children that pay for their parents are in it.
    half_vb = int(sizes[-1] / 2)
    fees = sum(each["fee"] for each, size in zip(template, sizes, strict=True) if size <= half_vb)
    monkeypatch.setenv("BLOCK_VSIZE_VB", str(half_vb))
    best = json.loads(Mempool(node.rpc, PricePath(SEED, PRICE_USD)).mempool_blocks().body)[0]
    assert best["totalFees"] == pytest.approx(fees, rel=0.03)
    assert any(each["depends"] for each in template)


def test_recommended_fees_fall_with_patience(node: Bitcoind, mempool: Standin) -> None:
    fees = mempool.json("/api/v1/fees/recommended")
    patience = ["fastestFee", "halfHourFee", "hourFee", "economyFee", "minimumFee"]
    assert list(fees) == patience
    assert list(fees.values()) == sorted(fees.values(), reverse=True)
    assert fees["minimumFee"] == 1
    # So many pay so much as fit into the next block, and into the next three.
    for name, blocks in (("fastestFee", 1), ("hourFee", 3)):
        paying = [each["vsize"] for each in waiting(node).values() if feerate(each) >= fees[name]]
        assert 0 < sum(paying) <= blocks * BLOCK_VSIZE_VB


def test_an_empty_mempool_has_no_projected_blocks_and_asks_for_the_minimum(tmp_path: Path) -> None:
    with regtest_bitcoind(tmp_path) as node:
        standin = Mempool(node.rpc, PricePath(SEED, PRICE_USD))
        assert json.loads(standin.mempool_blocks().body) == []
        assert set(json.loads(standin.recommended().body).values()) == {1}


def test_the_appliance_takes_it_for_mempool(node: Bitcoind, mempool: Standin) -> None:
    assert MempoolProbe(mempool.url).probe() == "mempool 3.4-dev"
    assert mempool.json("/api/v1/backend-info")["coreVersion"] == node.call("getnetworkinfo")["subversion"]


@pytest.mark.parametrize(
    "path",
    [
        # The base address taken for one without /api/v1, and a route that takes a database.
        "/api/v1/api/v1/prices",
        "/api/v1/historical-price?timestamp=1700000000",
        "/api/blocks/tip/height",
        "/",
    ],
)
def test_any_other_path_of_mempool_is_a_404_in_html(mempool: Standin, path: str) -> None:
    answer = mempool.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Cannot GET" in answer.text


@pytest.mark.parametrize("route", ["fees/recommended", "fees/mempool-blocks", "backend-info"])
def test_answers_have_the_form_that_a_real_backend_gave(mempool: Standin, route: str) -> None:
    assert form(mempool.json(f"/api/v1/{route}")) == form(recorded(route))


def test_currencies_are_among_those_of_a_real_backend(mempool: Standin) -> None:
    assert mempool.json("/api/v1/prices").keys() <= recorded("prices").keys()


def recorded(route: str) -> Any:
    return json.loads(beside("data/mempool/recorded.json").read_text(encoding="utf-8"))["rest"][route]["body"]


def form(value: Any) -> Any:
    """Return the kinds of values, by name, and those of a list by its first."""
    if isinstance(value, dict):
        return {name: form(each) for name, each in value.items()}
    if isinstance(value, list):
        return [form(value[0])]
    return "number" if type(value) in {int, float} else type(value).__name__


# Both


@pytest.mark.parametrize("left", ["electrs", "mempool"])
def test_without_bitcoind_the_appliance_reads_the_same_blocks_from_them(
    node: Bitcoind, electrs: Standin, mempool: Standin, tmp_path: Path, left: str
) -> None:
    upstreams = Upstreams(
        bitcoin_network="regtest",
        bitcoin_rpc_url=f"http://127.0.0.1:{free_port()}",
        electrs_api_url=electrs.url if left == "electrs" else f"http://127.0.0.1:{free_port()}",
        mempool_api_url=mempool.url,
    )
    # A chain of the past, of when it was new.
    now = datetime.fromtimestamp(node.call("getblockheader", node.call("getbestblockhash"))["time"], UTC)
    source = tiered_blocks(upstreams, tmp_path, lambda: now)
    tip_height = source.status().tip_height
    assert tip_height == node.call("getblockcount")
    tip_hash = source.block_hash(tip_height)
    served = source.proven_block(tip_hash, bytes.hex)
    assert (served.content, served.served_by) == (node.call("getblock", tip_hash, 0), left)
    # The first block has no parent, and beyond the tip there is nothing.
    for first, count in ((0, 4), (tip_height - 23, 99)):
        assert [header.hex() for header in source.headers(first, count)] == [
            node.call("getblockheader", node.call("getblockhash", height), False)  # noqa: FBT003 - bitcoind's own
            for height in range(first, min(first + count, tip_height + 1))
        ]


@pytest.mark.parametrize("path", [f"block/{UNKNOWN}/raw", f"block/{UNKNOWN}/header", "block-height/99999999"])
def test_a_block_that_mempool_does_not_have_is_a_500_in_plain_text(mempool: Standin, path: str) -> None:
    assert mempool.text(f"/api/v1/{path}", 500).startswith("Failed to get")


def test_without_bitcoind_both_say_so_and_with_it_they_answer_again(tmp_path: Path) -> None:
    with (
        regtest_bitcoind(tmp_path) as node,
        Standin(node, "electrs_standin", "ELECTRS_PORT").running() as electrs,
        Standin(node, "mempool_standin", "MEMPOOL_PORT").running() as mempool,
    ):
        assert electrs.text("/blocks/tip/height") == "0"
        node.stop()
        for standin, path in ((electrs, "/blocks/tip/height"), (mempool, "/api/v1/fees/recommended")):
            assert standin.text(path, 503) == "bitcoind does not answer"
        # Prices come from exchanges.
        assert mempool.json("/api/v1/prices")["USD"] > 0
        # With another cookie.
        node.start()
        assert electrs.text("/blocks/tip/height") == "0"
        assert mempool.json("/api/v1/fees/recommended")["fastestFee"] == 1


@pytest.mark.parametrize(
    ("path", "routes"),
    [
        ("/blocks/tip/height", lambda rpc: Esplora(rpc).routes()),
        (f"/tx/{UNKNOWN}/outspends", lambda rpc: Esplora(rpc).routes()),
        ("/api/v1/backend-info", lambda rpc: Mempool(rpc, PricePath(SEED, PRICE_USD)).routes()),
    ],
)
def test_a_bitcoind_that_is_still_starting_is_not_one_without_blocks(
    tmp_path: Path, path: str, routes: Callable[[BitcoindRpc], list[Route]]
) -> None:
    cookie = tmp_path / "cookie"
    cookie.write_text("user:password", encoding="utf-8")
    starting = FakeNode(chain(COMMITTED))
    starting.warming_up = True
    rpc = BitcoindRpc(starting.server_port, cookie)
    with serving(starting), serving(server_of(routes(rpc))) as url:
        assert requests.get(url + path, timeout=DEADLINE_SECONDS).status_code == 503
    rpc.close()


def test_a_path_has_to_fit_as_a_whole() -> None:
    with serving(server_of([("/x", lambda: Answer(b"{}"))])) as url:
        statuses = [requests.get(url + path, timeout=DEADLINE_SECONDS).status_code for path in ("/x", "/x?y=1", "/x/y")]
    assert statuses == [200, 200, 404]
