"""From a message of the node to a thousand clients: detector, database, doorbell and whoever serves the clients."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.bench.detector_run import Watcher, watcher
from tests.bench.recording import Recording
from tests.bench.replay_node import replayed
from tests.bench.stream_clients import StreamClients, connected
from tests.bench.stream_servers import cpu_seconds, log_peer_process, tell
from tests.fakes.stream_service import StreamService, free_port, running, until


@dataclass(frozen=True)
class Served:
    """Who serves clients: where, and in which process."""

    url: str
    pid: int


# A recorded minute has a block in its middle, and is replayed in seconds: blocks come a hundred times as often as they
# do, so what they do to alerts is a figure of its own.
_BEFORE_BLOCK_SECONDS, _AFTER_BLOCK_SECONDS = 0.1, 1.0

# Sent before what is timed: about what the kernel holds for a stalled client. After so many more it must have been
# shown out, mostly in the midst of it.
_FILLING_EVENTS, _TOO_MANY_EVENTS = 60, 120

Serving = Callable[[StreamService], AbstractContextManager[Served]]
Beside = Callable[[StreamService], AbstractContextManager[object]]


@dataclass(frozen=True)
class ClientsRun:
    """What a run showed.

    Attributes:
        delays_ms: From the sending of a whale's bytes to its alert at a client, for each whale and client, in order;
            not of whales that were sent when a block had just come.
        worst_ms: The longest of all, of those whales as well.
        detector_cpu_seconds: What the detector used for it.
        server_cpu_seconds: What the server used.
        memory_mb: Of the detector at the end, resident.
    """

    delays_ms: list[float]
    worst_ms: float
    detector_cpu_seconds: float
    server_cpu_seconds: float
    memory_mb: float

    def quantile_ms(self, share: float) -> float:
        """Return the delay below which that share of all lies."""
        return self.delays_ms[min(len(self.delays_ms) - 1, int(len(self.delays_ms) * share))]


@contextmanager
def ours(service: StreamService) -> Iterator[Served]:
    """Serve by `utxoracle-websocket`."""
    with running(service):
        yield Served(service.url, service.worker_pid)


@contextmanager
def log_peer(service: StreamService) -> Iterator[Served]:
    """Serve by `websockets.broadcast`."""
    port = free_port()
    with log_peer_process(port, service.directory) as process:
        yield Served(f"ws://127.0.0.1:{port}/ws/whales", process.pid)


def nothing(_: StreamService) -> AbstractContextManager[object]:
    """Leave the machine alone."""
    return nullcontext()


def clients_run(  # noqa: PLR0913 - all that a run differs by, every one named
    kept: Path,
    recording: Recording,
    per_second: float,
    clients: int,
    serve: Serving,
    *,
    stalled: int = 0,
    beside: Beside = nothing,
) -> ClientsRun:
    """Replay a recording to a detector whose alerts go to clients; whatever is not as it must be fails.

    Args:
        kept: The file of the recording.
        recording: What is in it.
        per_second: Transactions.
        clients: How many read.
        serve: Who serves them.
        stalled: Further clients, which do not read.
        beside: Keeps the machine busy meanwhile.
    """
    with (
        tempfile.TemporaryDirectory() as directory,
        replayed(kept) as node,
        watcher(Path(directory), node.rpc_url, recording.threshold_sat) as it,
        serve(it.stream) as served,
    ):
        it.begin(node, recording)
        tokens = [it.stream.token() for _ in range(clients + stalled)]
        with connected(served.url, tokens, clients, stalled=stalled) as audience, beside(it.stream):
            if stalled:
                fill(it.stream, audience, _FILLING_EVENTS)
            before, detector_cpu, server_cpu = it.event_count(), it.cpu_seconds(), cpu_seconds(served.pid)
            sent = node.replay(per_second)
            until(lambda: len(it.alerts()) >= len(recording.whales), "an alert to each whale")
            detector_cpu = it.cpu_seconds() - detector_cpu
            memory_mb = it.memory_mb("VmRSS")
            it.process.stop()
            receipts = audience.receipts(it.event_count() - before)
            if stalled:
                fill(it.stream, audience, _TOO_MANY_EVENTS)
                shown_out = audience.receipts(0, stalled_read=True).shown_out
                assert shown_out == stalled, f"{shown_out} of {stalled} that stalled were shown out"
            server_cpu = cpu_seconds(served.pid) - server_cpu
            check(it, recording, sent.unknown, receipts.faults)
            received = {txid: receipts.times[event] for txid, event in it.alerts().items() if txid in sent.at}
        return ClientsRun(
            _delays_ms(
                received, {txid: at for txid, at in sent.at.items() if not is_beside_a_block(at, sent.blocks_at)}
            ),
            _delays_ms(received, sent.at)[-1],
            detector_cpu,
            server_cpu,
            memory_mb,
        )


def fill(service: StreamService, audience: StreamClients, events: int) -> None:
    """Tell everybody of so much that those who do not read have hardly any room for more, or none."""
    for number in range(events):
        tell(service, ("price_update", {"number": number, "filling": "x" * 900}))
    faults = audience.receipts(events).faults
    assert not faults, faults


def is_beside_a_block(at: float, blocks_at: Sequence[float]) -> bool:
    """Return whether something was sent while a block was being looked through, which takes a while."""
    return any(block_at - _BEFORE_BLOCK_SECONDS <= at <= block_at + _AFTER_BLOCK_SECONDS for block_at in blocks_at)


def _delays_ms(received: Mapping[str, Sequence[float]], sent_at: Mapping[str, float]) -> list[float]:
    return sorted((at - sent_at[txid]) * 1e3 for txid in sent_at for at in received[txid])


def check(it: Watcher, recording: Recording, unknown: list[str], faults: list[str]) -> None:
    """Fail unless each whale of the recording was alerted to, nothing else was, and everything came to everybody."""
    if unknown:
        raise AssertionError(f"{len(unknown)} questions that the recording has no answer to: {unknown[:5]}")
    if faults:
        raise AssertionError(f"{len(faults)} faults: {faults[:5]}")
    alerted, expected = set(it.alerts()), set(recording.whales)
    if alerted != expected:
        raise AssertionError(f"not alerted to: {expected - alerted}; no whales: {alerted - expected}")
