"""What becomes of whales while bitcoind is away, silent, overloaded or pruned: polling, and nothing lost or doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from tests.node.bitcoind import free_port
from tests.node.programs.bitcoind_rpc import BitcoindRpc, RpcError, UnreachableError
from tests.whales.appliance import Row
from tests.whales.relay import Relay, relay
from tests.whales.watched import WHALE_SAT, Watched, watched

_MOST_POLL_SECONDS = 5.0
_MOST_RECOVERY_SECONDS = 30.0
# A test of how long something takes allows for a machine with much else to do.
_LENIENCE_SECONDS = 3.0
_AWAY_SECONDS = 20.0
_HAMMERS = 8

Result = TypeVar("Result")


def heartbeat(it: Watched) -> Row:
    (found,) = [row for row in it.appliance.heartbeats() if row["service"] == "detector"]
    return found


def until_detector(
    it: Watched, state: str, source: str, seconds: float = _MOST_RECOVERY_SECONDS, *, since: datetime | None = None
) -> None:
    """Return once the detector says, later than `since`, that this is how it is."""

    def is_so() -> bool:
        beat = heartbeat(it)
        is_news = since is None or beat["beat_at"] > since
        return bool(is_news and (beat["state"], beat["detail"].get("source")) == (state, source))

    it.appliance.until(is_so, f"the detector to be {state} by {source}; it is {heartbeat(it)}", seconds)


def assert_told_once(it: Watched, *txids: str) -> None:
    """Assert that each whale is known, and alerted to exactly once."""
    alerts = [event["payload"]["txid"] for event in it.appliance.events("whale_alert")]
    assert {txid: alerts.count(txid) for txid in txids} == dict.fromkeys(txids, 1)


@pytest.mark.parametrize("end", [lambda it: it.appliance.bitcoind.stop(), lambda it: it.appliance.bitcoind.kill()])
def test_a_restart_of_bitcoind_loses_and_doubles_no_alert(it: Watched, end: Callable[[Watched], None]) -> None:
    """Once it keeps its mempool, and once it has lost it and gets it back from who sent it."""
    before = [it.whales.send(WHALE_SAT).txid for _ in range(3)]
    end(it)
    it.appliance.bitcoind.start()
    it.life.present.send_again()
    it.life.present.recover(time.time())
    after = [it.whales.send(WHALE_SAT).txid for _ in range(3)]
    for txid in [*before, *after]:
        it.alert(txid)
    until_detector(it, "ok", "stream")
    assert set(it.life.waiting()) >= {*before, *after}
    it.mine()
    for txid in [*before, *after]:
        it.status(txid, "confirmed")
    assert_told_once(it, *before, *after)


def test_a_node_that_is_down_for_long_is_said_to_be_and_is_followed_soon_after_it_is_back(it: Watched) -> None:
    waiting = it.whales.send(WHALE_SAT).txid
    it.alert(waiting)
    it.appliance.bitcoind.stop()
    down_at = time.monotonic()
    it.appliance.until(lambda: "node" in heartbeat(it)["detail"]["problems"], "the detector to say so")
    assert heartbeat(it)["state"] == "degraded"
    it.appliance.until(lambda: time.monotonic() > down_at + _AWAY_SECONDS, "a long while")
    it.appliance.bitcoind.start()
    back_at = time.monotonic()
    it.life.present.recover(time.time())
    new = it.whales.send(WHALE_SAT).txid
    it.alert(new)
    assert it.alert(new).at_seconds - back_at < _MOST_POLL_SECONDS + _LENIENCE_SECONDS
    until_detector(it, "ok", "stream")
    it.mine()
    for txid in (waiting, new):
        it.status(txid, "confirmed")
    assert_told_once(it, waiting, new)


def assert_polled_in_time(it: Watched, txid: str) -> None:
    """Assert that a whale is told of although the stream does not speak of it."""
    told = it.alert(txid)
    (sent_at,) = [each.sent_at_seconds for each in it.appliance.sent() if each.txid == txid]
    assert told.at_seconds - sent_at < _MOST_POLL_SECONDS + _LENIENCE_SECONDS
    assert told.message["source"] in {"snapshot", "polling"}


@contextmanager
def relayed(it: Watched) -> Iterator[Relay]:
    """Let the detector hear the node through a relay."""
    address = f"tcp://127.0.0.1:{free_port()}"
    with relay(address, [it.appliance.node.zmq_rawtx, it.appliance.node.zmq_sequence]) as between:
        it.appliance.detector.stop()
        before = dict(it.appliance.detector.environ)
        it.appliance.detector.environ |= {"ZMQ_RAWTX_URL": address, "ZMQ_SEQUENCE_URL": address}
        started = datetime.now(UTC)
        it.appliance.detector.start()
        until_detector(it, "ok", "stream", since=started)
        yield between
        it.appliance.detector.stop()
        it.appliance.detector.environ = before
        it.appliance.detector.start()


def test_a_silent_stream_is_noticed_and_the_mempool_is_polled_until_it_speaks_again(it: Watched) -> None:
    with relayed(it) as between:
        between.swallow()
        # These are the last of which it would have spoken; afterwards nothing happens for a while.
        silent = [it.whales.send(WHALE_SAT) for _ in range(2)]
        silent[1] = it.whales.bump(silent[1].txid)
        for whale in silent:
            assert_polled_in_time(it, whale.txid)
        silent.append(it.whales.send(WHALE_SAT))
        assert_polled_in_time(it, silent[-1].txid)
        until_detector(it, "degraded", "polling", _MOST_POLL_SECONDS + _LENIENCE_SECONDS)
        block = it.life.mine(0)
        it.wait_for_tip()
        assert it.status(silent[0].txid, "confirmed").message["block_hash"] == block["hash"]
        between.go_on()
        # Only what is said shows that it speaks again.
        spoken = it.whales.send(WHALE_SAT).txid
        it.alert(spoken)
        until_detector(it, "ok", "stream")
        it.mine()
        it.status(spoken, "confirmed")
        assert_told_once(it, *(whale.txid for whale in silent), spoken)


def test_an_overloaded_node_delays_whales_but_loses_none(tmp_path: Path) -> None:
    with watched(tmp_path, "-rpcthreads=1", "-rpcworkqueue=2") as it:
        stopped = threading.Event()
        hammers = [threading.Thread(target=hammer, args=(it, stopped)) for _ in range(_HAMMERS)]
        for each in hammers:
            each.start()
        sent = [persistently(lambda: it.whales.send(WHALE_SAT).txid) for _ in range(10)]
        persistently(lambda: it.appliance.node.mine(1))
        sent += [persistently(lambda: it.whales.send(WHALE_SAT).txid) for _ in range(5)]
        stopped.set()
        for each in hammers:
            each.join()
        it.mine()
        for txid in sent:
            it.status(txid, "confirmed")
        assert_told_once(it, *sent)


def hammer(it: Watched, stopped: threading.Event) -> None:
    """Ask for a lot, again and again, over a connection of its own."""
    rpc = BitcoindRpc(it.appliance.node.rpc_port, it.appliance.node.cookie)
    while not stopped.is_set():
        try:
            rpc.batch("getblockstats", [(height,) for height in range(100, 120)])
        except (UnreachableError, RpcError):
            stopped.wait(0.01)
    rpc.close()


def persistently(ask: Callable[[], Result]) -> Result:
    """Ask again until bitcoind has had time for it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return ask()
        except UnreachableError:
            assert time.monotonic() < deadline


def test_blocks_that_a_pruned_node_has_deleted_are_counted_and_said(tmp_path: Path) -> None:
    with watched(tmp_path, "-txindex=0", "-prune=1", "-fastprune") as it:
        known = it.whales.send(WHALE_SAT).txid
        it.alert(known)
        it.appliance.detector.stop()
        it.life.mine(0)
        first_lost = it.appliance.node.call("getblockcount")
        it.appliance.node.mine(500)
        pruned_to = it.appliance.node.call("pruneblockchain", it.appliance.node.call("getblockcount") - 290)
        assert pruned_to > first_lost
        it.appliance.detector.start()
        it.wait_for_tip()
        lost = pruned_to - first_lost + 1
        it.appliance.until(lambda: heartbeat(it)["detail"].get("lost_blocks") == lost, f"{lost} lost blocks to be said")
        assert "deleted before it was looked through" in it.appliance.detector.log()
        new = it.whales.send(WHALE_SAT).txid
        it.alert(new)
        assert_told_once(it, known, new)


def test_a_whale_that_waits_while_the_detector_is_down_is_told_of_when_it_is_back(it: Watched) -> None:
    it.appliance.detector.stop()
    stayed = it.whales.send(WHALE_SAT).txid
    mined = it.whales.mine_unseen(WHALE_SAT).txid
    it.appliance.detector.start()
    assert it.alert(stayed).message["source"] in {"snapshot", "polling"}
    assert it.row(mined)["status"] == "missed"
    it.mine()
    it.status(stayed, "confirmed")
    assert_told_once(it, stayed)
    assert it.heard(mined) == []
