"""A whale appliance of real parts on one machine: bitcoind, detector, database and alert stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from app.adapters.database.engine import Database
from app.adapters.database.tables.events import EventRow
from app.adapters.database.tables.heartbeats import HeartbeatRow
from app.adapters.database.tables.labels import LabelRow
from app.adapters.database.tables.mempool import BlockFlowRow
from app.adapters.database.tables.predictions import PredictionOutcomeRow
from app.adapters.database.tables.whales import WhaleRow
from tests.fakes.stream_service import CHECKOUT, SECRET, StreamService, running
from tests.node.bitcoind import Bitcoind, regtest_bitcoind
from tests.node.lively_chain import LivelyChain
from tests.node.programs.life.pace import Pace
from tests.node.programs.life.record import Record
from tests.node.programs.life.scripts import FIRST_EXCHANGE, Scripts
from tests.whales.client import FaithfulClient, faithful_client
from tests.whales.parts import PATIENCE_SECONDS, NodePart, Part, ServicePart, StreamPart, until
from tests.whales.record import Sent, read_record

SAT_PER_BTC = 100_000_000

Row = dict[str, Any]


@dataclass
class WhaleAppliance:
    """One appliance and its node.

    Attributes:
        directory: All of its files.
        node: For calls to bitcoind.
        bitcoind: Its process.
        detector: The detector's process; it does not run before somebody starts it.
        websocket: The alert stream's process.
        stream: Makes tokens, and knows the stream's address.
        threshold_btc: From which on something is a whale.
    """

    directory: Path
    node: Bitcoind
    detector: ServicePart
    stream: StreamService
    threshold_btc: float

    def __post_init__(self) -> None:
        self.bitcoind = NodePart(self.node)
        self.websocket = StreamPart(self.stream)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All processes."""
        return self.bitcoind, self.detector, self.websocket

    @property
    def threshold_sat(self) -> int:
        return round(self.threshold_btc * SAT_PER_BTC)

    @property
    def database(self) -> Database:
        return self.stream.database

    def chain(self, pace: Pace | None = None, *, seed: int = 1) -> LivelyChain:
        """Give the empty chain a history that ends now, and return the generator on it, which tells `sent`."""
        usual = Pace(20, whale_btc=(self.threshold_btc, 4 * self.threshold_btc))
        record = Record(self._record_file, self.threshold_sat)
        return LivelyChain(self.node, seed, pace=pace or usual, record=record, now=time.time(), is_in_real_time=True)

    def until(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Return once `condition()` is true; fail when it is not in time, or when the detector ends by itself."""

        def is_met() -> bool:
            self.detector.assert_not_ended()
            return bool(condition())

        until(is_met, what, seconds)

    def sent(self) -> list[Sent]:
        """Return what the generator wrote down of whales."""
        return read_record(self._record_file)

    def label_exchanges(self, seed: int = 1) -> dict[str, str]:
        """Let `labels` know the addresses of the generator's exchanges; return address and name of each."""
        scripts = Scripts(seed).output[FIRST_EXCHANGE:]
        addresses = [self.node.call("decodescript", script.hex())["address"] for script in scripts]
        names = {address: f"Exchange {number}" for number, address in enumerate(addresses, 1)}
        common = {"category": "exchange", "source": "tests", "imported_at": datetime.now(UTC)}
        with self.database.writing() as connection:
            rows = [{"address": address, "name": name} | common for address, name in names.items()]
            connection.execute(insert(LabelRow), rows)
        return names

    @contextmanager
    def client(self, last_event_id: int | None = None, **filters: object) -> Iterator[FaithfulClient]:
        """Follow the stream as its watcher; `filters` are those of a subscription."""
        with faithful_client(self.stream.url, self.stream.token, last_event_id, filters) as client:
            yield client

    def whales(self, *statuses: str) -> dict[str, Row]:
        """Return the rows of `whale_transactions` by txid: those in one of `statuses`, or all."""
        rows = self._rows(WhaleRow)
        return {row["txid"]: row for row in rows if not statuses or row["status"] in statuses}

    def predictions(self) -> dict[str, Row]:
        """Return the rows of `prediction_outcomes` by prediction_id."""
        return {row["prediction_id"]: row for row in self._rows(PredictionOutcomeRow)}

    def events(self, *types: str) -> list[Row]:
        """Return the rows of `events` in the order of the log: those of one of `types`, or all."""
        rows = sorted(self._rows(EventRow), key=lambda row: row["id"])
        return [row for row in rows if not types or row["type"] in types]

    def connected_blocks(self) -> dict[str, Row]:
        """Return the rows of `block_flows` of the blocks that were looked through and not taken back, by hash."""
        return {row["block_hash"]: row for row in self._rows(BlockFlowRow) if row["is_connected"]}

    def heartbeats(self) -> list[Row]:
        """Return what services last said of themselves."""
        return self._rows(HeartbeatRow)

    @property
    def _record_file(self) -> Path:
        return self.directory / "record.jsonl"

    def _rows(self, table: type[WhaleRow | PredictionOutcomeRow | BlockFlowRow | EventRow | HeartbeatRow]) -> list[Row]:
        with self.database.reading() as connection:
            return [dict(row) for row in connection.execute(select(table.__table__)).mappings()]


@contextmanager
def whale_appliance(
    directory: Path,
    *,
    threshold_btc: float = 100,
    database_url: str = "",
    environ: dict[str, str] | None = None,
    node_options: tuple[str, ...] = (),
) -> Iterator[WhaleAppliance]:
    """Start bitcoind and the alert stream with a database at head, and end everything afterwards.

    Args:
        directory: Of all files; made when missing.
        threshold_btc: From which on something is a whale.
        database_url: Of an empty database; without it a SQLite file in the directory.
        environ: Further settings of the services.
        node_options: Further arguments of bitcoind, each with its leading dash.
    """
    (directory / "run").mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        node = stack.enter_context(regtest_bitcoind(directory / "node", zmq=True, extra=node_options))
        settings = _settings(node, threshold_btc) | (environ or {})
        stream = StreamService(directory, database_url, environ=settings)
        stack.enter_context(running(stream))
        common = {
            "PYTHONPATH": str(CHECKOUT),
            "UTXORACLE_ENV_FILE": "/dev/null",
            "STATE_DIRECTORY": str(directory),
            "RUNTIME_DIRECTORY": str(directory / "run"),
            "DATABASE_URL": stream.database_url,
            "JWT_SECRET_KEY": SECRET,
            "LOG_LEVEL": "INFO",
        }
        detector = stack.enter_context(closing(ServicePart("detector", directory, common | settings)))
        yield WhaleAppliance(directory, node, detector, stream, threshold_btc)


def _settings(node: Bitcoind, threshold_btc: float) -> dict[str, str]:
    return {
        "BITCOIN_NETWORK": "regtest",
        "BITCOIN_RPC_URL": node.rpc_url,
        "BITCOIN_RPC_COOKIE_FILE": str(node.cookie),
        "WHALE_THRESHOLD_BTC": f"{threshold_btc:g}",
    }
