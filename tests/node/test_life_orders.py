"""The generator as its unit runs it, and the orders that the command `life` gives it."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.node.bitcoind import CHECKOUT, Bitcoind, regtest_bitcoind
from tests.node.programs.bitcoind_rpc import BitcoindRpc, UnreachableError
from tests.node.programs.life.history import BLOCKS
from tests.node.programs.life.pace import Pace
from tests.node.programs.life.service import Service
from tests.node.programs.price_path import PricePath

SEED, PRICE_USD, PAYMENTS = 5, 97_000.0, 20
DEADLINE_SECONDS = 30.0


def until(condition: Callable[[], Any], what: str) -> None:
    """Return once `condition()` is true; fail when it does not become so in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s for {what}"
        time.sleep(0.02)


class Life:
    """The program for one bitcoind: `life serve` as a process, and `life ORDER` as others."""

    def __init__(self, node: Bitcoind) -> None:
        self.node = node
        self.socket = node.directory / "control.sock"
        self.log = node.directory / "life.log"
        self.environ = {
            "PATH": os.environ["PATH"],
            "LIFE_SOCKET": str(self.socket),
            "LIFE_PAYMENTS": str(PAYMENTS),
            "NODE_SEED": str(SEED),
            "NODE_PRICE_USD": str(PRICE_USD),
            "NODE_RPC_PORT": str(node.rpc_port),
            "NODE_COOKIE": str(node.cookie),
        }

    def serve(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(self._command("serve"), env=self.environ, cwd=CHECKOUT, stdout=log, stderr=log)

    def order(self, *words: str) -> dict[str, Any]:
        """Return the answer to an order that succeeds."""
        done = self.attempt(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def attempt(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = self._command("--json", *words)
        return subprocess.run(command, env=self.environ, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    def is_ready(self) -> bool:
        return self.attempt("status").returncode == 0

    @staticmethod
    def _command(*words: str) -> list[str]:
        return [sys.executable, "-m", "tests.node.programs.life", *words]


@contextmanager
def living(life: Life) -> Iterator[subprocess.Popen[bytes]]:
    """Start the generator, wait until it is ready, and end it whatever happens."""
    process = life.serve()
    try:
        until(life.is_ready, "the history")
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_SECONDS)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """A generator that waits for orders: it is stopped, and at speed 1 again."""
    with regtest_bitcoind(tmp_path_factory.mktemp("node")) as node:
        program = Life(node)
        with living(program):
            program.order("stop")
            yield program


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    """For generators in the test's own process, one after the other, whose time passes when the test says so."""
    with regtest_bitcoind(tmp_path_factory.mktemp("node")) as started:
        yield started


def service_on(node: Bitcoind, block_seconds: float = 30) -> Service:
    """Return a generator that is ready."""
    service = Service(node.rpc, SEED, PricePath(SEED, PRICE_USD), Pace(PAYMENTS, block_seconds))
    service.prepare()
    return service


def mempool_size(node: Bitcoind) -> int:
    size: int = node.call("getmempoolinfo")["size"]
    return size


def sent_in(service: Service, node: Bitcoind, seconds: float) -> int:
    """Return how many transactions more wait after so much time, in which no block is due."""
    before = mempool_size(node)
    service.step(seconds)
    return mempool_size(node) - before


# What the unit does by itself


def test_an_empty_chain_gets_its_history_and_then_blocks_and_payments(life: Life) -> None:
    height = life.order("status")["height"]
    assert height >= BLOCKS
    life.order("speed", "100")
    life.order("start")
    until(lambda: life.node.call("getblockcount") >= height + 3, "blocks")
    until(lambda: mempool_size(life.node), "payments")
    life.order("stop")
    life.order("speed", "1")
    newest = life.node.call("getblock", life.node.call("getblockhash", height + 2), 1)
    assert newest["nTx"] > 1


def test_a_history_that_was_interrupted_is_begun_anew(tmp_path: Path) -> None:
    with regtest_bitcoind(tmp_path) as node:
        interrupted = node.mine(10)
        service = service_on(node)
        assert service.obey({"do": "status"})["height"] == node.call("getblockcount") == BLOCKS
        first = node.call("getblockhash", 1)
        assert first != interrupted[0]
        service.prepare()
        assert node.call("getblockhash", 1) == first


def test_it_finds_its_coins_after_it_was_killed_and_goes_on(tmp_path: Path) -> None:
    with regtest_bitcoind(tmp_path) as node:
        life = Life(node)
        with living(life) as process:
            life.order("stop")
            before = life.order("status")
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE_SECONDS)
            assert life.attempt("status").returncode == 1
        first = node.call("getblockhash", 1)
        with living(life):
            life.order("stop")
            after = life.order("status")
            assert node.call("getblockhash", 1) == first
            assert after["height"] >= before["height"]
            assert after["coins"] == pytest.approx(before["coins"], abs=PAYMENTS * (1 + after["height"] - BLOCKS))
            # An orderly restart of bitcoind, with another cookie, is waited for.
            life.order("whale", "100")
            waiting = set(node.call("getrawmempool"))
            node.restart()
            until(life.is_ready, "the generator to have noticed")
            assert life.order("mine")["height"] == after["height"] + 1
            assert waiting <= set(node.call("getblock", node.call("getbestblockhash"), 1)["tx"])
            assert b"refused" not in life.log.read_bytes()


def test_coins_are_not_counted_before_bitcoind_has_loaded_its_mempool(node: Bitcoind) -> None:
    class Loading(BitcoindRpc):
        def call(self, method: str, *params: object) -> Any:
            answer = super().call(method, *params)
            return answer | {"loaded": False} if method == "getmempoolinfo" else answer

    service_on(node)
    rpc = Loading(node.rpc_port, node.cookie)
    service = Service(rpc, SEED, PricePath(SEED, PRICE_USD), Pace(PAYMENTS))
    with pytest.raises(UnreachableError, match="still loads its mempool"):
        service.prepare()
    rpc.close()
    assert service.obey({"do": "status"})["ready"] is False


def test_without_a_bitcoind_it_waits_and_says_for_what(tmp_path: Path) -> None:
    life = Life(Bitcoind(tmp_path))
    process = life.serve()
    try:
        until(life.socket.exists, "the generator to listen")
        until(lambda: "port" in life.attempt("status").stdout, "the generator to have tried")
        done = life.attempt("status")
        assert done.returncode == 1
        answer = json.loads(done.stdout)
        assert answer["ready"] is False
        assert "bitcoind does not answer on port" in answer["problem"]
        assert "the chain is not ready" in json.loads(life.attempt("mine").stdout)["error"]
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(DEADLINE_SECONDS)


def test_nobody_there_is_a_sentence_and_a_failure(tmp_path: Path) -> None:
    done = Life(Bitcoind(tmp_path)).attempt("status")
    assert done.returncode == 1
    assert "life.service does not answer" in json.loads(done.stdout)["error"]


# Orders


def test_mine_mines_so_many_blocks_now(life: Life) -> None:
    height = life.node.call("getblockcount")
    assert life.order("mine") == {"mined": 1, "height": height + 1}
    assert life.order("mine", "3") == {"mined": 3, "height": height + 4}
    assert life.node.call("getblockcount") == height + 4


def test_one_whale_enters_the_mempool_and_moves_what_was_said(life: Life) -> None:
    before = set(life.node.call("getrawmempool"))
    answer = life.order("whale", "321.5")
    assert set(life.node.call("getrawmempool")) - before == {answer["txid"]}
    sent = life.node.call("getrawtransaction", answer["txid"], 1)
    assert 321.5 in [output["value"] for output in sent["vout"]]
    assert answer["moved_btc"] == pytest.approx(sum(output["value"] for output in sent["vout"]))
    assert answer["vsize_vb"] == sent["vsize"]


def test_a_whale_that_says_nothing_moves_more_than_a_hundred_bitcoin(life: Life) -> None:
    assert life.order("whale")["moved_btc"] > 100


def test_the_price_is_that_of_the_144_blocks_below_the_tip(life: Life) -> None:
    tip = life.node.call("getblockcount")
    answer = life.order("price")
    assert (answer["first_height"], answer["last_height"]) == (tip - 144, tip - 1)
    hashes = [life.node.call("getblockhash", height) for height in range(tip - 144, tip)]
    times = [life.node.call("getblockheader", block_hash)["time"] for block_hash in hashes]
    price = PricePath(SEED, PRICE_USD)
    assert answer["window_usd"] == pytest.approx(price.mean_usd(times), abs=0.01)
    assert answer["now_usd"] == pytest.approx(price.usd_at(time.time()), rel=0.001)


def test_stop_stops_payments_and_blocks_until_start(node: Bitcoind) -> None:
    # A block is due at each step.
    service = service_on(node, block_seconds=0.001)
    assert service.obey({"do": "stop"})["running"] is False
    before = (node.call("getbestblockhash"), node.call("getrawmempool"))
    service.step(0.01)
    assert (node.call("getbestblockhash"), node.call("getrawmempool")) == before
    assert service.obey({"do": "start"})["running"] is True

    def mined() -> bool:
        service.step(0.01)
        return bool(node.call("getbestblockhash") != before[0])

    until(mined, "a block")
    assert node.call("getblock", node.call("getbestblockhash"), 1)["nTx"] > 1


def test_a_higher_speed_sends_more_and_mines_more_often(node: Bitcoind) -> None:
    service = service_on(node, block_seconds=3600)
    normal = service.obey({"do": "speed"})
    slow = sent_in(service, node, 1800)
    fast = service.obey({"do": "speed", "factor": 10})
    assert fast["speed"] == 10
    assert fast["payments_a_second"] == pytest.approx(10 * normal["payments_a_second"])
    assert fast["seconds_a_block"] == pytest.approx(normal["seconds_a_block"] / 10)
    assert sent_in(service, node, 1800) > 5 * slow > 0


def test_orders_about_whales_say_what_became_of_them(life: Life) -> None:
    life.order("mine", "3")
    sent = life.order("whale", "120", "--shape", "inflow")
    bumped = life.order("bump", sent["txid"])
    child = life.order("pay-for", bumped["txid"])
    assert bumped["moved_btc"] == pytest.approx(sent["moved_btc"], abs=0.01)
    waiting = set(life.node.call("getrawmempool"))
    assert sent["txid"] not in waiting
    assert {bumped["txid"], child["txid"]} <= waiting
    life.order("mine")
    cancelled = life.order("cancel", life.order("whale", "120")["txid"])
    assert cancelled["moved_btc"] < 1
    burst = life.order("burst", "60", "100")["txids"]
    assert len(set(burst)) == 60
    assert set(burst) <= set(life.node.call("getrawmempool"))
    conflicting = life.order("conflict", cancelled["txid"])
    assert conflicting["txid"] in life.node.call("getblock", life.node.call("getbestblockhash"))["tx"]
    unseen = life.order("unseen", "100")
    assert unseen["txid"] in life.node.call("getblock", life.node.call("getbestblockhash"))["tx"]
    assert life.order("reorganise", "2")["hashes"][-1] == life.node.call("getbestblockhash")
    life.order("mine")


def test_whales_that_wait_are_sent_again_after_a_power_cut(tmp_path: Path) -> None:
    with regtest_bitcoind(tmp_path) as node:
        service = service_on(node, block_seconds=3600)
        txid = service.obey({"do": "whale"})["txid"]
        node.kill()
        node.start()
        assert node.call("getrawmempool") == []
        service.prepare()
        assert txid in node.call("getrawmempool")
        assert service.obey({"do": "mine"})["height"] == node.call("getblockcount")
        assert node.call("getrawmempool") == []


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ({"do": "dance"}, "the orders are status, speed"),
        ({}, "the orders are status, speed"),
        ({"do": "speed", "factor": 0}, "a speed lies between 0.01 and 100"),
        ({"do": "speed", "factor": math.nan}, "a speed lies between 0.01 and 100"),
        ({"do": "speed", "factor": "fast"}, "speed takes a number"),
        ({"do": "mine", "blocks": 0}, "1 to 1000 blocks can be mined at once"),
        ({"do": "mine", "blocks": "all"}, "mine takes a number"),
        ({"do": "mine", "blocks": math.inf}, "mine takes a number"),
        ({"do": "whale", "btc": -1}, "a whale moves 1 to 100000 BTC"),
        ({"do": "whale", "btc": math.nan}, "a whale moves 1 to 100000 BTC"),
        ({"do": "whale", "btc": 50_000}, "nobody has 50000 BTC in confirmed coins"),
        ({"do": "whale", "btc": None}, "whale takes a number"),
        ({"do": "whale", "shape": "square"}, "the shapes are transfer, inflow"),
        ({"do": "burst"}, "burst takes a number"),
        ({"do": "burst", "count": 0}, "1 to 5000 whales can be sent at once"),
        ({"do": "bump", "txid": "ABC"}, "a txid is 64 digits"),
        ({"do": "bump", "txid": "0" * 64}, "0000 is waiting"),
        ({"do": "conflict", "txid": ["0"]}, "a txid is 64 digits"),
        ({"do": "reorganise", "blocks": 21}, "1 to 20 blocks can be taken back"),
        ({"do": "unseen", "btc": 0}, "a whale moves 1 to 100000 BTC"),
    ],
)
def test_an_order_that_makes_no_sense_is_answered_with_what_would(
    life: Life, order: dict[str, Any], sentence: str
) -> None:
    assert sentence in ask(life, json.dumps(order).encode())["error"]
    assert life.is_ready()


@pytest.mark.parametrize("noise", [b"", b"\n", b"stop\n", b"[1]\n", b"\xff\n", b'{"do": "mi'])
def test_noise_on_the_socket_harms_nobody(life: Life, noise: bytes) -> None:
    assert send(life, noise) == b""
    assert life.is_ready()


def test_the_addresses_of_the_exchanges_are_labels_by_which_an_inflow_is_told(life: Life) -> None:
    header, *lines = life.attempt("exchanges").stdout.splitlines()
    assert header == "address,name,category"
    known = {address for address, _, category in (line.split(",") for line in lines) if category == "exchange"}
    assert len(known) == 16
    sent = life.node.call("getrawtransaction", life.order("whale", "200", "--shape", "inflow")["txid"], 1)
    assert any(output["scriptPubKey"]["address"] in known for output in sent["vout"])


def test_without_a_bitcoind_there_are_no_addresses_and_that_is_a_failure(life: Life, tmp_path: Path) -> None:
    away = Life(life.node)
    away.environ["NODE_COOKIE"] = str(tmp_path / "cookie")
    done = away.attempt("exchanges")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr


def test_an_answer_for_people_is_a_line_for_each_part(life: Life) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.node.programs.life", "mine"],
        env=life.environ,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"mined: 1\nheight: {life.node.call('getblockcount')}\n"


def ask(life: Life, line: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(send(life, line + b"\n"))
    return answer


def send(life: Life, content: bytes) -> bytes:
    """Return what the generator says to `content`; nothing when it just closes the connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_SECONDS)
        connection.connect(str(life.socket))
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()
