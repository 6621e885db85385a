"""What becomes of whales, and of what was predicted of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.whales.score import is_on_time
from app.services.whales.telling import NO_FORECAST, status_update, whale_alert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from app.services.whales.draft import Draft
    from app.services.whales.followed import Followed
    from app.services.whales.limits import DetectorLimits
    from app.services.whales.mempool_view import MempoolView
    from app.services.whales.predictions import Predicted
    from app.services.whales.telling import Reason
    from app.services.whales.whale_store import Whale, WhalePrediction

    Predictions = Sequence[Predicted]

_PENDING = "pending"


class Fates:
    """Moves whales from one status to the next, and drafts the rows and events of it.

    Predictions are read by the caller beforehand, so that nothing here can fail half-way. Those that are not of the
    whales in question do no harm.
    """

    def __init__(self, followed: Followed, draft: Draft, limits: DetectorLimits) -> None:
        self._followed = followed
        self._draft = draft
        self._limits = limits

    def confirm(
        self, whales: Sequence[Whale], predictions: Predictions, height: int, block_hash: str, at: datetime
    ) -> None:
        """A block holds these, whatever was believed of them before."""
        self._decide(whales, predictions, "confirmed", at, height, block_hash)

    def confirm_unseen(self, whales: Sequence[Whale], at: datetime) -> None:
        """Blocks hold these that nobody looked through: since when is not known, nor how good a prediction was."""
        for whale in whales:
            whale.replaced_by = None
            self._settle(whale, "confirmed", at)

    def conflict(
        self, whales: Sequence[Whale], predictions: Predictions, height: int, block_hash: str, at: datetime
    ) -> None:
        """A block spends what these wanted to spend; to be called after `confirm` of the same block."""
        self._decide(whales, predictions, "conflicted", at, height, block_hash)

    def give_up(self, whales: Sequence[Whale], predictions: Predictions, at: datetime) -> None:
        """These left the mempool and do not come back: dropped, or too old."""
        oldest = at - self._limits.lifetime
        self._decide([whale for whale in whales if whale.timestamp <= oldest], predictions, "expired", at)
        self._decide([whale for whale in whales if whale.timestamp > oldest], predictions, "dropped", at)

    def replace(self, whales: Sequence[Whale], predictions: Predictions, by: Whale, at: datetime) -> None:
        """The mempool holds `by`, which spends what these wanted to spend; their predictions are about it now."""
        for prediction, _ in _about(whales, predictions):
            prediction.final_txid = by.txid
            self._draft.predict(prediction)
        for whale in whales:
            whale.replaced_by = by.txid
            self._settle(whale, "replaced", at)

    def leave(self, whale: Whale, at: datetime, at_seconds: float) -> None:
        """It left the mempool; why, is not known yet."""
        if whale.left_at is None:
            whale.left_at = at
            self._draft.change(whale)
        self._followed.leave(whale, at_seconds)

    def stay(self, whale: Whale) -> None:
        """It is in the mempool, after all."""
        self._followed.come_back(whale)
        if whale.left_at is not None:
            whale.left_at = None
            self._draft.change(whale)

    def note_where(self, whales: Iterable[Whale], view: MempoolView, at: datetime, at_seconds: float) -> None:
        """These are in the mempool that `view` knows, or have left it."""
        for whale in whales:
            if view.knows(bytes.fromhex(whale.txid)):
                self.stay(whale)
            else:
                self.leave(whale, at, at_seconds)

    def reopen(self, whales: Sequence[Whale], predictions: Predictions, at: datetime, reason: Reason) -> None:
        """What was the end of these is none: they wait again. One that was missed is alerted to now."""
        for prediction, txid in _about(whales, predictions):
            prediction.final_txid, prediction.outcome = txid, _PENDING
            prediction.outcome_block = prediction.resolved_at = prediction.on_time = None
            self._draft.predict(prediction)
        for whale in whales:
            previous, whale.status = whale.status, _PENDING
            whale.replaced_by = whale.block_height = whale.block_hash = whale.confirmed_at = whale.left_at = None
            self._draft.change(whale)
            if previous == "missed":
                self._draft.tell(whale_alert(whale, NO_FORECAST, []))
            else:
                self._draft.tell(status_update(whale, previous=previous, at=at, reason=reason))
            self._followed.add(whale)

    def finish(self, whales: Sequence[Whale], predictions: Predictions, at: datetime) -> None:
        """The block that decided about these lies deep enough."""
        of = {row.prediction_id: row for row, _ in predictions}
        for whale in whales:
            self._draft.tell(
                status_update(
                    whale,
                    previous=whale.status,
                    at=at,
                    prediction=of.get(whale.prediction_id or ""),
                    is_final=True,
                    reason="final",
                )
            )

    def _decide(  # noqa: PLR0913, PLR0917 - what happened, to whom, where and when
        self,
        whales: Sequence[Whale],
        predictions: Predictions,
        status: str,
        at: datetime,
        height: int | None = None,
        block_hash: str | None = None,
    ) -> None:
        """End these, and resolve what was predicted of them."""
        resolved = {}
        for prediction, txid in _about(whales, predictions):
            prediction.final_txid = txid
            _resolve(prediction, status, at, height)
            self._draft.predict(prediction)
            resolved[prediction.prediction_id] = prediction
        for whale in whales:
            whale.block_height, whale.block_hash = height, block_hash
            whale.confirmed_at = at if status == "confirmed" else None
            whale.replaced_by = None
            self._settle(whale, status, at, resolved.get(whale.prediction_id or ""))

    def _settle(self, whale: Whale, status: str, at: datetime, prediction: WhalePrediction | None = None) -> None:
        previous, whale.status = whale.status, status
        whale.left_at = None
        self._draft.change(whale)
        self._draft.tell(status_update(whale, previous=previous, at=at, prediction=prediction))
        if whale.value_sat < self._limits.threshold_sat:
            # It took the place of a whale; should it come back, nothing about it would draw a look.
            self._followed.remember(whale)
        else:
            self._followed.remove(whale.txid)


def _about(whales: Sequence[Whale], predictions: Predictions) -> Iterator[tuple[WhalePrediction, str]]:
    """Yield the predictions that are about one of these from now on, each with the txid of that one.

    A prediction follows what it is about, and goes back to another version of the payment when that one had come to an
    end and is there again; but as long as a block confirms it, no other version matters.
    """
    txids = {whale.txid for whale in whales}
    back = [whale.txid for whale in whales if whale.status != _PENDING]
    for row, versions in predictions:
        if row.final_txid in txids:
            yield row, row.final_txid
        elif row.outcome != "confirmed" and (returned := [txid for txid in back if txid in versions]):
            # Of several in one block it goes back to the first.
            yield row, returned[0]


def _resolve(prediction: WhalePrediction, outcome: str, at: datetime, height: int | None) -> None:
    prediction.outcome, prediction.resolved_at = outcome, at
    prediction.outcome_block = height if outcome == "confirmed" else None
    prediction.on_time = (
        outcome == "confirmed"
        and height is not None
        and is_on_time(prediction.predicted_block, prediction.tip_height, height)
    )
