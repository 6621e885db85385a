"""Whales on a deployed host: from the mempool of its bitcoind to a client beyond its proxy, through every fault."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.listener import URL, Listener, listener, sign_in
from tests.e2e.operator import Operator, inventory

DETECTOR = "utxoracle-detector.service"
# From an order to the message, with the way to the host and back; a whale by itself takes milliseconds.
SOON_SECONDS = 5.0
# Two from the block on, and the way there and back.
CONFIRMED_SECONDS = 4.0
# Health looks every five seconds, and the stream is back at most thirty after the node.
HEALED_SECONDS = 35.0
MOST_BLOCKS = 30
BURST_WHALES = 500
# For as many as a burst has, on a machine that does other things as well.
BURST_SECONDS = 20.0
# Debian's nginx has 768 connections a worker, of which a client of the stream takes two.
CROWD_CLIENTS = 1000
CROWD = Path(__file__).with_name("crowd.py")
MEMPOOL = "http://127.0.0.1:18443/rest/mempool/contents.json?verbose=false"


@pytest.fixture(scope="module")
def operator() -> Operator:
    return Operator(inventory())


@pytest.fixture(scope="module")
def token() -> str:
    return sign_in()


@pytest.fixture(autouse=True)
def quiet_chain(operator: Operator) -> Iterator[None]:
    """Nobody pays and nobody mines but for the test, and no coins of its whales wait for a block."""
    operator.wait("the detector is on the stream", lambda: operator.check("mempool_stream") == "ok")
    operator.life("stop")
    mine_all(operator)
    yield
    operator.life("start")


def order_whale(operator: Operator, btc: int = 500) -> str:
    txid: str = operator.life(f"whale {btc}")["txid"]
    return txid


def mine_all(operator: Operator) -> None:
    """Mine block after block until nothing waits."""
    for _ in range(MOST_BLOCKS):
        operator.life("mine 1")
        if operator.life("status")["waiting"] == 0:
            return
    raise AssertionError(f"{MOST_BLOCKS} blocks are too few for what waits")


def alert_of(client: Listener, txid: str, seconds: float = SOON_SECONDS) -> dict[str, Any]:
    return client.wait_for(seconds, type="whale_alert", txid=txid)


def recorded(operator: Operator, txid: str) -> list[list[Any]]:
    """Return status, prediction, height and satoshi moved of a transaction's row; no row is an empty list."""
    return operator.select(
        "SELECT status, prediction_id, block_height, moved_sat FROM whale_transactions WHERE txid = ?", txid
    )


def mine_until_confirmed(operator: Operator, txid: str) -> None:
    """Mine block after block until one holds the transaction; blocks are small and there is a queue."""
    program = f"import json, urllib.request as r; print(json.dumps({txid!r} in json.load(r.urlopen('{MEMPOOL}'))))"
    for _ in range(MOST_BLOCKS):
        operator.life("mine 1")
        if not json.loads(operator.root(shlex.join(["python3", "-c", program]))):
            return
    raise AssertionError(f"{txid} is in none of {MOST_BLOCKS} blocks")


def test_a_whale_reaches_a_client_with_its_prediction_and_its_block(operator: Operator, token: str) -> None:
    with listener(token) as client:
        txid = order_whale(operator)
        alert = alert_of(client, txid)
        assert alert["status"] == "pending"
        assert alert["source"] == "stream"
        assert alert["btc_value"] >= 500
        assert alert["inputs_resolved"] is True
        assert alert["prediction_id"] is not None
        assert alert["tip_height"] < alert["earliest_block"] <= alert["predicted_block"] <= alert["latest_block"]
        assert 0 <= alert["next_block_probability"] <= 1
        mine_until_confirmed(operator, txid)
        update = client.wait_for(CONFIRMED_SECONDS, type="status_update", txid=txid)
    assert (update["status"], update["previous_status"]) == ("confirmed", "pending")
    assert update["prediction_id"] == alert["prediction_id"]
    moved_sat = round(alert["btc_value"] * 100_000_000)
    row = ["confirmed", alert["prediction_id"], update["block_height"], moved_sat]
    assert recorded(operator, txid) == [row]
    assert len(client.told("whale_alert", txid)) == 1


def test_a_burst_of_whales_is_told_whale_by_whale_and_each_once(operator: Operator, token: str) -> None:
    with listener(token) as client:
        sent = operator.life(f"burst {BURST_WHALES}")["txids"]
        for txid in sent:
            alert_of(client, txid, BURST_SECONDS)
        mine_all(operator)
        confirmed = {"type": "status_update", "status": "confirmed", "previous_status": "pending"}
        for txid in sent:
            client.wait_for(BURST_SECONDS, txid=txid, **confirmed)
        alerts = Counter(each["txid"] for each in client.messages if each["type"] == "whale_alert")
        blocks = Counter(each["txid"] for each in client.messages if confirmed.items() <= each.items())
    assert len(sent) == BURST_WHALES
    assert alerts == Counter(sent)
    # Whales of earlier tests may still have had their block on the way.
    assert {txid: blocks[txid] for txid in sent} == dict.fromkeys(sent, 1)
    rows = (
        "SELECT status, COUNT(*) FROM whale_transactions WHERE txid IN (SELECT value FROM json_each(?)) GROUP BY status"
    )
    assert operator.select(rows, json.dumps(sent)) == [["confirmed", BURST_WHALES]]


def test_more_clients_than_debians_nginx_lets_in_are_told_of_a_whale(operator: Operator, token: str) -> None:
    words = ["python3", "-c", CROWD.read_text(encoding="utf-8"), str(urlsplit(URL).port), token, str(CROWD_CLIENTS)]
    told = json.loads(operator.root(shlex.join(words)))
    assert told == {"joined": CROWD_CLIENTS, "told": CROWD_CLIENTS, "problems": []}


def test_a_client_of_the_earlier_system_hears_of_whales_at_the_root_of_the_origin(
    operator: Operator, token: str
) -> None:
    with listener(token, "/") as client:
        alert_of(client, order_whale(operator))


def test_a_fee_bump_keeps_the_prediction(operator: Operator, token: str) -> None:
    with listener(token) as client:
        first = order_whale(operator)
        prediction = alert_of(client, first)["prediction_id"]
        second = operator.life(f"bump {first}")["txid"]
        update = client.wait_for(SOON_SECONDS, type="status_update", txid=first)
        assert (update["status"], update["replaced_by"]) == ("replaced", second)
        alert = alert_of(client, second)
    assert alert["prediction_id"] == prediction
    assert alert["replaces"] == [first]


def test_a_reorganisation_is_told_and_reverts(operator: Operator, token: str) -> None:
    with listener(token) as client:
        txid = order_whale(operator)
        alert_of(client, txid)
        mine_until_confirmed(operator, txid)
        client.wait_for(CONFIRMED_SECONDS, type="status_update", txid=txid, status="confirmed")
        operator.life("reorganise 1")
        assert txid in client.wait_for(SOON_SECONDS, type="reorg")["reverted"]
        assert client.wait_for(SOON_SECONDS, type="status_update", txid=txid, reason="reorganisation")


def test_a_whale_that_was_never_in_the_mempool_is_recorded_as_missed_and_alarms_nobody(
    operator: Operator, token: str
) -> None:
    with listener(token) as client:
        unseen = operator.life("unseen 500")["txid"]
        seen = order_whale(operator)
        alert_of(client, seen)
        assert client.told("whale_alert", unseen) == []
    operator.wait("it is recorded", lambda: [row[0] for row in recorded(operator, unseen)] == ["missed"], SOON_SECONDS)


def test_a_killed_detector_goes_on_and_tells_nothing_twice(operator: Operator, token: str) -> None:
    with listener(token) as client:
        before = order_whale(operator)
        alert_of(client, before)
        killed = operator.unit(DETECTOR, "MainPID")
        operator.root(f"systemctl kill --signal=KILL {DETECTOR}")
        # While nobody looks.
        meanwhile = order_whale(operator, 400)
        operator.wait("there is another", lambda: operator.unit(DETECTOR, "MainPID") not in {killed, "0"})
        alert_of(client, meanwhile, HEALED_SECONDS)
        after = order_whale(operator, 300)
        alert_of(client, after)
        assert [len(client.told("whale_alert", each)) for each in (before, meanwhile, after)] == [1, 1, 1]
    operator.wait("the detector is on the stream", lambda: operator.check("mempool_stream") == "ok")


def test_a_node_that_goes_and_comes_back_is_told_in_health_and_loses_nothing(operator: Operator, token: str) -> None:
    with listener(token) as client:
        before = order_whale(operator)
        alert_of(client, before)
        operator.root("systemctl stop bitcoind")
        try:
            operator.wait("the detector misses the node", lambda: operator.check("mempool_stream") == "degraded", 15)
        finally:
            operator.root("systemctl start bitcoind")
        operator.wait("the node is back", lambda: operator.check("bitcoind") == "ok")
        healed = "the detector is on the stream"
        operator.wait(healed, lambda: operator.check("mempool_stream") == "ok", HEALED_SECONDS)
        operator.wait(
            "the chain is alive", lambda: operator.root("life status >/dev/null && echo yes || true") == "yes"
        )
        after = order_whale(operator, 300)
        alert_of(client, after)
        assert [len(client.told("whale_alert", each)) for each in (before, after)] == [1, 1]
        # bitcoind keeps its mempool when it is stopped, and nobody may take that for an end.
        assert [each for each in client.told("status_update", before) if each["is_final"]] == []
