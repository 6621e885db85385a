"""What was predicted of whales, and of which versions of a payment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Mapping, Sequence

    from app.services.whales.whale_store import Whale, WhalePrediction, WhaleStore


class Predicted(NamedTuple):
    """A prediction.

    Attributes:
        row: As it is kept.
        versions: The txids of some of what it has been about, the whales that were asked for among them.
    """

    row: WhalePrediction
    versions: Container[str]


def predictions_of(store: WhaleStore, whales: Sequence[Whale]) -> Sequence[Predicted]:
    """Return what was predicted of these, and what is about them or their heirs; may raise StorageError.

    What takes the place of several carries the prediction of one of them. That the others were about it as well, before
    it was replaced itself, is told by the way that leads from what each was published with.
    """
    if not whales:
        return []
    heirs = _heirs(store, {whale.replaced_by for whale in whales if whale.replaced_by})
    own = store.predictions([whale.prediction_id for whale in whales if whale.prediction_id])
    about = store.predictions_of({whale.txid for whale in whales} | heirs.keys())
    if heirs:
        heirs |= _heirs(store, {row.txid for row in about})
    rows = {row.prediction_id: row for row in [*own, *about]}
    versions = {row.prediction_id: set(_way(row.txid, heirs)) for row in rows.values()}
    for whale in whales:
        if whale.prediction_id in versions:
            versions[whale.prediction_id].add(whale.txid)
    return [Predicted(row, versions[prediction_id]) for prediction_id, row in rows.items()]


def _heirs(store: WhaleStore, txids: Collection[str]) -> dict[str, str | None]:
    """Return what took the place of each of these, and of that again, to the last."""
    heirs = dict[str, str | None]()
    while txids:
        known = store.find(txids)
        heirs |= {txid: known[txid].replaced_by if txid in known else None for txid in txids}
        txids = {heir for heir in heirs.values() if heir} - heirs.keys()
    return heirs


def _way(txid: str | None, heirs: Mapping[str, str | None]) -> Iterator[str]:
    while txid is not None:
        yield txid
        txid = heirs.get(txid)
