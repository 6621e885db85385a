"""What anybody could have said: in the node's own template means the next block, anything else the one after it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.services.whales.chain import Chain
    from app.services.whales.clocks import Clocks
    from app.services.whales.draft import Draft
    from app.services.whales.mempool_node import MempoolNode, Template
    from app.services.whales.whale_store import WhaleStore

# Of the time, that may pass in waiting for templates: a whale that is seen meanwhile is told of that much later. A node
# with a full mempool takes a tenth of a second for one.
_MOST_SHARE = 1 / 1000
# Predictions that wait for one: far more than a block holds whales, however long no template can be had.
_MOST_WAITING = 1_000


class Baseline:
    """Asks for a template shortly after whales were seen, never before they have been told of.

    A template takes the node far longer than anything else it is asked for, so several whales share one.
    """

    def __init__(  # noqa: PLR0913 - the parts that it connects, every one named
        self,
        *,
        node: MempoolNode,
        store: WhaleStore,
        chain: Chain,
        draft: Draft,
        clocks: Clocks,
        every_seconds: float,
    ) -> None:
        self._node = node
        self._store = store
        self._chain = chain
        self._draft = draft
        self._clocks = clocks
        self._every_seconds = every_seconds
        self._next_at = self._dear_until = 0.0
        self._asked_on: str | None = None
        self._waiting = deque[str](maxlen=_MOST_WAITING)

    def await_template(self, prediction_id: str) -> None:
        """Let a prediction have a naive one beside it."""
        self._waiting.append(prediction_id)

    def keep(self) -> None:
        """Draft the naive predictions that are due; may raise NodeError or StorageError.

        A whale whose block has come meanwhile gets none: what was known at its first sight cannot be had any more.
        """
        now_seconds, tip = self._clocks.seconds(), self._chain.tip
        # Of the same tip bitcoind gives the same template for some seconds, whatever has come meanwhile.
        is_new_tip = tip is not None and tip[1] != self._asked_on
        if not self._waiting or now_seconds < (self._dear_until if is_new_tip else self._next_at):
            return
        self._asked_on = None if tip is None else tip[1]
        template = self._ask(now_seconds)
        if template is not None and tip is not None and template.previous_hash == tip[1]:
            for prediction in self._store.predictions(list(self._waiting)):
                if prediction.tip_height == tip[0] and prediction.outcome == "pending":
                    is_next = prediction.txid in template.txids
                    prediction.baseline_block = tip[0] + (1 if is_next else 2)
                    self._draft.predict(prediction)
        self._waiting.clear()

    def _ask(self, began_seconds: float) -> Template | None:
        try:
            return self._node.template()
        finally:
            # Whatever came of it, one has waited.
            self._dear_until = began_seconds + (self._clocks.seconds() - began_seconds) / _MOST_SHARE
            self._next_at = max(began_seconds + self._every_seconds, self._dear_until)
