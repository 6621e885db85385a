"""The detector as a process, beside a node that is not measured, with a database of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.adapters.database.tables.events import EventRow
from app.adapters.database.tables.heartbeats import HeartbeatRow
from tests.bench.recording import Recording
from tests.bench.replay_node import ReplayedNode
from tests.bench.stream_servers import cpu_seconds
from tests.fakes.published import CHECKOUT
from tests.fakes.stream_service import SECRET, StreamService
from tests.whales.parts import ServicePart, until

_SAT_PER_BTC = 100_000_000


@dataclass
class Watcher:
    """A detector, and what it has said.

    Attributes:
        stream: The alert stream of the same database; it does not run before somebody starts it.
        process: The detector.
    """

    stream: StreamService
    process: ServicePart

    def begin(self, node: ReplayedNode, recording: Recording, *, finds_whales: bool = True) -> None:
        """Start it, and return once it has looked at all that waits before the first frame."""
        waiting = len(recording.waiting)
        before = len(set(recording.whales).intersection(recording.waiting)) if finds_whales else 0
        self.process.start()

        def is_ready() -> bool:
            self.process.assert_not_ended()
            asked = node.asked()
            looked = min(asked.get(method, 0) for method in ("getmempoolentry", "getrawtransaction"))
            return looked >= waiting and len(self.alerts()) >= before and self.has_told_of_fees()

        until(is_ready, "the detector to know the mempool")

    def heartbeat(self) -> dict[str, Any]:
        """Return what the detector last said of itself; nothing before it did."""
        with self.stream.database.reading() as connection:
            row = connection.execute(select(HeartbeatRow.detail).where(HeartbeatRow.service == "detector")).first()
        return dict(row[0]) if row else {}

    def alerts(self) -> dict[str, int]:
        """Return the event id of each whale's alert by txid; fail when one was alerted to twice."""
        with self.stream.database.reading() as connection:
            rows = connection.execute(select(EventRow.id, EventRow.payload).where(EventRow.type == "whale_alert")).all()
        found = {payload["txid"]: number for number, payload in rows}
        assert len(found) == len(rows), "somebody was alerted twice to the same whale"
        return found

    def has_told_of_fees(self) -> bool:
        """Return whether it has, which it does as soon as it knows the mempool, and then seldom."""
        with self.stream.database.reading() as connection:
            return connection.execute(select(EventRow.id).where(EventRow.type == "fee_update")).first() is not None

    def event_count(self) -> int:
        """Return how many events there are."""
        with self.stream.database.reading() as connection:
            return len(connection.execute(select(EventRow.id)).all())

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)

    def memory_mb(self, name: str) -> float:
        """Return one of the figures of /proc/<pid>/status or smaps_rollup: VmRSS, VmHWM, Pss."""
        for file in ("status", "smaps_rollup"):
            text = Path(f"/proc/{self.process.pid}/{file}").read_text("ascii")
            found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
            if found:
                return int(found[1]) * 1024 / 1e6
        raise KeyError(name)


@contextmanager
def watcher(directory: Path, rpc_url: str, threshold_sat: int, **environ: str) -> Iterator[Watcher]:
    """Prepare a detector on the node at `rpc_url`, and end it afterwards; `environ` are further settings."""
    (directory / "run").mkdir(parents=True, exist_ok=True)
    settings = {
        "BITCOIN_NETWORK": "regtest",
        "BITCOIN_RPC_URL": rpc_url,
        "BITCOIN_RPC_USER": "bench",
        "BITCOIN_RPC_PASSWORD": "a password that nobody checks",
        "WHALE_THRESHOLD_BTC": f"{threshold_sat / _SAT_PER_BTC:g}",
    }
    # The locks of the appliance have neither psutil nor cryptography.
    lacking = directory / "lacking"
    lacking.mkdir()
    (lacking / "psutil.py").write_text("raise ImportError\n", "ascii")
    stream = StreamService(directory, limits_json='{"connects_per_minute": 1000000}', lacks=("cryptography",))
    common = {
        "PYTHONPATH": f"{CHECKOUT}:{lacking}",
        "UTXORACLE_ENV_FILE": "/dev/null",
        "STATE_DIRECTORY": str(directory),
        "RUNTIME_DIRECTORY": str(directory / "run"),
        "DATABASE_URL": stream.database_url,
        "JWT_SECRET_KEY": SECRET,
        "LOG_LEVEL": "INFO",
    }
    with closing(stream.database), closing(ServicePart("detector", directory, common | settings | environ)) as process:
        yield Watcher(stream, process)
