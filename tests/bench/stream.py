"""The alert stream beside `websockets.broadcast`, both told by hand: how soon clients know, and what that costs."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.measure import Measure
from tests.bench.stream_clients import connected
from tests.bench.stream_servers import Server, cpu_seconds, memory_kib, ours, peer, tell
from tests.fakes.stream_events import alert

_ALERTS_PER_SECOND = 10
# Connected and gone before memory is looked at: whatever the first client needs is not what each needs.
_FIRST_CLIENTS = 20
_STALLED_SHARE = 0.05
# Sent at once, so that what the kernel holds for a stalled client is full, but not so many that it is shown out before
# memory was looked at.
_FILLING_ALERTS = 80

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured.

    Attributes:
        clients: That read, in an ordinary run.
        many: In the run that asks how many there can be.
        alerts: That each of them is sent, ten a second.
        rounds: Of ours and the peer in turns.
    """

    clients: int = 1000
    many: int = 5000
    alerts: int = 50
    rounds: int = 3


@dataclass
class Run:
    """What a run showed: times in milliseconds, CPU in seconds, memory in KB; `grown_kb` while alerts were sent."""

    p50: float
    p99: float
    cpu: float
    memory_kb: float
    memory_kb_per_client: float
    grown_kb: float
    stop_seconds: float


@dataclass
class Runs:
    """Those of one kind, round by round."""

    all: list[Run] = field(default_factory=list)

    def of(self, name: str) -> list[float]:
        return [getattr(run, name) for run in self.all]


def measures(size: Size, progress: Progress) -> Iterator[Measure]:
    """Yield every measure of the stream."""
    calm, theirs, stalled, their_stalled, many, their_many = (Runs() for _ in range(6))
    some = max(1, int(size.clients * _STALLED_SHARE))
    for number in range(1, size.rounds + 1):
        for name, runs, start in (("ours", calm, ours), ("the peer", theirs, peer)):
            progress(f"stream, round {number} of {size.rounds}: {name}")
            runs.all.append(run(start, size.clients, size.alerts))
    for name, runs, start in (("ours", stalled, ours), ("the peer", their_stalled, peer)):
        progress(f"stream: one in twenty stalled, {name}")
        runs.all.append(run(start, size.clients, size.alerts, stalled=some))
    for name, runs, start in (("ours", many, ours), ("the peer", their_many, peer)):
        progress(f"stream: {size.many} clients, {name}")
        runs.all.append(run(start, size.many, size.alerts))
    yield Measure("stream.p50[ms]", calm.of("p50"), theirs.of("p50"))
    yield Measure("stream.p99[ms]", calm.of("p99"), theirs.of("p99"))
    yield Measure("stream.cpu[s]", calm.of("cpu"), theirs.of("cpu"))
    yield Measure("stream.stop[s]", calm.of("stop_seconds"), theirs.of("stop_seconds"))
    ours_kb, theirs_kb = ([grown / some for grown in runs.of("grown_kb")] for runs in (stalled, their_stalled))
    yield Measure("stream.memory_stalled[KB]", ours_kb, theirs_kb)
    yield Measure("stream.many_memory[MB]", _megabytes(many), _megabytes(their_many))
    yield Measure("stream.many_stop[s]", many.of("stop_seconds"), their_many.of("stop_seconds"))
    yield Measure("stream.memory[KB/client]", many.of("memory_kb_per_client"), their_many.of("memory_kb_per_client"))


def run(
    start: Callable[[Path], AbstractContextManager[Server]],
    clients: int,
    alerts: int,
    *,
    stalled: int = 0,
) -> Run:
    """Return how a server does that tells `clients` of `alerts`; whatever is not as it must be fails.

    Args:
        start: Runs the server in a directory.
        clients: That read.
        alerts: Ten a second.
        stalled: Further clients, which do not read.
    """
    with tempfile.TemporaryDirectory() as directory, start(Path(directory)) as server, ExitStack() as stack:
        tokens = [server.service.token() for _ in range(clients + stalled)]
        with connected(server.url, tokens[:_FIRST_CLIENTS], _FIRST_CLIENTS):
            pass
        before_kb = memory_kib(server.pid)
        audience = stack.enter_context(connected(server.url, tokens, clients, stalled=stalled))
        memory_kb = memory_kib(server.pid)
        filling = _FILLING_ALERTS if stalled else 0
        for number in range(filling):
            tell(server.service, alert(alerts + number))
        audience.receipts(filling)
        cpu = cpu_seconds(server.pid)
        sent_at = publish(server, alerts)
        grown_kb = memory_kib(server.pid) - memory_kb
        receipts = audience.receipts(alerts)
        cpu = cpu_seconds(server.pid) - cpu
        if stalled:
            late = audience.receipts(0, stalled_read=True)
            receipts.faults.extend(late.faults)
            assert not late.shown_out, f"{late.shown_out} were shown out before their memory was looked at"
        if receipts.faults:
            raise AssertionError(f"{len(receipts.faults)} faults: {receipts.faults[:5]}")
        delays = receipts.delays_ms(sent_at)
        return Run(
            p50=delays[len(delays) // 2],
            p99=delays[int(len(delays) * 0.99)],
            cpu=cpu,
            memory_kb=memory_kb,
            memory_kb_per_client=(memory_kb - before_kb) / (clients + stalled),
            grown_kb=grown_kb,
            # The peer waits ten seconds for those that stalled, which is no part of this measure.
            stop_seconds=math.nan if stalled else server.stop(),
        )


def publish(server: Server, alerts: int) -> dict[int, float]:
    """Publish alerts at their pace; return by event id when the doorbell was rung."""
    sent_at: dict[int, float] = {}
    due_at = time.monotonic()
    for number in range(alerts):
        time.sleep(max(0.0, due_at - time.monotonic()))
        due_at += 1 / _ALERTS_PER_SECOND
        event_id, rung_at = tell(server.service, alert(number))
        sent_at[event_id] = rung_at
    return sent_at


def _megabytes(runs: Runs) -> list[float]:
    return [kilobytes / 1024 for kilobytes in runs.of("memory_kb")]
