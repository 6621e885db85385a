"""The generator's whales on a real bitcoind: every shape, what becomes of them, and the record of who sent them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.node.lively_chain import SAT_PER_BTC, LivelyChain, lively_chain
from tests.node.programs.bitcoind_rpc import UnreachableError
from tests.node.programs.life.pace import Pace
from tests.node.programs.life.record import Record
from tests.node.programs.life.scripts import FIRST_EXCHANGE, Scripts
from tests.node.programs.life.shapes import SHAPES
from tests.node.programs.life.transaction import Transaction
from tests.node.programs.life.whales import NoCoinsError
from tests.whales.record import Sent, moved_sat, read_record, whales, whales_in_chain, whales_in_mempool

LEAST_SAT = 100 * SAT_PER_BTC
EXCHANGES = {script.hex() for script in Scripts(1).output[FIRST_EXCHANGE:]}


@pytest.fixture(scope="module")
def record_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("record") / "record.jsonl"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, record_file: Path) -> Iterator[LivelyChain]:
    record = Record(record_file, LEAST_SAT)
    with lively_chain(tmp_path_factory.mktemp("whales"), pace=Pace(20), record=record) as chain:
        yield chain


@pytest.fixture
def chain(shared: LivelyChain) -> Iterator[LivelyChain]:
    """The shared chain with nothing waiting; afterwards bitcoind has refused nothing, and the coins are right."""
    while shared.waiting():
        shared.mine(600)
    yield shared
    assert shared.refusals() == []
    shared.mine(600)
    assert shared.free_coins() == shared.truly_free_coins()


def described(chain: LivelyChain, made: Transaction) -> dict[str, Any]:
    return chain.transaction(made.txid)


def written(record_file: Path, made: Transaction) -> Sent:
    """Return the only line about a transaction."""
    (line,) = [each for each in read_record(record_file) if each.txid == made.txid]
    return line


def is_of_exchange(output: dict[str, Any]) -> bool:
    return output["scriptPubKey"]["hex"] in EXCHANGES


def flow(chain: LivelyChain, transaction: dict[str, Any]) -> str:
    """Return which way a transaction goes past the exchanges, by what bitcoind says of it and of its parents."""
    spent = [chain.transaction(each["txid"])["vout"][each["vout"]] for each in transaction["vin"]]
    own = {each["scriptPubKey"]["hex"] for each in spent}
    moved = [each for each in transaction["vout"] if each["scriptPubKey"]["hex"] not in own]
    leaves, enters = any(map(is_of_exchange, spent)), any(map(is_of_exchange, moved))
    names = {(True, True): "internal", (True, False): "outflow", (False, True): "inflow", (False, False): "unknown"}
    return names[leaves, enters]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_whale_of_each_shape_moves_what_is_written_down(chain: LivelyChain, record_file: Path, shape: str) -> None:
    for _ in range(2):
        chain.present.whales.send(150 * SAT_PER_BTC, "inflow")
    chain.mine(600)
    made = chain.present.whales.send(120 * SAT_PER_BTC, shape)
    line, seen = written(record_file, made), described(chain, made)
    assert line.moved_sat == moved_sat(chain.node, seen) >= 120 * SAT_PER_BTC
    assert (line.flow, line.outcome, line.replaces) == (flow(chain, seen), "accepted", None)
    if shape in {"inflow", "outflow", "internal"}:
        assert line.flow == shape


def test_the_shapes_differ_as_an_observer_sees_them(chain: LivelyChain) -> None:
    send = chain.present.whales.send
    merged, batch, mixed = (
        described(chain, send(120 * SAT_PER_BTC, shape)) for shape in ("consolidation", "batch", "coinjoin")
    )
    assert (len(merged["vin"]) >= 12, len(merged["vout"])) == (True, 1)
    assert len(batch["vout"]) >= 25
    values = sorted(output["value"] for output in mixed["vout"])
    assert max(len(list(equal)) for _, equal in itertools.groupby(values)) == len(mixed["vin"]) == 6


def test_coins_of_one_script_of_an_exchange_are_merged_when_there_are_enough(chain: LivelyChain) -> None:
    whales_of = chain.present.whales
    for _ in range(60):
        whales_of.send(12 * SAT_PER_BTC, "inflow")
        if len(chain.waiting()) % 20 == 0:
            chain.mine(600)
    chain.mine(600)
    merged = described(chain, whales_of.send(20 * SAT_PER_BTC, "consolidation"))
    scripts = {
        chain.transaction(spent["txid"])["vout"][spent["vout"]]["scriptPubKey"]["hex"] for spent in merged["vin"]
    }
    if scripts <= EXCHANGES:
        assert len(scripts) == 1
    assert len(merged["vin"]) >= 12


def test_a_bumped_whale_pays_more_and_moves_the_same_to_its_receiver(chain: LivelyChain, record_file: Path) -> None:
    first = chain.present.whale(130 * SAT_PER_BTC)
    fee = chain.waiting()[first.txid]["fees"]["base"]
    second = chain.present.whales.bump()
    third = chain.present.whales.bump(second.txid)
    assert set(chain.waiting()) == {third.txid}
    assert chain.waiting()[third.txid]["fees"]["base"] > fee
    assert 130 in [output["value"] for output in described(chain, third)["vout"]]
    assert written(record_file, second).replaces == first.txid
    assert written(record_file, third).replaces == second.txid


def test_a_cancelled_whale_gives_back_what_it_moved_and_that_is_written_down(
    chain: LivelyChain, record_file: Path
) -> None:
    first = chain.present.whale(130 * SAT_PER_BTC)
    cancelled = chain.present.whales.cancel(first.txid)
    line = written(record_file, cancelled)
    assert set(chain.waiting()) == {cancelled.txid}
    assert line.moved_sat == moved_sat(chain.node, described(chain, cancelled)) < LEAST_SAT
    assert line.replaces == first.txid
    assert cancelled.txid not in whales(read_record(record_file), LEAST_SAT)


def test_a_child_pays_for_a_whale_and_is_one_itself_if_it_spends_the_whole(
    chain: LivelyChain, record_file: Path
) -> None:
    parents = [chain.present.whale(110 * SAT_PER_BTC) for _ in range(2)]
    child = chain.present.whales.pay_for(parents[0].txid)
    heir = chain.present.whales.pay_for(parents[1].txid, with_largest=True)
    waiting = chain.waiting()
    for parent, paying in zip(parents, (child, heir), strict=True):
        assert waiting[paying.txid]["depends"] == [parent.txid]
        assert waiting[paying.txid]["fees"]["base"] > waiting[parent.txid]["fees"]["base"]
    assert written(record_file, heir).moved_sat >= LEAST_SAT


def test_a_burst_of_500_whales_is_complete_although_there_are_coins_for_a_few_only(
    chain: LivelyChain, record_file: Path
) -> None:
    sent = chain.present.whales.burst(500, LEAST_SAT)
    txids = {each.txid for each in sent}
    assert len(txids) == 500
    assert txids == set(whales_in_mempool(chain.node, LEAST_SAT))
    assert txids <= set(whales(read_record(record_file), LEAST_SAT))


def test_a_whale_can_be_mined_without_having_been_in_the_mempool(chain: LivelyChain, record_file: Path) -> None:
    height = chain.node.call("getblockcount")
    unseen = chain.present.whales.mine_unseen(140 * SAT_PER_BTC)
    assert whales_in_chain(chain.node, height, LEAST_SAT) == {unseen.txid: written(record_file, unseen).moved_sat}
    assert written(record_file, unseen).outcome == "mined"


@pytest.mark.parametrize("keep_sat", [None, SAT_PER_BTC])
def test_a_block_can_hold_what_conflicts_with_a_waiting_whale(
    chain: LivelyChain, record_file: Path, keep_sat: int | None
) -> None:
    waiting = chain.present.whale(140 * SAT_PER_BTC)
    winner = chain.present.whales.conflict(waiting.txid, keep_sat)
    assert chain.waiting() == {}
    assert winner.txid in chain.node.call("getblock", chain.node.call("getbestblockhash"))["tx"]
    assert (written(record_file, winner).replaces, written(record_file, winner).outcome) == (waiting.txid, "mined")


def test_what_was_in_blocks_that_were_taken_back_is_mined_again(chain: LivelyChain) -> None:
    whale = chain.present.whale(140 * SAT_PER_BTC)
    chain.mine(600)
    chain.mine(600)
    before = chain.node.call("getblockcount")
    hashes = chain.present.whales.reorganise(2)
    assert chain.node.call("getblockcount") == before + 1
    assert chain.node.call("getbestblockhash") == hashes[-1]
    assert described(chain, whale)["blockhash"] in hashes


def test_the_chain_can_be_reorganised_again_in_the_same_second(chain: LivelyChain) -> None:
    tips = {chain.present.whales.reorganise(2)[-1] for _ in range(4)}
    assert len(tips) == 4


def test_of_life_as_it_goes_on_all_that_moves_enough_is_written_down(chain: LivelyChain, record_file: Path) -> None:
    chain.present = chain.newcomer()
    chain.present._pace = Pace(20, share_whales=0.3)  # noqa: SLF001 - life with many whales, on the same chain
    height, before = chain.node.call("getblockcount"), {each.txid for each in read_record(record_file)}
    replaced = set[str]()
    for _ in range(8):
        chain.pay(30)
        replaced |= {each.replaces for each in read_record(record_file) if each.replaces}
        chain.mine(600)
    while chain.waiting():
        chain.mine(600)
    sent = {txid: line for txid, line in whales(read_record(record_file), LEAST_SAT).items() if txid not in before}
    mined = whales_in_chain(chain.node, height, LEAST_SAT)
    assert len(mined) >= 8
    assert mined == {txid: line.moved_sat for txid, line in sent.items() if txid not in replaced}


def test_a_whale_that_bitcoind_did_not_answer_for_is_written_down_as_unknown(tmp_path: Path) -> None:
    file = tmp_path / "record.jsonl"
    with lively_chain(tmp_path / "node", pace=Pace(5), record=Record(file, LEAST_SAT)) as chain:
        made = chain.present.whales.make(LEAST_SAT)
        chain.node.kill()
        with pytest.raises(UnreachableError):
            chain.present.whales.send_made(made)
        assert [(each.txid, each.outcome) for each in read_record(file)] == [(made.txid, "unknown")]
        chain.node.start()
        chain.present.send_again()
        chain.present.recover(chain.now)
        assert set(chain.waiting()) == {made.txid}
        chain.node.kill()
        chain.node.start()
        chain.present.send_again()
        chain.present.recover(chain.now)
        assert set(chain.waiting()) == {made.txid}
        assert [each.outcome for each in read_record(file)] == ["unknown", "accepted"]
        assert chain.free_coins() == chain.truly_free_coins()


def test_whales_that_waited_before_a_power_cut_are_sent_again_and_written_down_once(tmp_path: Path) -> None:
    file = tmp_path / "record.jsonl"
    with lively_chain(tmp_path / "node", pace=Pace(5), record=Record(file, LEAST_SAT)) as chain:
        first = chain.present.whales.send(LEAST_SAT)
        bumped = chain.present.whales.bump()
        child = chain.present.whales.pay_for(with_largest=True)
        # The second cut comes when the generator has found its coins anew.
        for _ in range(2):
            chain.node.kill()
            chain.node.start()
            assert chain.waiting() == {}
            chain.present.send_again()
            chain.present.recover(chain.now)
            assert set(chain.waiting()) == {bumped.txid, child.txid}
        assert [each.txid for each in read_record(file)] == [first.txid, bumped.txid, child.txid]


def test_without_a_waiting_whale_there_is_none_to_bump(chain: LivelyChain) -> None:
    with pytest.raises(NoCoinsError, match="no whale is waiting"):
        chain.present.whales.bump()
