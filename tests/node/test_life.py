"""The generator on a real bitcoind: its history, its present, and whether it can go on for weeks."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.domain.price.estimate import estimate_price
from tests.node.bitcoind import regtest_bitcoind
from tests.node.lively_chain import BLOCK_SECONDS, PAYMENTS, SAT_PER_BTC, STARTED, LivelyChain, lively_chain
from tests.node.programs.life.history import BLOCKS, History
from tests.node.programs.life.pace import COINS_PER_PAYMENT, Pace
from tests.node.programs.life.purse import Purse
from tests.node.programs.life.scripts import Scripts
from tests.node.programs.life.spending import WINDOW_BLOCKS, Spending
from tests.node.programs.life.transaction import Coin, Transaction
from tests.node.programs.life.whales import NoCoinsError
from tests.node.programs.price_path import PricePath

HOUR = 3600
DAY = 24 * HOUR
LEAST_POINTS = 500
LONG_RUN_BLOCKS = 160
# Sizes of coins, in bits of satoshi, that make up nearly all of the purse: 2,000 satoshi to 0.04 BTC.
USUAL_BITS = range(12, 23)

times = st.floats(1_600_000_000, 2_200_000_000)
seeds = st.integers(0, 1000)


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivelyChain]:
    with lively_chain(tmp_path_factory.mktemp("lively")) as chain:
        yield chain


@pytest.fixture(autouse=True)
def nothing_is_refused(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test lets happen on the shared chain, bitcoind refuses no transaction in it."""
    yield
    if "lively" in request.fixturenames:
        chain: LivelyChain = request.getfixturevalue("lively")
        assert chain.refusals() == []


def sizes(coins: Iterable[Coin]) -> Counter[int]:
    return Counter(coin.value_sat.bit_length() for coin in coins)


# The price


@given(seeds, times, st.floats(20_000, 500_000))
def test_the_price_is_a_function_of_seed_and_time_alone(seed: int, when: float, base_usd: float) -> None:
    assert PricePath(seed, base_usd).usd_at(when) == PricePath(seed, base_usd).usd_at(when)
    assert PricePath(seed, base_usd).usd_at(when) != PricePath(seed + 1, base_usd).usd_at(when)


@given(seeds, times)
def test_the_price_moves_but_slowly(seed: int, when: float) -> None:
    price = PricePath(seed, 97_000.0)
    hours = [price.usd_at(when + hour * HOUR) for hour in range(25)]
    assert len(set(hours)) == len(hours)
    assert all(abs(after / before - 1) < 0.004 for before, after in pairwise(hours))
    assert price.mean_usd(when + hour * HOUR for hour in range(25)) == pytest.approx(hours[-1], rel=0.01)


# The history


@pytest.mark.parametrize(("seed", "price_usd"), [(1, 97_000.0), (2, 30_000.0), (3, 250_000.0)])
def test_the_appliance_finds_the_price_of_the_history(tmp_path: Path, seed: int, price_usd: float) -> None:
    with lively_chain(tmp_path, seed=seed, price_usd=price_usd) as chain:
        found = chain.estimate()
        assert (found.first_height, found.last_height) == (BLOCKS - WINDOW_BLOCKS, BLOCKS - 1)
        assert found.own.window_price == pytest.approx(chain.true_usd(found), rel=0.01)
        assert found.own.objection is None


def test_the_same_seed_and_time_make_the_same_chain_and_another_seed_another(tmp_path: Path) -> None:
    def tip(name: str, seed: int) -> str:
        with regtest_bitcoind(tmp_path / name) as node:
            History(node.rpc, seed, PricePath(seed, 97_000.0), payments=5, now=STARTED).make()
            assert node.call("getblockcount") == BLOCKS
            best: str = node.call("getbestblockhash")
            return best

    assert tip("one", 1) == tip("again", 1) != tip("other", 2)


def test_the_history_is_a_day_that_ends_now(lively: LivelyChain) -> None:
    first, last, tip = (lively.header(height)["time"] for height in (BLOCKS - WINDOW_BLOCKS, BLOCKS - 1, BLOCKS))
    assert last - first == pytest.approx(DAY, rel=0.05)
    assert 0 <= STARTED - tip < 60
    assert not lively.node.call("getblockchaininfo")["initialblockdownload"]


def test_of_what_the_estimate_leaves_out_the_history_has_some_of_each_kind(lively: LivelyChain) -> None:
    day, created = list[dict[str, Any]](), set[str]()
    for height in range(BLOCKS - WINDOW_BLOCKS, BLOCKS):
        block = lively.node.call("getblock", lively.node.call("getblockhash", height), 2)
        created |= {each["txid"] for each in block["tx"]}
        day += block["tx"][1:]
    kinds = {
        "batches": sum(len(each["vout"]) > 3 for each in day),
        "notes": sum(any(out["scriptPubKey"]["type"] == "nulldata" for out in each["vout"]) for each in day),
        "sweeps": sum(len(each["vout"]) == 1 for each in day),
        "consolidations": sum(len(each["vin"]) >= 10 for each in day),
        "young coins": sum(any(spent["txid"] in created for spent in each["vin"]) for each in day),
        "old coins": sum(all(spent["txid"] not in created for spent in each["vin"]) for each in day),
    }
    assert min(kinds.values()) > len(day) / 100, kinds
    assert 5 <= len(lively.whales(day)) <= len(day) / 100


# The present


def test_payments_come_at_many_feerates(lively: LivelyChain) -> None:
    lively.pay(200)
    feerates = [each["fees"]["base"] * SAT_PER_BTC / each["vsize"] for each in lively.waiting().values()]
    assert min(feerates) < 1
    assert max(feerates) > 15
    assert len({round(each) for each in feerates}) > 10


def test_some_are_replaced_by_others_that_spend_the_same_and_pay_more(lively: LivelyChain) -> None:
    lively.pay(200)
    before = lively.waiting()
    spent = {txid: lively.outpoints(txid) for txid in before}
    lively.pay(200)
    after = lively.waiting()
    entered = {txid: lively.outpoints(txid) for txid in after.keys() - before.keys()}
    left = before.keys() - after.keys()
    assert left
    for txid in left:
        replacers = [other for other, outpoints in entered.items() if outpoints & spent[txid]]
        assert len(replacers) == 1
        assert after[replacers[0]]["fees"]["base"] > before[txid]["fees"]["base"]


def test_some_are_spent_before_they_are_mined_in_chains_that_pay_for_their_beginning(lively: LivelyChain) -> None:
    lively.pay(600)
    waiting = lively.waiting()
    children = [each for each in waiting.values() if each["depends"]]
    assert children
    assert max(each["ancestorcount"] for each in children) >= 3
    for child in children:
        parents = [waiting[txid] for txid in child["depends"]]
        assert all(child["fees"]["base"] / child["vsize"] > each["fees"]["base"] / each["vsize"] for each in parents)


def test_a_whale_moves_what_was_asked_for_to_scripts_that_are_not_its_own(lively: LivelyChain) -> None:
    made = lively.present.whale(100 * SAT_PER_BTC)
    txid = made.txid_le[::-1].hex()
    assert txid in lively.waiting()
    assert lively.moved_btc(lively.transaction(txid)) >= 100


def test_nobody_has_more_bitcoin_than_there_are(lively: LivelyChain) -> None:
    before = lively.free_coins()
    with pytest.raises(NoCoinsError, match="nobody has 20000 BTC in confirmed coins"):
        lively.present.whale(20_000 * SAT_PER_BTC)
    assert lively.free_coins() == before


def test_coins_of_a_refused_transaction_are_free_again(lively: LivelyChain) -> None:
    before = lively.free_coins()
    with pytest.raises(NoCoinsError, match="bitcoind refuses the whale: dust"):
        lively.present.whale(100)
    assert len(lively.refusals()) == 1
    lively.present.counts.clear()
    assert lively.free_coins() == before


def test_a_newcomer_finds_the_same_coins_and_goes_on(lively: LivelyChain) -> None:
    list(lively.live(3))
    lively.pay(200)
    assert lively.free_coins() == lively.truly_free_coins()
    before, height = lively.free_coins(), lively.present.ledger.tip
    lively.present = lively.newcomer()
    assert lively.free_coins() == before
    blocks = list(lively.live(5))
    assert [block["height"] for block in blocks] == [height + 1 + n for n in range(5)]
    assert all(block["nTx"] > PAYMENTS / 3 for block in blocks)
    assert lively.free_coins() == lively.truly_free_coins()


@pytest.mark.parametrize("instead", [0, 1, 2, 3])
def test_a_reorganisation_of_two_blocks_is_survived(lively: LivelyChain, instead: int) -> None:
    list(lively.live(2))
    fork = lively.present.ledger.tip - 2
    lively.node.call("invalidateblock", lively.node.call("getblockhash", fork + 1))
    if instead:
        lively.node.mine(instead)
    blocks = list(lively.live(3))
    assert blocks[0]["height"] == fork + instead + 1
    assert all(block["nTx"] > PAYMENTS / 3 for block in blocks)
    assert_the_coins_are_right_when_coinbases_ripen(lively)


def assert_the_coins_are_right_when_coinbases_ripen(lively: LivelyChain) -> None:
    # The coinbases of blocks that are no longer part of the chain would be missed only now.
    for _ in range(101):
        lively.mine(BLOCK_SECONDS)
    assert lively.free_coins() == lively.truly_free_coins()


def test_blocks_that_somebody_else_mined_are_noticed_before_the_next_payment(lively: LivelyChain) -> None:
    lively.pay(50)
    lively.node.mine(2)
    lively.pay(50)
    assert lively.present.ledger.tip_hash == lively.node.call("getbestblockhash")
    assert lively.free_coins() == lively.truly_free_coins()


def test_a_chain_that_slept_for_hours_wakes_with_a_new_block(lively: LivelyChain) -> None:
    list(lively.live(1))
    height = lively.present.ledger.tip
    lively.present.recover(lively.now + HOUR)
    assert lively.node.call("getblockcount") == height
    lively.present.recover(lively.now + 8 * HOUR)
    assert lively.node.call("getblockcount") == lively.present.ledger.tip == height + 1


def test_what_a_power_cut_took_from_the_mempool_is_forgotten(tmp_path: Path) -> None:
    with lively_chain(tmp_path, payments=20) as chain:
        chain.pay(300)
        chain.node.kill()
        chain.node.start()
        assert chain.waiting() == {}
        # The first child of what is gone is refused, and tells that it is gone.
        list(chain.live(10))
        chain.present.counts.clear()
        list(chain.live(3))
        assert chain.refusals() == []
        assert chain.free_coins() == chain.truly_free_coins()


def test_at_200_a_second_there_are_coins_for_all_and_none_is_refused(tmp_path: Path) -> None:
    seconds, rate = 10, 200
    busy = Pace(seconds * rate, seconds, share_whales=0.05, whale_btc=(10, 40))
    with regtest_bitcoind(tmp_path, extra=(f"-mocktime={STARTED:.0f}",)) as node:
        chain, sent = LivelyChain(node, pace=busy), 0
        for blocks_apart in (1, 3, 0, 1):
            for _ in range(blocks_apart * 5 * seconds):
                chain.present.pay(rate / 5, chain.now)
            assert chain.refusals() == []
            sent += chain.present.counts.total()
            chain.present.counts.clear()
            chain.mine(BLOCK_SECONDS)
        assert sent == 5 * busy.payments
        assert len(chain.present.ledger.purse) > busy.coins / 2


# Weeks


def test_it_lives_on_when_blocks_bring_no_new_coins_any_more(lively: LivelyChain) -> None:
    beginning = sizes(lively.free_coins())
    subsidy_ends = 4950
    lively.node.mine(subsidy_ends - lively.node.call("getblockcount"))
    whales, waiting = 0, list[int]()
    for block in lively.live(LONG_RUN_BLOCKS):
        whales += len(lively.whales(block["tx"]))
        waiting.append(lively.node.call("getmempoolinfo")["size"])
    assert block["tx"][0]["vout"][0]["value"] < 0.1
    found = lively.estimate()
    assert found.own.window_price == pytest.approx(lively.true_usd(found), rel=0.01)
    assert found.own.objection is None
    # One transaction in 500 is a whale; there is always a backlog, and it does not grow beyond what puts people off.
    assert whales >= LONG_RUN_BLOCKS * PAYMENTS / 500 / 2
    assert all(PAYMENTS / 2 < each < 7 * PAYMENTS for each in waiting[10:])
    coins = lively.free_coins()
    assert coins == lively.truly_free_coins()
    assert len(coins) == pytest.approx(PAYMENTS * COINS_PER_PAYMENT, rel=0.1)
    end = sizes(coins)
    assert all(1 / 2 < end[bits] / beginning[bits] < 2 for bits in USUAL_BITS), (beginning, end)


def test_every_window_of_weeks_shows_the_true_price() -> None:
    # Without a bitcoind, which takes a hundred times longer: all that is sent is mined in the next block.
    chance, when, payments = random.Random(2), STARTED, 60
    price, purse = PricePath(2, 97_000.0), Purse(chance)
    spending = Spending(Scripts(2), purse, price, chance, payments * COINS_PER_PAYMENT)
    purse.add(old_coins(spending, when, payments * COINS_PER_PAYMENT))
    window = deque[list[Transaction]](maxlen=WINDOW_BLOCKS)
    for height in range(1, 12 * WINDOW_BLOCKS + 1):
        when += BLOCK_SECONDS
        made = [each for each in (spending.make(when, height - 1) for _ in range(payments)) if each]
        window.append(made)
        for each in made:
            assert_nobody_pays_himself(each)
            purse.add(each.coins_made(height))
        purse.add([Coin(b"coinbase".ljust(32), height, sum(each.fee_sat for each in made), 0, height)])
        if height % WINDOW_BLOCKS == 0:
            found = estimate_price(payments_btc(window, height - WINDOW_BLOCKS + 1))
            true = price.mean_usd(when - BLOCK_SECONDS * blocks for blocks in range(WINDOW_BLOCKS))
            assert found.price == pytest.approx(true, rel=0.01), f"after {height} blocks"
            assert found.n_points_near >= LEAST_POINTS
    assert len(purse) == pytest.approx(payments * COINS_PER_PAYMENT, rel=0.1)


def assert_nobody_pays_himself(transaction: Transaction) -> None:
    """Else the part of a whale that moves would be less than it pays."""
    scripts = [output.script for output in transaction.outputs]
    assert len(set(scripts)) == len(scripts)
    assert not {coin.script for coin in transaction.coins} & set(scripts)


def old_coins(spending: Spending, when: float, count: int) -> Iterator[Coin]:
    for number in range(count):
        yield Coin(number.to_bytes(32), 0, spending.amount_sat(when, 1.8), spending.script(), 0)


def payments_btc(window: Iterable[list[Transaction]], first_height: int) -> NDArray[np.float64]:
    """Return the amounts that the estimate may use."""
    usable = [
        each
        for made in window
        for each in made
        if len(each.outputs) == 2
        and len(each.coins) <= 5
        and not any(isinstance(output.script, bytes) for output in each.outputs)
        and all(coin.height < first_height for coin in each.coins)
    ]
    amounts = np.array([output.value_sat for each in usable for output in each.outputs]) / SAT_PER_BTC
    return amounts[(amounts > 1e-5) & (amounts < 1e5)]
