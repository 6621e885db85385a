"""`make soak`: a real node, 200 transactions a second and faults, for half an hour; then what came of it.

python -m tests.whales.soak --minutes 30 --seed 1
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.fakes.stream_service import CHECKOUT
from tests.node.bitcoind import free_port
from tests.node.programs.life.pace import Pace
from tests.whales.appliance import WhaleAppliance
from tests.whales.client import FaithfulClient
from tests.whales.relay import relay
from tests.whales.soak.course import BLOCK_SECONDS, PAYMENTS_A_SECOND, Course
from tests.whales.soak.memory import MemoryWatch
from tests.whales.soak.report import Findings, score, table, undisturbed_delays
from tests.whales.verdict import Verdict, events_out_of_step, verdict
from tests.whales.watched import WHALE_BTC, Watched, watched

_REPORT = CHECKOUT / ".make" / "soak.md"
_CLIENTS = 4
_PACE = Pace(int(PAYMENTS_A_SECOND * BLOCK_SECONDS), whale_btc=(WHALE_BTC, 4 * WHALE_BTC))
# A little more than the demand: there is a backlog after a slow block, but it does not grow all the time, and memory
# neither.
_NODE_OPTION = "-blockmaxweight=3000000"
_SETTLED_SECONDS = 60.0


def main(arguments: Sequence[str]) -> int:
    """Soak, print the report and write it down; return 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="soak")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, default=_REPORT)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak") as directory:
        findings = soak(Path(directory), asked.minutes * 60, asked.seed)
    text = "\n".join([*table(findings), "", *(findings.failings or ["Nothing is wrong."]), ""])
    sys.stdout.write(text)
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(text, encoding="utf-8")
    return int(bool(findings.failings))


def soak(directory: Path, seconds: float, seed: int) -> Findings:
    """Run everything in `directory` for so long; return what was found."""
    with ExitStack() as stack:
        it = stack.enter_context(watched(directory, _NODE_OPTION, pace=_PACE))
        address = f"tcp://127.0.0.1:{free_port()}"
        between = stack.enter_context(relay(address, [it.appliance.node.zmq_rawtx, it.appliance.node.zmq_sequence]))
        it.appliance.detector.stop()
        it.appliance.detector.environ |= {"ZMQ_RAWTX_URL": address, "ZMQ_SEQUENCE_URL": address}
        it.appliance.detector.start()
        clients = [it.client]
        clients += [stack.enter_context(it.appliance.client(last_event_id=0)) for _ in range(_CLIENTS - 1)]
        above_height, began = it.appliance.node.call("getblockcount"), time.monotonic()
        memory = MemoryWatch([it.appliance.detector, it.appliance.websocket])
        course = Course(it, between, seed)
        course.run(seconds)
        ended = time.monotonic()
        memory.close()
        it.mine()
        return _findings(it, course, clients, memory, above_height, began, ended)


def _findings(  # noqa: PLR0913, PLR0917 - all that a soak leaves behind
    it: Watched,
    course: Course,
    clients: Sequence[FaithfulClient],
    memory: MemoryWatch,
    above_height: int,
    began: float,
    ended: float,
) -> Findings:
    appliance = it.appliance
    found = _settled(appliance, course, above_height, ended)
    newest = appliance.events()[-1]["id"]
    for client in clients:
        client.wait_for_event(newest)
    heights = range(above_height + 1, appliance.node.call("getblockcount") + 1)
    blocks = [appliance.node.call("getblock", appliance.node.call("getblockhash", height)) for height in heights]
    return Findings(
        minutes=(ended - began) / 60,
        sent=sum(count for kind, count in it.life.present.counts.items() if not kind.startswith("refused")),
        transactions=sum(block["nTx"] - 1 for block in blocks),
        blocks=len(blocks),
        course=course,
        verdict=found,
        out_of_step=events_out_of_step(appliance, clients),
        events=newest,
        lives=memory.longest_lives(),
        delays_seconds=undisturbed_delays(it.client, appliance, course.moments),
        score=score(appliance),
    )


def _settled(appliance: WhaleAppliance, course: Course, above_height: int, ended: float) -> Verdict:
    """Return what is found once nothing is wrong any more, or once that takes too long."""
    deadline = time.monotonic() + _SETTLED_SECONDS
    while True:
        found = verdict(appliance, course.storm.attention, above_height, ended)
        if not found.wrong or time.monotonic() > deadline:
            return found
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
