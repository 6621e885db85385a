"""What health looks at; the ports are those of the parts looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Protocol

from app.services.detector_report import SEE_LOG
from app.services.health import DegradedError, SkippedError
from app.services.storage_checks import check_database, check_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.services.block_source import NodeStatus
    from app.services.detector_report import DetectorView
    from app.services.mempool_cross_check import CrossCheck, Upstream
    from app.services.price_view import PriceView
    from app.services.storage import Storage

# Without one of these the appliance is of no use; without any other it is worse.
CRITICAL = frozenset({"database", "schema", "bitcoind", "websocket"})

# Of its limit, above which a service will soon be stopped for its memory.
_MEMORY_SHARE = 0.9
_LEAST_DISK_BYTES = 1 << 30
_MB = 1_000_000


class Node(Protocol):
    """The node's JSON-RPC, with our credentials."""

    def status(self) -> NodeStatus:
        """Return what the node says about itself; raise OnchainPriceError."""


class Handshake(Protocol):
    """A service that speaks WebSocket."""

    def handshake(self) -> None:
        """Shake hands and leave; raise any error when that fails."""


class Machine(Protocol):
    """The machine that we run on; a figure that cannot be had is None."""

    def process_bytes(self) -> int | None:
        """Return the memory of this process that is resident."""

    def available_bytes(self) -> int | None:
        """Return the memory that the machine could still give."""

    def free_disk_bytes(self) -> int | None:
        """Return what we may still write where our state is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChecks:
    """The checks by name; see `all`."""

    storage: Storage
    prices: PriceView
    node: Node
    network: str
    detector: DetectorView
    stream: Handshake
    electrs: Upstream
    mempool_backend: Upstream
    cross_check: CrossCheck
    machine: Machine
    memory_limit_mb: int

    def all(self) -> Mapping[str, Callable[[], str]]:
        """Return every check; those of parts that are not there yet say so."""
        return {
            "database": self.database,
            "schema": self.schema,
            "bitcoind": self.bitcoind,
            "mempool_stream": self.mempool_stream,
            "websocket": self.websocket,
            "integration": self.integration,
            "data_freshness": self.data_freshness,
            "electrs": partial(self.cross_check.check, "electrs", self.electrs),
            "mempool_backend": partial(self.cross_check.check, "mempool", self.mempool_backend),
            "webhooks": _not_there_yet,
            "memory": self.memory,
            "disk": self.disk,
        }

    def database(self) -> str:
        """The database can be read."""
        return check_database(self.storage)

    def schema(self) -> str:
        """The schema is one that this release can run on."""
        return check_schema(self.storage)

    def bitcoind(self) -> str:
        """The node answers us, is on the right network and has caught up with it."""
        status = self.node.status()
        if status.network != self.network:
            raise RuntimeError(
                f"the node is on {status.network}, BITCOIN_NETWORK says {self.network}; correct one of them"
            )
        if status.initial_block_download:
            raise RuntimeError(
                f"the node is in initial block download at height {status.tip_height}; wait until it has caught up"
            )
        return f"{status.network} at height {status.tip_height}"

    def mempool_stream(self) -> str:
        """The detector is at work, hears of every transaction, and is not contradicted by all who look at the same."""
        report = self.detector.report()
        if report is None:
            raise DegradedError(f"the detector has not been at work yet; {SEE_LOG}")
        if report.is_silent:
            raise RuntimeError(report.silence())
        if trouble := report.trouble() or self.cross_check.doubt():
            raise DegradedError(f"{trouble} ({report.progress()})")
        return report.progress()

    def websocket(self) -> str:
        """The alert stream shakes hands."""
        self.stream.handshake()
        return "shakes hands"

    def integration(self) -> str:
        """The last runs of the comparison wrote rows; before the first one all is well."""
        latest = self.prices.latest()
        if latest is None:
            return "no run has written a row yet"
        minutes = int(latest.age.total_seconds() // 60)
        if latest.is_stale:
            raise DegradedError(f"the last row is {minutes} minutes old; see the log of utxoracle-integration")
        return f"the last row is {minutes} minutes old"

    def data_freshness(self) -> str:
        """There is a valid price of the last half an hour; before the first row all is well."""
        latest = self.prices.latest()
        if latest is None:
            return "there is no price yet"
        valid = [row for row in self.prices.recent_rows() if row.is_valid]
        if not valid:
            reason = latest.comparison.invalid_reason or "no run has ended"
            raise DegradedError(f"no valid price of the last half an hour; the reason of the newest row: {reason}")
        return f"the newest valid price is of {valid[-1].timestamp.astimezone(UTC):%H:%M} UTC"

    def memory(self) -> str:
        """This process is below its limit."""
        used_bytes = self.machine.process_bytes()
        if used_bytes is None:
            raise SkippedError("this machine does not tell how much memory the process uses")
        available_bytes = self.machine.available_bytes()
        sentence = f"{used_bytes / _MB:.0f} of {self.memory_limit_mb} MB used"
        if available_bytes is not None:
            sentence += f", {available_bytes / _MB:.0f} MB available on the machine"
        if used_bytes > _MEMORY_SHARE * self.memory_limit_mb * _MB:
            raise DegradedError(f"{sentence}; restart utxoracle-api or raise MEMORY_LIMIT_MB")
        return sentence

    def disk(self) -> str:
        """There is room for the database."""
        free_bytes = self.machine.free_disk_bytes()
        if free_bytes is None:
            raise SkippedError("this machine does not tell how much of the disk is free")
        sentence = f"{free_bytes / _MB:.0f} MB free"
        if free_bytes < _LEAST_DISK_BYTES:
            raise DegradedError(f"{sentence} in the state directory; make room")
        return sentence


def _not_there_yet() -> str:
    raise SkippedError("not part of this release")
