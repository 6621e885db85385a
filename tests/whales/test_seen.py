"""Whales of a real bitcoind reach clients of the stream: all of them, each once, within milliseconds."""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import ExitStack

from tests.whales.client import FaithfulClient
from tests.whales.watched import WHALE_SAT, Watched

_WHALES = 80
_WHALES_A_BLOCK = 30
_PAYMENTS_BETWEEN = 3
_MOST_P95_SECONDS = 0.1
_BURST = 500
_MOST_BURST_SECONDS = 30


def test_a_client_hears_of_a_whale_within_a_tenth_of_a_second_of_its_sending(it: Watched) -> None:
    received_at = {}
    for number in range(1, _WHALES + 1):
        it.life.pay(_PAYMENTS_BETWEEN)
        txid = it.whales.send(WHALE_SAT).txid
        received_at[txid] = it.alert(txid).at_seconds
        if number % _WHALES_A_BLOCK == 0:
            it.life.mine(0)
    sent_at = {each.txid: each.sent_at_seconds for each in it.appliance.sent()}
    delays = sorted(seconds - sent_at[txid] for txid, seconds in received_at.items())
    p50, p95 = statistics.median(delays), delays[int(0.95 * len(delays))]
    told = ", ".join(
        f"{name} {1000 * each:.1f} ms" for name, each in (("p50", p50), ("p95", p95), ("most", delays[-1]))
    )
    sys.stdout.write(f"from sending to the client: {told}\n")
    assert p95 <= _MOST_P95_SECONDS, told


def test_of_a_burst_every_client_gets_exactly_what_it_asked_for(it: Watched) -> None:
    it.mine()
    before = {each.txid for each in it.appliance.sent()}
    with ExitStack() as stack:
        large = stack.enter_context(it.appliance.client(min_btc=30))
        inflow = stack.enter_context(it.appliance.client(flow_types=["inflow"]))
        for _ in range(20):
            it.whales.send(2 * WHALE_SAT, "inflow")
        it.whales.burst(_BURST, WHALE_SAT)
        ended = time.monotonic()
        sent = {each.txid: each for each in it.appliance.sent() if each.txid not in before}
        wanted = {
            it.client: set(sent),
            large: {txid for txid, each in sent.items() if each.moved_sat >= 3 * WHALE_SAT},
            inflow: {txid for txid, each in sent.items() if each.flow == "inflow"},
        }
        assert len(sent) == 20 + _BURST
        assert 20 < len(wanted[large]) < _BURST
        it.appliance.until(
            lambda: all(len(_alerted(client, before)) >= len(txids) for client, txids in wanted.items()),
            f"a burst of {len(sent)} whales",
            _MOST_BURST_SECONDS,
        )
        sys.stdout.write(f"{len(sent)} whales at once: all told {time.monotonic() - ended:.2f} s after the last\n")
        it.mine()
        # What comes after all of it shows that nothing else is on its way.
        last = it.whales.send(3 * WHALE_SAT, "inflow").txid
        for client, txids in wanted.items():
            it.appliance.until(lambda: last in _alerted(client, before), "one more whale")  # noqa: B023 - asked at once
            assert sorted(_alerted(client, before)) == sorted([*txids, last])
            assert client.faults == []


def _alerted(client: FaithfulClient, before: set[str]) -> list[str]:
    """Return the txid of each alert that a client got of whales that were not there before."""
    alerts = [each.message["txid"] for each in client.events("whale_alert")]
    return [txid for txid in alerts if txid not in before]
