"""The detector's process, as systemd starts it, beside a bitcoind that is as the role `node` leaves it, or worse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select

from app.adapters.database.engine import Database, open_database
from app.adapters.database.heartbeats import DatabaseHeartbeats
from app.adapters.database.migration import upgrade
from app.adapters.database.tables import WhaleRow
from app.processes import detector
from app.services.detector_report import DetectorReport, DetectorView
from tests.deploy.program import ROLES, program
from tests.fakes.anyones_coins import ACCEPTING, Coin, mine_coins, send
from tests.fakes.blocks import Input, Tx
from tests.node.bitcoind import Bitcoind, free_port, regtest_bitcoind
from tests.whales.parts import ServicePart, until

USER, PASSWORD = "utxoracle", "of this test alone"
CALLS = yaml.safe_load((ROLES / "node/vars/main.yml").read_text(encoding="utf-8"))["__node_rpc_calls"]
WHITELIST = (f"-rpcwhitelist={USER}:{','.join(CALLS)}", "-rpcwhitelistdefault=0")
RPCAUTH = program("node/files/bitcoin_conf.py").rpcauth(USER, PASSWORD, "5a17")
FEE_SAT = 10_000
SOMEBODYS_SCRIPT = b"\x00\x14" + bytes(20)


@dataclass
class Watch:
    """A detector, and what others can know of it."""

    part: ServicePart
    database: Database

    def report(self) -> DetectorReport | None:
        clock = partial(datetime.now, UTC)
        return DetectorView(DatabaseHeartbeats(self.database), clock, is_stream_wanted=False).report()

    def until_it_says(self, words: str) -> DetectorReport:
        """Return its word as soon as it has these words in it."""

        def says() -> bool:
            self.part.assert_not_ended()
            said = self.report()
            return said is not None and words in f"{said.trouble()} {said.progress()}"

        until(says, f"the detector to say: {words}; it says {self.report()}")
        said = self.report()
        assert said is not None
        return said

    def statuses(self) -> dict[str, str]:
        """Return the status of each whale by its txid."""
        with self.database.reading() as connection:
            return {row.txid: row.status for row in connection.execute(select(WhaleRow.txid, WhaleRow.status))}


@contextmanager
def watching(directory: Path, rpc_url: str, **settings: str) -> Iterator[Watch]:
    """Give a detector that nobody has started, with the user that the role `node` makes."""
    url = f"sqlite:///{directory / 'utxoracle.db'}"
    environ = {
        "UTXORACLE_ENV_FILE": "/dev/null",
        "STATE_DIRECTORY": str(directory),
        "RUNTIME_DIRECTORY": str(directory),
        "DATABASE_URL": url,
        "JWT_SECRET_KEY": "s" * 32,
        "BITCOIN_NETWORK": "regtest",
        "BITCOIN_RPC_URL": rpc_url,
        "BITCOIN_RPC_USER": USER,
        "BITCOIN_RPC_PASSWORD": PASSWORD,
        "WHALE_THRESHOLD_BTC": "10",
    }
    database = open_database(url, create=True)
    upgrade(database)
    with closing(database), closing(ServicePart("detector", directory, environ | settings)) as part:
        yield Watch(part, database)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    directory = tmp_path_factory.mktemp("node")
    with regtest_bitcoind(directory, zmq=True, rpcauth=RPCAUTH, extra=(*WHITELIST, *ACCEPTING)) as running:
        yield running


@pytest.fixture(scope="module")
def silent_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    """One that publishes nothing."""
    with regtest_bitcoind(tmp_path_factory.mktemp("silent"), rpcauth=RPCAUTH, extra=WHITELIST) as running:
        running.mine(1)
        yield running


def whale(coin: Coin) -> Tx:
    """Return what moves all of a coin to somebody else."""
    spent = Input(bytes.fromhex(coin.txid)[::-1], coin.vout)
    return Tx(inputs=[spent], outputs=[(coin.value_sat - FEE_SAT, SOMEBODYS_SCRIPT)])


def ended(part: ServicePart) -> tuple[int, str]:
    """Start a process that ends by itself; return its exit code and its log."""
    part.start(wait=False)
    until(lambda: not part.is_running, "the detector to end")
    with pytest.raises(AssertionError) as told:
        part.assert_not_ended()
    code = int(str(told.value).partition("ended with ")[2].partition(":")[0])
    return code, part.log()


def test_the_calls_that_the_role_node_allows_are_enough_for_a_whale_from_first_sight_to_its_block(
    node: Bitcoind, tmp_path: Path
) -> None:
    (coin,) = mine_coins(node, 1)
    with watching(tmp_path, node.rpc_url) as watch:
        watch.part.start()
        watch.until_it_says("stream, 0 whales followed")
        txid = send(node, whale(coin)).hex()
        until(lambda: watch.statuses() == {txid: "pending"}, "the whale to be seen")
        node.mine(1)
        until(lambda: watch.statuses() == {txid: "confirmed"}, "the whale to be confirmed")
        assert watch.until_it_says("stream").problems == {}
        assert "forbid" not in watch.part.log()


def test_a_watched_detector_gives_signs_of_life_and_ends_when_it_is_told_to(node: Bitcoind, tmp_path: Path) -> None:
    with watching(tmp_path, node.rpc_url) as watch:
        watch.part.start()
        before = watch.part.supervisor.words_of_life
        until(lambda: watch.part.supervisor.words_of_life >= before + 2, "signs of life")
        watch.part.stop()
        assert not watch.part.is_running
        assert "Traceback" not in watch.part.log()


def test_a_node_that_publishes_nothing_is_polled_and_told_of(silent_node: Bitcoind, tmp_path: Path) -> None:
    with watching(tmp_path, silent_node.rpc_url) as watch:
        watch.part.start()
        said = watch.until_it_says("there is no connection to the node's ZMQ stream")
        assert not said.is_on_stream


def test_a_stream_that_is_off_is_no_trouble(silent_node: Bitcoind, tmp_path: Path) -> None:
    with watching(tmp_path, silent_node.rpc_url, ZMQ_RAWTX_URL="off") as watch:
        watch.part.start()
        assert watch.until_it_says("polling, 0 whales followed").problems == {}


def test_a_node_that_is_away_is_waited_for_and_told_of(tmp_path: Path) -> None:
    with watching(tmp_path, f"http://127.0.0.1:{free_port()}") as watch:
        watch.part.start()
        said = watch.until_it_says("nothing is known of the mempool yet")
        assert list(said.problems) == ["node"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"BITCOIN_NETWORK": "signet"}, "the node is on regtest, BITCOIN_NETWORK says signet; correct one of them"),
        ({"ZMQ_RAWTX_URL": "http://127.0.0.1"}, "ZMQ_RAWTX_URL"),
    ],
)
def test_what_no_restart_would_heal_ends_with_78(
    silent_node: Bitcoind, tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    with watching(tmp_path, silent_node.rpc_url, **settings) as watch:
        code, log = ended(watch.part)
    assert code == 78, log
    assert sentence in log


@pytest.mark.parametrize("content", [None, "address,name,category\nnobody,some exchange,exchange\n"])
def test_shipped_labels_that_cannot_be_read_keep_no_detector_from_starting(
    tmp_path: Path, content: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shipped = tmp_path / "known_addresses.csv"
    if content is not None:
        shipped.write_text(content, encoding="utf-8")
    monkeypatch.setattr(detector, "SHIPPED", shipped)
    with closing(open_database(f"sqlite:///{tmp_path / 'utxoracle.db'}", create=True)) as database:
        upgrade(database)
        detector.learn_shipped_labels(database, "main")
    (record,) = [each for each in caplog.records if each.name == "utxoracle-detector"]
    assert record.getMessage() == "the labels of the release could not be learned"
