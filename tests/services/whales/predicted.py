"""What should become of predictions by the contract, worked out slowly from what becomes of transactions.

A prediction goes by the txid that it was published with. It is about one version of a payment at a time: what takes
the place of that one in the mempool is the next, and a version that had come to an end and comes back is it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.services.whales.whale_store import WhalePrediction
from tests.fakes.whale_store import MemoryWhales

# Of a prediction, as its alert tells it and as it is scored.
_PUBLISHED = (
    "prediction_id",
    "tip_height",
    "predicted_block",
    "earliest_block",
    "latest_block",
    "next_block_probability",
    "urgency_score",
    "ahead_vb",
)


@dataclass
class Predicted:
    """What a prediction is about.

    Attributes:
        txid: What it was published with.
        tip_height: Of the chain at that moment.
        about: The present version.
        versions: What it has been about.
    """

    txid: str
    tip_height: int
    about: str
    versions: set[str] = field(default_factory=set)

    def follow(self, replaced_by: Mapping[str, str | None]) -> None:
        """Go on to what took the place of what it is about."""
        self.versions.add(self.about)
        while (heir := replaced_by[self.about]) is not None:
            self.about = heir
            self.versions.add(heir)


def assert_published(store: MemoryWhales, row: WhalePrediction) -> None:
    """Fail unless what is scored is what the first alert said."""
    (alert,) = store.told("whale_alert", row.txid)
    assert {name: getattr(row, name) for name in _PUBLISHED} == {name: alert[name] for name in _PUBLISHED}


def is_on_time(row: WhalePrediction, outcome: str, height: int | None) -> bool | None:
    """Return whether the outcome came soon enough by the contract; None before there is one."""
    if outcome == "pending":
        return None
    horizon = row.predicted_block - row.tip_height
    return outcome == "confirmed" and height is not None and height <= row.predicted_block + max(1, horizon / 2)


def versions_of(store: MemoryWhales, txid: str) -> set[str]:
    """Return what was ever told to have taken the place of a transaction, or of what had done so, and itself."""
    updates = [(each["txid"], each["replaced_by"]) for each in store.told("status_update")]
    found, before = {txid}, set[str]()
    while found != before:
        before = found
        found = found | {heir for replaced, heir in updates if replaced in found and heir is not None}
    return found
