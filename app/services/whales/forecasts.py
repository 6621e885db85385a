"""What is said about when a whale will be mined, and the state of the mempool that it is said from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from app.services.whales.telling import NO_FORECAST
from app.services.whales.whale_store import WhalePrediction

if TYPE_CHECKING:
    from app.domain.mempool.outlook import Outlook
    from app.services.whales.chain import Chain
    from app.services.whales.clocks import Clocks
    from app.services.whales.mempool_node import Entry
    from app.services.whales.mempool_view import MempoolView
    from app.services.whales.whale_store import Whale, WhaleStore

# A price is asked for no more often.
_PRICE_SECONDS = 60.0


class Forecasts:
    """Says of a whale how urgent it is and which block will take it, as long as there is something to go by.

    Args:
        store: Knows the price.
        outlook: What waits, and what blocks take.
        view: Knows how fresh that is.
        chain: Knows the tip.
        clocks: The time.
        max_age_seconds: Of what it is said from.
    """

    def __init__(  # noqa: PLR0913 - the parts that it connects, every one named
        self,
        *,
        store: WhaleStore,
        outlook: Outlook,
        view: MempoolView,
        chain: Chain,
        clocks: Clocks,
        max_age_seconds: float,
    ) -> None:
        self._store = store
        self._outlook = outlook
        self._view = view
        self._chain = chain
        self._clocks = clocks
        self._max_age_seconds = max_age_seconds
        self._usd_per_btc: float | None = None
        self._price_asked_at: float | None = None

    def of(self, whale: Whale, entry: Entry | None) -> tuple[dict[str, Any], WhalePrediction | None]:
        """Note on `whale` what can be said of it; return the rest as an alert tells it, and what is kept to be scored.

        Without an entry, or without fresh fees of the mempool, nothing is said: never a guess.
        """
        tip_height = self._chain.known_height
        if entry is None or tip_height is None:
            return NO_FORECAST, None
        self._view.price_one(bytes.fromhex(whale.txid), entry)
        if not self._view.is_fresh(self._clocks.seconds(), self._max_age_seconds):
            return NO_FORECAST, None
        feerate = entry.effective_feerate_sat_vb
        urgency = self._outlook.urgency(feerate, entry.vsize_vb)
        package_vb = entry.ancestor_vsize_vb if entry.depends else entry.vsize_vb
        now = self._clocks.now()
        said = self._outlook.prediction(feerate, package_vb, now.timestamp())
        whale.prediction_id = uuid4().hex
        whale.urgency_score, whale.urgency_level = urgency.score, urgency.level
        whale.tip_height, whale.ahead_vb = tip_height, said.ahead_vb
        whale.predicted_block = tip_height + said.horizon.expected
        prediction = WhalePrediction(
            prediction_id=whale.prediction_id,
            txid=whale.txid,
            final_txid=whale.txid,
            predicted_at=now,
            tip_height=tip_height,
            predicted_block=whale.predicted_block,
            earliest_block=tip_height + said.horizon.earliest,
            latest_block=tip_height + said.horizon.latest,
            next_block_probability=said.next_block_probability,
            urgency_score=urgency.score,
            feerate_sat_vb=feerate,
            ahead_vb=said.ahead_vb,
            inputs=said.inputs,
            baseline_block=None,
            outcome="pending",
            outcome_block=None,
            resolved_at=None,
            on_time=None,
        )
        told = {
            "earliest_block": prediction.earliest_block,
            "latest_block": prediction.latest_block,
            "next_block_probability": prediction.next_block_probability,
        }
        return told, prediction

    def usd_per_btc(self) -> float | None:
        """Return the price of the last minute; None without one of the last day; may raise StorageError."""
        now_seconds = self._clocks.seconds()
        if self._price_asked_at is None or now_seconds - self._price_asked_at >= _PRICE_SECONDS:
            self._usd_per_btc, self._price_asked_at = self._store.usd_per_btc(), now_seconds
        return self._usd_per_btc
