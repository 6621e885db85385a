"""The mempool as the stream and snapshots tell it."""

from __future__ import annotations

import pytest

from app.domain.mempool.outlook import Outlook
from app.services.whales.candidates import Candidates
from app.services.whales.followed import Followed
from app.services.whales.mempool_view import MempoolView
from tests.fakes.whale_clock import SimulatedClock
from tests.fakes.whale_node import SimulatedNode
from tests.fakes.whale_transactions import BTC, Sent, pay, script_of


@pytest.fixture
def node() -> SimulatedNode:
    return SimulatedNode(SimulatedClock())


@pytest.fixture
def view(node: SimulatedNode) -> MempoolView:
    outlook = Outlook(is_proof_of_work=False, since=node.chain.tip.block.time)
    return MempoolView(node, outlook, Candidates(10), Followed(), threshold_sat=BTC)


def payment(node: SimulatedNode) -> Sent:
    return pay([node.give(BTC, script_of(1))], [(BTC - 1_000, script_of(2))])


def swept(node: SimulatedNode, view: MempoolView) -> bytes:
    """Return the txid of what one snapshot showed and the next one does not."""
    sent = payment(node)
    node.send(sent)
    view.take_snapshot()
    node.evict(sent)
    view.take_snapshot()
    return sent.txid_bytes


def test_what_a_snapshot_lacks_was_known_until_it_is_settled_that_no_block_has_it(
    node: SimulatedNode, view: MempoolView
) -> None:
    txid = swept(node, view)
    for _ in range(5):
        view.take_snapshot()
    assert view.was_known(txid)
    assert not view.knows(txid)
    view.settle()
    assert view.was_known(txid)
    view.settle()
    assert not view.was_known(txid)


def test_what_is_to_be_read_again_has_not_been_judged(node: SimulatedNode, view: MempoolView) -> None:
    sent = payment(node)
    node.send(sent)
    view.take_snapshot()
    view.price(1_000.0)
    view.read_on("snapshot")
    assert view.judged([sent.txid_bytes]) == {sent.txid_bytes}
    view.read_all_again()
    assert view.judged([sent.txid_bytes]) == set()
