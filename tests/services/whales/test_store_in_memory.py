"""The store in memory means what the database means: the same is written to both, and both remember the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.adapters.database.engine import Database, open_database
from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.migration import upgrade
from app.adapters.database.whales import DatabaseWhales
from app.services.storage import StorageError
from app.services.whales.whale_store import Changes
from tests.fakes.whale_store import MemoryWhales
from tests.fakes.whale_transactions import BTC
from tests.fakes.whale_watch import Watch


class Both(MemoryWhales):
    """Keeps everything in memory, and in a database as well."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = DatabaseWhales(database, lambda: None)

    def write(self, changes: Changes) -> None:
        super().write(changes)
        self.database.write(changes)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """A database at head, without rows."""
    database = open_database(f"sqlite:///{tmp_path / 'utxoracle.db'}", create=True)
    upgrade(database)
    yield database
    database.close()


def a_life(watch: Watch) -> None:
    """Let whales be replaced, confirmed, conflicted, missed, dropped, reverted and seen again."""
    watch.start()
    watch.turns()
    coin, other = watch.coin(200), watch.coin(300)
    watch.send(150, coin)
    watch.turns()
    second = watch.send(151, coin, fee_sat=5_000)
    watch.send(250, other)
    gone = watch.send(120)
    watch.turns()
    watch.node.evict(gone)
    watch.node.mine(second, watch.payment(7, other), watch.payment(500))
    watch.wait(5)
    watch.node.reorganise(1, [[second], []])
    watch.wait(700, step_seconds=10)
    watch.start()
    watch.node.send(gone)
    coin = watch.coin(400)
    watch.send(350, coin)
    lost = watch.send(130)
    watch.wait(10)
    watch.node.mine(watch.payment(3, coin), watch.payment(600))
    watch.node.evict(lost)
    watch.wait(700, step_seconds=10)


def test_both_remember_the_same(sqlite: Database) -> None:
    watch = Watch()
    store = watch.store = Both(sqlite)
    a_life(watch)
    found = store.remembered(100)
    told = store.database.remembered(100)
    assert told.chain == found.chain
    assert list(told.whales) == list(found.whales)
    long_ago = watch.clock.now() - timedelta(days=1)
    assert store.ended_below(200 * BTC, long_ago, 3) == store.database.ended_below(200 * BTC, long_ago, 3) != []
    txids = list(store.whales)
    assert len({whale.status for whale in store.whales.values()}) == 6
    assert store.database.find([*txids, "00" * 32]) == store.find([*txids, "00" * 32])
    assert sorted(store.database.predictions_of(txids), key=str) == sorted(store.predictions_of(txids), key=str)
    named = list(store.outcomes)
    assert sorted(store.database.predictions(named), key=str) == sorted(store.predictions(named), key=str)
    for block_hash in store.blocks:
        assert list(store.database.whales_in(block_hash)) == list(store.whales_in(block_hash))
    for last in (None, *store.pending_after(None, 100)):
        assert list(store.database.pending_after(last, 2)) == list(store.pending_after(last, 2))
    log = [(event.type, event.payload) for event in DatabaseEventLog(sqlite).after(0, 10_000)]
    assert log == store.events


def test_a_sighting_of_a_known_whale_writes_nothing_in_either(sqlite: Database) -> None:
    watch = Watch()
    store = watch.store = Both(sqlite)
    written: list[Changes] = []
    write = store.write
    store.write = lambda changes: (written.append(changes), write(changes))[1]  # type: ignore[method-assign, func-returns-value]
    watch.start()
    watch.turns()
    watch.send(150)
    watch.turn()
    (sighting,) = next(each.sightings for each in written if each.sightings)
    events = list(store.events)
    write(Changes(at=watch.clock.now(), sightings=[sighting]))
    assert store.events == events
    assert len(DatabaseEventLog(sqlite).after(0, 100)) == len(events)


def test_a_store_that_fails_writes_nothing() -> None:
    watch = Watch()
    watch.start()
    watch.store.is_failing = True
    watch.send(150)
    watch.turns()
    assert (watch.store.whales, watch.store.events, watch.store.writes) == ({}, [], 0)
    with pytest.raises(StorageError):
        watch.store.usd_per_btc()
