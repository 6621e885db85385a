"""The detector: what a transaction costs it, how much memory it takes, and how soon clients know of a whale."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.whales.parts import read_parts
from app.domain.whales.worth_a_look import is_worth_a_look
from tests.bench.api_load import saturated_api
from tests.bench.clients_run import ClientsRun, clients_run, log_peer, nothing, ours
from tests.bench.crowd import crowd
from tests.bench.detector_run import watcher
from tests.bench.live_run import LiveScene, live_run
from tests.bench.measure import Measure
from tests.bench.price import in_turns
from tests.bench.recorder import Scene, recorded
from tests.bench.recording import RAWTX, Recording, load, save
from tests.bench.replay_node import ReplayedNode, replayed
from tests.bench.stream_servers import cpu_seconds
from tests.fakes.published import CHECKOUT

_MICROSECONDS = 1e6
_STALLED_SHARE = 0.05
# All that there are: nothing that moves less is worth a look.
_NOBODY_MOVES_SAT = 21_000_000 * 100_000_000

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured.

    Attributes:
        scene: What is recorded.
        per_second: Transactions, as it is replayed.
        clients: That are told.
        many: That are told in the run that asks how many there can be.
        crowd: Transactions that wait when a detector starts.
        crowd_whales: Of these.
        live: What goes on at a real bitcoind.
        rounds: Of ours and the peer in turns.
    """

    scene: Scene = field(default_factory=Scene)
    per_second: float = 2_000
    clients: int = 1_000
    many: int = 5_000
    crowd: int = 300_000
    crowd_whales: int = 300
    live: LiveScene = field(default_factory=LiveScene)
    rounds: int = 3


def measures(size: Size, progress: Progress) -> Iterator[Measure]:
    """Yield every measure of the detector."""
    kept = recorded(size.scene, progress)
    recording = load(kept)
    progress("detector: reject")
    yield from reject(recording, size.rounds)
    yield from steady(kept, recording, size, progress)
    yield from to_clients(kept, recording, size, progress)
    yield from disturbed(kept, recording, size, progress)
    yield from to_many(kept, recording, size, progress)
    yield from start(size, progress)
    yield from live(size, progress)


def reject(recording: Recording, rounds: int) -> Iterator[Measure]:
    """Compare a look at each transaction with taking it apart."""
    raws = [frame.body for frame in recording.frames if frame.topic == RAWTX]
    look, apart = in_turns(
        rounds,
        lambda: [is_worth_a_look(raw, recording.threshold_sat, ()) for raw in raws],
        lambda: [read_parts(raw) for raw in raws],
    )
    each = _MICROSECONDS / len(raws)
    yield Measure("detect.reject[us]", [seconds * each for seconds in look], [seconds * each for seconds in apart])


def steady(kept: Path, recording: Recording, size: Size, progress: Progress) -> Iterator[Measure]:
    """Compare a detector that finds no whale with a program that only receives."""
    detector, bare = [], []
    for number in range(1, size.rounds + 1):
        progress(f"detector, round {number} of {size.rounds}: no whales")
        detector.append(_quiet_cpu_seconds(kept, recording, size.per_second))
        progress(f"detector, round {number} of {size.rounds}: only receiving")
        bare.append(_bare_cpu_seconds(kept, size.per_second))
    each = _MICROSECONDS / recording.transactions
    yield Measure("detect.transaction[us]", [used * each for used in detector], [used * each for used in bare])


def to_clients(kept: Path, recording: Recording, size: Size, progress: Progress) -> Iterator[Measure]:
    """Compare our way to clients with `websockets.broadcast`, behind the same detector."""
    us: list[ClientsRun] = []
    them: list[ClientsRun] = []
    for number in range(1, size.rounds + 1):
        for name, runs, serve in (("ours", us, ours), ("the peer", them, log_peer)):
            progress(f"whales to {size.clients} clients, round {number} of {size.rounds}: {name}")
            runs.append(clients_run(kept, recording, size.per_second, size.clients, serve))
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Measure(
            f"whales.{name}[ms]", [run.quantile_ms(share) for run in us], [run.quantile_ms(share) for run in them]
        )
    yield Measure("whales.worst[ms]", [run.worst_ms for run in us], [run.worst_ms for run in them])
    yield Measure("whales.server_cpu[s]", [run.server_cpu_seconds for run in us], [r.server_cpu_seconds for r in them])
    each = _MICROSECONDS / recording.transactions
    yield Measure(
        "detect.all_in[us]",
        [run.detector_cpu_seconds * each for run in us],
        [run.detector_cpu_seconds * each for run in them],
    )
    yield Measure("detect.memory[MB]", [run.memory_mb for run in us], [run.memory_mb for run in them])


def disturbed(kept: Path, recording: Recording, size: Size, progress: Progress) -> Iterator[Measure]:
    """Compare our way to clients when something disturbs it with the same way left alone, in turns."""
    some = max(1, int(size.clients * _STALLED_SHARE))
    runs: dict[str, list[ClientsRun]] = {"left alone": [], "one in twenty stalled": [], "the API saturated": []}
    for number in range(1, size.rounds + 1):
        for name, (stalled, beside) in zip(runs, ((0, nothing), (some, nothing), (0, saturated_api)), strict=True):
            progress(f"whales to {size.clients} clients, round {number} of {size.rounds}: {name}")
            runs[name].append(
                clients_run(kept, recording, size.per_second, size.clients, ours, stalled=stalled, beside=beside)
            )
    calm, stalled_runs, saturated = ([run.quantile_ms(0.99) for run in each] for each in runs.values())
    yield Measure("whales.p99_some_stalled[ms]", stalled_runs, calm)
    yield Measure("whales.p99_api_saturated[ms]", saturated, calm)


def to_many(kept: Path, recording: Recording, size: Size, progress: Progress) -> Iterator[Measure]:
    """Compare both ways to more clients than anybody expects, once."""
    progress(f"whales to {size.many} clients: ours")
    mine = clients_run(kept, recording, size.per_second, size.many, ours)
    progress(f"whales to {size.many} clients: the peer")
    theirs = clients_run(kept, recording, size.per_second, size.many, log_peer)
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Measure(f"whales.many_{name}[ms]", [mine.quantile_ms(share)], [theirs.quantile_ms(share)])
    yield Measure("whales.many_cpu[s]", [mine.server_cpu_seconds], [theirs.server_cpu_seconds])


def start(size: Size, progress: Progress) -> Iterator[Measure]:
    """Compare a start at a full mempool with reading it in one answer."""
    progress(f"detector: {size.crowd} transactions wait at its start")
    waiting = crowd(size.crowd, size.crowd_whales)
    with tempfile.TemporaryDirectory() as directory:
        kept = Path(directory) / "crowd"
        save(waiting, kept)
        with replayed(kept) as node:
            seconds, peak_mb = _start(node, waiting, Path(directory) / "detector")
            command = [sys.executable, "-m", "tests.bench.verbose_mempool", node.rpc_url]
            said = json.loads(subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True).stdout)
    yield Measure("detect.start_300k[s]", [seconds], [said["seconds"]])
    yield Measure("detect.start_300k[MB]", [peak_mb], [said["peak_mb"]])


def live(size: Size, progress: Progress) -> Iterator[Measure]:
    """Compare both ways to clients beside each other at a real bitcoind."""
    progress(f"whales of a real bitcoind to {size.live.clients} clients")
    mine, theirs = live_run(size.live)
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Measure(f"whales.live_{name}[ms]", [_quantile(mine, share)], [_quantile(theirs, share)])


def _start(node: ReplayedNode, waiting: Recording, directory: Path) -> tuple[float, float]:
    """Return how long a detector takes to know a mempool and alert to its whales, and its largest memory."""
    with watcher(directory, node.rpc_url, waiting.threshold_sat) as it:
        began = time.monotonic()
        it.begin(node, waiting)
        seconds = time.monotonic() - began
        if set(it.alerts()) != set(waiting.whales):
            raise AssertionError("not exactly the whales that wait were alerted to")
        return seconds, it.memory_mb("VmHWM")


def _quiet_cpu_seconds(kept: Path, recording: Recording, per_second: float) -> float:
    with (
        tempfile.TemporaryDirectory() as directory,
        replayed(kept) as node,
        watcher(Path(directory), node.rpc_url, _NOBODY_MOVES_SAT) as it,
    ):
        it.begin(node, recording, finds_whales=False)
        before = it.cpu_seconds()
        node.replay(per_second)
        return it.cpu_seconds() - before


def _bare_cpu_seconds(kept: Path, per_second: float) -> float:
    with replayed(kept) as node:
        command = [sys.executable, "-m", "tests.bench.bare_receiver", node.zmq_address]
        with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as receiver:
            try:
                assert receiver.stdout is not None
                receiver.stdout.readline()
                before = cpu_seconds(receiver.pid)
                node.replay(per_second)
                return cpu_seconds(receiver.pid) - before
            finally:
                receiver.kill()


def _quantile(delays: list[float], share: float) -> float:
    return delays[min(len(delays) - 1, int(len(delays) * share))]
