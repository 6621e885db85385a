"""The whale appliance of the tests itself: bitcoind, alert stream and client, without a detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.node.lively_chain import LivelyChain
from tests.whales.appliance import WhaleAppliance, whale_appliance
from tests.whales.parts import NodePart
from tests.whales.record import whales, whales_in_chain, whales_in_mempool, whales_that_existed

BTC = 100_000_000


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[WhaleAppliance]:
    with whale_appliance(tmp_path, threshold_btc=10) as it:
        yield it


@pytest.fixture
def chain(appliance: WhaleAppliance) -> LivelyChain:
    return appliance.chain()


def test_a_client_gets_every_event_once_and_in_order_although_the_stream_is_killed(appliance: WhaleAppliance) -> None:
    with appliance.client() as client:
        appliance.stream.append(*range(50))
        appliance.websocket.kill()
        appliance.stream.append(*range(50), ring=False)
        appliance.websocket.start()
        newest = appliance.stream.append(*range(50))[-1]
        client.wait_for_event(newest)
        assert [each.event_id for each in client.events()] == [row["id"] for row in appliance.events()]
        assert [each.event_id for each in client.events("price_update")] == list(range(1, newest + 1))
        assert client.events("whale_alert") == []
        assert client.connects == 2
        assert client.faults == []
        times = [each.at_seconds for each in client.received]
        assert times == sorted(times)


def test_a_client_can_begin_with_what_happened_before_it_came(appliance: WhaleAppliance) -> None:
    ids = appliance.stream.append(*range(10))
    with appliance.client(last_event_id=ids[4]) as client:
        client.wait_for_event(ids[-1])
        assert [each.event_id for each in client.events()] == ids[5:]


@pytest.mark.parametrize(
    ("end", "survives"),
    [
        (lambda node: node.stop(), True),
        (lambda node: node.kill(saved=True), True),
        (lambda node: node.kill(), False),
    ],
)
def test_the_mempool_survives_as_the_test_wants_it(
    appliance: WhaleAppliance, chain: LivelyChain, end: Callable[[NodePart], None], *, survives: bool
) -> None:
    chain.present.whale(10 * BTC)
    before = set(chain.waiting())
    # Of an earlier stop; what is in it must not come back after a kill.
    appliance.bitcoind.stop()
    appliance.bitcoind.start()
    address = appliance.node.rpc_url, appliance.node.zmq_rawtx
    end(appliance.bitcoind)
    assert not appliance.bitcoind.is_running
    appliance.bitcoind.start()
    assert appliance.bitcoind.is_running
    assert set(chain.waiting()) == (before if survives else set())
    assert (appliance.node.rpc_url, appliance.node.zmq_rawtx) == address
    assert "Shutdown: done" in appliance.bitcoind.log()


@pytest.mark.parametrize("forgets", [False, True])
def test_blocks_survive_a_kill_unless_the_test_wants_them_forgotten(
    appliance: WhaleAppliance, *, forgets: bool
) -> None:
    appliance.node.mine(5)
    appliance.bitcoind.kill(forgets_blocks=forgets)
    appliance.bitcoind.start()
    assert appliance.node.call("getblockcount") == (0 if forgets else 5)


def test_what_was_sent_is_what_bitcoind_has(appliance: WhaleAppliance, chain: LivelyChain) -> None:
    height = appliance.node.call("getblockcount")
    burst = {each.txid for each in chain.present.whales.burst(40, 10 * BTC)}
    chain.pay(20)
    sent = {txid: each.moved_sat for txid, each in whales(appliance.sent(), appliance.threshold_sat).items()}
    assert burst <= sent.keys()
    assert whales_in_mempool(appliance.node, appliance.threshold_sat) == sent
    chain.mine(0)
    assert whales_in_chain(appliance.node, height, appliance.threshold_sat) == sent


def test_whales_existed_whether_bitcoind_accepted_or_only_mined_them(
    appliance: WhaleAppliance, chain: LivelyChain
) -> None:
    height = appliance.node.call("getblockcount")
    replaced = chain.present.whale(10 * BTC)
    bumped = chain.present.whales.bump()
    unseen = chain.present.whales.mine_unseen(10 * BTC)
    existed = whales_that_existed(appliance.node, appliance.sent(), height, appliance.threshold_sat)
    assert existed == {replaced.txid, bumped.txid, unseen.txid}


def test_the_addresses_of_the_exchanges_are_those_that_whales_flow_to(
    appliance: WhaleAppliance, chain: LivelyChain
) -> None:
    addresses = appliance.label_exchanges()
    inflow = chain.transaction(chain.present.whales.send(10 * BTC, "inflow").txid)
    transfer = chain.transaction(chain.present.whales.send(10 * BTC).txid)
    assert len(addresses) == 16
    assert sum(output["scriptPubKey"]["address"] in addresses for output in inflow["vout"]) == 1
    assert not any(output["scriptPubKey"]["address"] in addresses for output in transfer["vout"])


def test_sending_is_timed_by_the_clock_that_times_what_clients_receive(
    appliance: WhaleAppliance, chain: LivelyChain
) -> None:
    with appliance.client() as client:
        chain.present.whale(10 * BTC)
        newest = appliance.stream.append(1.0)[-1]
        client.wait_for_event(newest)
        (sent,), (received,) = appliance.sent(), client.events()
        assert 0 < received.at_seconds - sent.sent_at_seconds < 60


def test_a_part_that_ends_at_once_shows_its_own_words(appliance: WhaleAppliance) -> None:
    appliance.detector.environ["BITCOIN_NETWORK"] = "atlantis"
    with pytest.raises(AssertionError, match="detector ended with"):
        appliance.detector.start()
    assert appliance.detector.log()
    assert not appliance.detector.is_running
    with pytest.raises(AssertionError, match="detector ended with"):
        appliance.until(lambda: False, "what will never be")


def test_all_parts_can_be_killed_and_started_again(appliance: WhaleAppliance) -> None:
    running = [part for part in appliance.parts if part.is_running]
    assert [part.name for part in running] == ["bitcoind", "websocket"]
    for part in running:
        pid = part.pid
        part.kill()
        assert not part.is_running
        part.start()
        assert part.pid != pid
    assert appliance.node.call("getblockcount") == 0
    assert appliance.whales() == {}
    assert appliance.predictions() == {}
    assert appliance.heartbeats() == []
