"""Known addresses, kept in the table `labels`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, func, select

from app.adapters.database.many_rows import KEYS, chunks, upsert
from app.adapters.database.tables import LabelRow
from app.domain.whales.addresses import address_of
from app.services.whales.label_lines import KnownAddress
from app.services.whales.labelling import Counts, OfSource
from app.services.whales.whale_store import Label

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from app.adapters.database.engine import Database

_COLUMNS = [getattr(LabelRow, name) for name in KnownAddress._fields]
# Who does not say when has said so when it was imported.
_SAID = (
    select(LabelRow.address, LabelRow.name, LabelRow.category)
    .where(LabelRow.address.in_(KEYS))
    .order_by(func.coalesce(LabelRow.asserted_at, LabelRow.imported_at), LabelRow.id)
)
# A transaction of so many takes a fraction of a second.
_PAGE_ROWS = 2000


class _Kept(NamedTuple):
    label: KnownAddress
    imported_at: datetime


class DatabaseLabels:
    """Answers `app.services.whales.whale_store.Labels` and `app.services.whales.labelling.LabelTable`."""

    def __init__(self, database: Database, network: str) -> None:
        self._database = database
        self._network = network

    def of_scripts(self, scripts: Collection[bytes]) -> Mapping[bytes, Label]:
        """Return the label of each output script that has one; of several sources the one that spoke last."""
        by_address = {address: each for each in scripts if (address := address_of(each, self._network)) is not None}
        if not by_address:
            return {}
        found: dict[bytes, Label] = {}
        with self._database.reading() as connection:
            for chunk in chunks(by_address):
                said = connection.execute(_SAID, {KEYS.key: chunk})
                found |= {by_address[address]: Label(*label) for address, *label in said}
        return found

    def keep(self, labels: Sequence[KnownAddress], now: datetime) -> Counts:
        """Put each in place of what its source said of its address before, all in one transaction.

        What was written with the same `now` is of the same file, and was counted then.
        """
        # The last word of a file that says two things of one address.
        latest = {(label.address, label.source): label for label in labels}
        with self._database.writing() as connection:
            there = _there(connection, {label.address for label in labels})
            written = [label for key, label in latest.items() if key not in there or there[key].label != label]
            rows = [{**label._asdict(), "imported_at": now} for label in written]
            upsert(connection, LabelRow, ("address", "source"), rows)
        new = latest.keys() - there.keys()
        before = {key: each.label for key, each in there.items() if each.imported_at != now and key in latest}
        same = sum(latest[key] == label for key, label in before.items())
        return Counts(len(new), len(before) - same, same)

    def is_empty(self) -> bool:
        """Return whether there is none."""
        with self._database.reading() as connection:
            return connection.execute(select(LabelRow.id).limit(1)).first() is None

    def sources(self) -> Sequence[OfSource]:
        """Return what there is, by source and category."""
        of_each = (
            select(LabelRow.source, LabelRow.category, func.count(), func.max(LabelRow.asserted_at))
            .group_by(LabelRow.source, LabelRow.category)
            .order_by(LabelRow.source, LabelRow.category)
        )
        with self._database.reading() as connection:
            return [OfSource(*row) for row in connection.execute(of_each)]

    def every(self, source: str | None) -> Iterator[KnownAddress]:
        """Yield the labels of `source`, or all, always in one order; many need no more memory than few."""
        last_id = 0
        while True:
            page = select(LabelRow.id, *_COLUMNS).where(LabelRow.id > last_id).order_by(LabelRow.id).limit(_PAGE_ROWS)
            with self._database.reading() as connection:
                rows = connection.execute(page if source is None else page.where(LabelRow.source == source)).all()
            if not rows:
                return
            for last_id, *label in rows:  # noqa: B007 - where the next page begins
                yield KnownAddress(*label)

    def remove(self, source: str) -> int:
        """Forget what `source` said; return of how many addresses.

        Each transaction takes some away, so that nobody waits long for his turn to write.
        """
        removed = last_id = 0
        while True:
            some = (
                select(LabelRow.id)
                .where(LabelRow.source == source, LabelRow.id > last_id)
                .order_by(LabelRow.id)
                .limit(_PAGE_ROWS)
            )
            with self._database.writing() as connection:
                ids = connection.execute(some).scalars().all()
                if not ids:
                    return removed
                connection.execute(delete(LabelRow).where(LabelRow.id.in_(ids)))
            removed, last_id = removed + len(ids), ids[-1]


def _there(connection: Connection, addresses: Collection[str]) -> dict[tuple[str, str], _Kept]:
    known = (
        _Kept(KnownAddress(*label), imported_at)
        for chunk in chunks(addresses)
        for *label, imported_at in connection.execute(
            select(*_COLUMNS, LabelRow.imported_at).where(LabelRow.address.in_(chunk))
        )
    )
    return {(each.label.address, each.label.source): each for each in known}
