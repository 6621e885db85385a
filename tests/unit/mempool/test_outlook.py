"""The detector tells the outlook what happens, and asks it what will."""

from __future__ import annotations

import json
from itertools import count

import pytest

from app.domain.mempool.distribution import horizon
from app.domain.mempool.outlook import Outlook, Prediction

BEGAN = 1_750_000_000.0
BLOCK_VB = 20_000


class Chain:
    """A chain with a block every 100 seconds, watched from its beginning."""

    def __init__(self) -> None:
        self.outlook = Outlook(is_proof_of_work=False, since=BEGAN)
        self.now = BEGAN
        self.keys = count(1)
        self.outlook.block_time(BEGAN)

    def enter(self, feerate: float, vsize_vb: int = 1_000, entered_at: float | None = None) -> int:
        key = next(self.keys)
        self.outlook.added(key)
        self.outlook.priced(key, feerate, vsize_vb, self.now if entered_at is None else entered_at)
        return key

    def mine(self, *keys: int, vsize_vb: int = BLOCK_VB) -> None:
        self.now += 100
        for key in keys:
            assert self.outlook.mined(key)
        self.outlook.block_connected(vsize_vb, self.now)

    def predict(self, feerate: float, vsize_vb: int = 1_000, *, is_waiting: bool = False) -> Prediction:
        return self.outlook.prediction(feerate, vsize_vb, self.now, is_waiting=is_waiting)


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def crowded(chain: Chain) -> Chain:
    """Return a chain whose blocks are full: 40,000 vB stay at 2 sat/vB, while 15 pay 10 for each block."""
    for _ in range(40):
        chain.enter(2.0)
    for _ in range(15):
        chain.mine(*[chain.enter(10.0) for _ in range(15)])
    return chain


def test_in_an_empty_mempool_anybody_is_urgent_and_in_the_next_block(chain: Chain) -> None:
    assert chain.outlook.urgency(0.1, 0) == (1.0, "critical")
    prediction = chain.predict(0.1)
    assert prediction.horizon == (1, 1, 1)
    assert prediction.ahead_vb == 0
    fees = chain.outlook.fees()
    assert fees[:4] == (0, 0, None, None)
    assert fees.bands == []
    assert fees.projected_blocks == []


def test_who_pays_more_is_sooner(crowded: Chain) -> None:
    soon, late = crowded.predict(20.0), crowded.predict(1.5)
    assert soon.next_block_probability > 0.9
    assert late.next_block_probability < 0.1
    assert soon.horizon.expected == 1
    assert late.horizon.expected > 3
    assert late.ahead_vb == 40_000


def test_a_prediction_is_stored_with_all_it_was_computed_from(crowded: Chain) -> None:
    prediction = crowded.predict(1.5)
    stored = json.loads(json.dumps(prediction.inputs))
    assert stored["distribution"] == prediction.distribution
    assert horizon(stored["distribution"]) == prediction.horizon
    assert sum(stored["distribution"]) == pytest.approx(1.0, abs=1e-4)
    assert (stored["higher_vb"], stored["same_vb"], stored["package_vsize_vb"]) == (40_000, 0, 1_000)
    assert stored["block_sizes_vb"] == [BLOCK_VB] * 8
    assert stored["block_seconds"] == pytest.approx(101, abs=1)


def test_the_same_is_predicted_from_the_same(crowded: Chain) -> None:
    assert crowded.predict(1.5) == crowded.predict(1.5)


def test_a_transaction_does_not_wait_for_itself(chain: Chain) -> None:
    chain.enter(5.0, vsize_vb=700)
    assert chain.predict(5.0, 700, is_waiting=True).ahead_vb == 0
    chain.enter(5.0, vsize_vb=300)
    assert chain.predict(5.0, 700, is_waiting=True).ahead_vb == 150


def test_a_cheap_parent_that_a_child_pays_for_is_ahead_of_nobody_but_with_the_child(chain: Chain) -> None:
    parent = chain.enter(1.0, vsize_vb=400)
    chain.enter(6.0, vsize_vb=200)
    chain.outlook.lifted(parent, 6.0)
    assert chain.predict(6.0, 600, is_waiting=True).ahead_vb == 0
    assert chain.predict(3.0).ahead_vb == 600


def test_a_child_that_pays_less_changes_nothing(chain: Chain) -> None:
    parent = chain.enter(9.0)
    chain.outlook.lifted(parent, 3.0)
    chain.outlook.lifted(12345, 3.0)
    assert chain.predict(5.0).ahead_vb == 1_000


def test_what_left_or_was_mined_is_ahead_no_longer(chain: Chain) -> None:
    first, second = chain.enter(9.0), chain.enter(9.0)
    assert chain.outlook.left(first)
    assert chain.predict(5.0).ahead_vb == 1_000
    assert chain.outlook.mined(second)
    assert chain.predict(5.0).ahead_vb == 0
    assert not chain.outlook.left(first)
    assert not chain.outlook.mined(second)


def test_those_of_unknown_fee_are_taken_to_pay_as_the_others_do(chain: Chain) -> None:
    assert chain.outlook.priced_share == 1.0
    chain.enter(9.0)
    chain.enter(1.0)
    for key in (1001, 1002):
        chain.outlook.added(key)
    assert (len(chain.outlook), chain.outlook.unpriced, chain.outlook.priced_share) == (4, 2, 0.5)
    assert 1001 in chain.outlook
    assert chain.predict(5.0).ahead_vb == 2_000
    assert chain.outlook.urgency(5.0, 0).score == 0.5
    assert chain.outlook.fees().transaction_count == 4


def test_with_no_fee_known_at_all_a_prediction_is_still_possible(chain: Chain) -> None:
    chain.outlook.added(1)
    assert chain.outlook.priced_share == 0
    assert chain.predict(5.0).ahead_vb == 0


def test_a_change_of_price_is_not_another_arrival(chain: Chain) -> None:
    key = chain.enter(9.0)
    before = chain.predict(5.0).inputs["inflow_vb"]
    chain.outlook.priced(key, 9.5, 1_000, chain.now)
    assert chain.predict(5.0).inputs["inflow_vb"] == before


def test_what_was_there_before_we_looked_did_not_arrive(chain: Chain) -> None:
    chain.mine()
    other = Chain()
    other.mine()
    for _ in range(30):
        chain.enter(9.0)
        other.enter(9.0, entered_at=BEGAN - 3600)
    assert chain.predict(5.0).ahead_vb == other.predict(5.0).ahead_vb == 30_000
    assert chain.predict(5.0).inputs["inflow_vb"] > other.predict(5.0).inputs["inflow_vb"]


def test_what_comes_too_late_for_a_block_does_not_make_it_full(chain: Chain) -> None:
    """A block found just after another one holds little, and a little waits again when we see it."""
    for _ in range(5):
        chain.mine(*[chain.enter(10.0) for _ in range(20)])
    chain.enter(10.0, vsize_vb=1_400)
    chain.outlook.block_connected(3_000, chain.now + 2)
    assert chain.predict(5.0).inputs["block_sizes_vb"] == [998_000] * 8


def test_a_snapshot_says_what_still_waits(chain: Chain) -> None:
    gone, stays = chain.enter(9.0), chain.enter(8.0)
    chain.outlook.begin_sweep(expected=2)
    assert chain.outlook.mark(stays)
    assert not chain.outlook.mark(777)
    came = chain.enter(7.0)
    assert chain.outlook.sweep() == [gone]
    assert stays in chain.outlook
    assert came in chain.outlook
    assert chain.outlook.fees().vsize_vb == 2_000


def test_fees_are_those_of_blocks_as_large_as_they_are_here(crowded: Chain) -> None:
    for _ in range(10):
        crowded.enter(10.0)
    fees = crowded.outlook.fees()
    assert [block.vsize_vb for block in fees.projected_blocks] == [20_000, 20_000, 10_000]
    assert fees.next_block_feerate_sat_vb == pytest.approx(2.0, rel=0.005)
    assert fees.projected_blocks[0].highest_feerate_sat_vb == pytest.approx(10.0, rel=0.005)
    assert [band.transactions for band in fees.bands] == [10, 40]


def test_more_than_is_kept_is_counted_as_of_unknown_fee() -> None:
    outlook = Outlook(is_proof_of_work=True, since=BEGAN, most=2)
    for key in range(1, 5):
        outlook.added(key)
        outlook.priced(key, 5.0, 100, BEGAN)
    assert (len(outlook), outlook.unpriced) == (4, 2)
    assert outlook.prediction(1.0, 100, BEGAN, is_waiting=False).ahead_vb == 400


def test_nobody_outbids_himself(chain: Chain) -> None:
    chain.enter(5.0)
    assert chain.outlook.urgency(5.0, 0).score == 0.5
    assert chain.outlook.urgency(5.0, 1_000) == (1.0, "critical")


def test_one_that_a_full_table_does_not_hold_is_no_less_urgent_than_nobody() -> None:
    outlook = Outlook(is_proof_of_work=True, since=BEGAN, most=1)
    for key, feerate in ((1, 5.0), (2, 9.0)):
        outlook.added(key)
        outlook.priced(key, feerate, 1_000, BEGAN)
    assert outlook.urgency(9.0, 50_000).score == 1.0
    assert outlook.urgency(5.0, 50_000).score == 1.0
    assert outlook.urgency(1.0, 50_000).score == 0.0
