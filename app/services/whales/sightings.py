"""From a transaction that is worth a look to a whale that everybody knows of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.blocks.malformed import MalformedBlockError
from app.domain.whales.parts import read_parts
from app.services.whales.examination import new_whale
from app.services.whales.predictions import predictions_of
from app.services.whales.telling import whale_alert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.domain.whales.parts import Parts
    from app.services.whales.baseline import Baseline
    from app.services.whales.candidates import Candidate, Candidates
    from app.services.whales.chain import Chain
    from app.services.whales.clocks import Clocks
    from app.services.whales.draft import Draft
    from app.services.whales.examination import Examination, Looked
    from app.services.whales.fates import Fates
    from app.services.whales.followed import Followed
    from app.services.whales.forecasts import Forecasts
    from app.services.whales.let_go import LetGo
    from app.services.whales.limits import DetectorLimits
    from app.services.whales.mempool_node import Entry
    from app.services.whales.predictions import Predicted
    from app.services.whales.whale_store import Whale, WhalePrediction, WhaleStore

# Looked at in one turn: some tens of milliseconds.
_BATCH = 100


class Asked(NamedTuple):
    """A candidate, taken apart, and how the node says that it waits."""

    parts: Parts
    candidate: Candidate
    entry: Entry | None


class Sightings:
    """Looks at candidates, and drafts an alert for each that is a whale and that nobody knew.

    Args:
        store: Knows the whales of earlier times.
        examination: Tells what a transaction moves.
        forecasts: Tells when it will be mined, and
        baseline: what anybody could have said about that.
        chain: What was looked through.
        candidates: What is to be looked at.
        followed: The whales that wait,
        let_go: and those that do so unwatched.
        fates: Ends those that are replaced.
        draft: Takes what was found.
        limits: From where on, and how long.
        clocks: The time.
    """

    def __init__(  # noqa: PLR0913 - the parts that it connects, every one named
        self,
        *,
        store: WhaleStore,
        examination: Examination,
        forecasts: Forecasts,
        baseline: Baseline,
        chain: Chain,
        candidates: Candidates,
        followed: Followed,
        let_go: LetGo,
        fates: Fates,
        draft: Draft,
        limits: DetectorLimits,
        clocks: Clocks,
    ) -> None:
        self._store = store
        self._examination = examination
        self._forecasts = forecasts
        self._baseline = baseline
        self._chain = chain
        self._candidates = candidates
        self._followed = followed
        self._let_go = let_go
        self._fates = fates
        self._draft = draft
        self._limits = limits
        self._clocks = clocks
        # Known whales that are in the mempool again, by the block that is still to leave the chain before.
        self._until_it_leaves: dict[str, tuple[str, Candidate]] = {}

    def look(self) -> None:
        """Look at some of the candidates; may raise NodeError or StorageError, and what is not settled then stays."""
        self._go_on_with_those_whose_block_left()
        ready = self._candidates.ready(_BATCH)
        if ready:
            entries = self._examination.entries(list(ready))
            self._look_at([Asked(*each, entries.get(each[0].txid)) for each in self._taken_apart(ready)])

    def look_at_vanished(self) -> None:
        """Look at some of what was in the mempool, and has left it without a block that holds it."""
        late = dict(list(self._candidates.not_shown(self._clocks.seconds()).items())[:_BATCH])
        if late:
            self._look_at([Asked(*each, None) for each in self._taken_apart(late)], has_left=True)

    def _look_at(self, asked: Sequence[Asked], *, has_left: bool = False) -> None:
        self._let_go.recall(outpoint for each in asked for outpoint in each.parts.spent)
        known = self._store.find([each.parts.txid for each in asked])
        for each in asked:
            if each.parts.txid in known:
                self._see_again(known[each.parts.txid], each)
        new = [each for each in asked if each.parts.txid not in known]
        if not has_left:
            self._await_blocks([each for each in new if each.entry is None])
            new = [each for each in new if each.entry is not None]
        looked = self._examination.look([(each.parts, each.entry) for each in new])
        for each, found in zip(new, looked, strict=True):
            if not self._settle(found, each.candidate):
                # Whom it replaces is not written yet: in the next turn.
                return

    def _taken_apart(self, candidates: Mapping[str, Candidate]) -> list[tuple[Parts, Candidate]]:
        found = []
        for txid, candidate in candidates.items():
            try:
                found.append((read_parts(candidate.raw), candidate))
            except MalformedBlockError:
                self._candidates.done(txid)
        return found

    def _see_again(self, known: Whale, asked: Asked) -> None:
        """A known whale: it is in the mempool, maybe again, or only its bytes came once more."""
        whale = self._followed.get(known.txid) or known
        if asked.entry is not None:
            if whale.block_hash and self._chain.holds(whale.block_hash):
                # Of a node in initial block download one learns hours later that it leaves.
                self._until_it_leaves[whale.txid] = whale.block_hash, asked.candidate
                self._candidates.done(whale.txid)
                return
            rivals = self._followed.rivals(whale.txid, asked.parts.spent)
            if self._has_to_wait(rivals):
                return
            predictions = predictions_of(self._store, [whale, *rivals])
            if whale.status != "pending":
                self._fates.reopen([whale], predictions, self._clocks.now(), "returned")
            elif self._followed.get(whale.txid) is None:
                self._followed.add(whale)
            self._fates.stay(whale)
            self._fates.replace(rivals, predictions, whale, self._clocks.now())
        self._candidates.done(whale.txid)

    def _go_on_with_those_whose_block_left(self) -> None:
        for txid, (block_hash, candidate) in list(self._until_it_leaves.items()):
            if not self._chain.holds(block_hash) and self._candidates.add(txid, candidate.raw, candidate.source):
                del self._until_it_leaves[txid]

    def _has_to_wait(self, rivals: Sequence[Whale]) -> bool:
        """Return whether something about these has to be written first: what the store says has to be true."""
        return any(self._draft.holds(rival.txid) for rival in rivals)

    def _await_blocks(self, vanished: Sequence[Asked]) -> None:
        until = self._clocks.seconds() + self._limits.settle_seconds
        for each in vanished:
            self._candidates.vanish(each.parts.txid, until)

    def _settle(self, looked: Looked, candidate: Candidate) -> bool:
        """Draft what was found; return False when that has to wait for what is drafted to be written."""
        txid = looked.parts.txid
        rivals = self._followed.rivals(txid, looked.parts.spent)
        is_whale = looked.moved.moved_sat >= self._limits.threshold_sat
        if self._has_to_wait(rivals):
            return False
        if looked.entry is not None and not looked.moved.inputs_resolved and self._candidates.may_retry(txid):
            # A parent may have been mined between two questions.
            return True
        if is_whale or rivals:
            # Read before anything is changed: it may fail.
            predictions = predictions_of(self._store, rivals)
            self._sight(looked, candidate, rivals, predictions, is_whale=is_whale)
        self._candidates.done(txid)
        return True

    def _sight(
        self,
        looked: Looked,
        candidate: Candidate,
        rivals: Sequence[Whale],
        predictions: Sequence[Predicted],
        *,
        is_whale: bool,
    ) -> None:
        now = self._clocks.now()
        whale = new_whale(looked, candidate.source, now, self._forecasts.usd_per_btc())
        forecast, prediction = self._forecasts.of(whale, looked.entry)
        # It may have been gone before it could be looked at, and another one have its place.
        successor = None if looked.entry else next((each for each in rivals if each.left_at is None), None)
        replaced = [] if successor else rivals
        prediction = _published(whale, prediction, replaced, is_whale=is_whale)
        if prediction is not None:
            self._baseline.await_template(prediction.prediction_id)
        alert = whale_alert(whale, forecast, [each.txid for each in replaced]) if is_whale else None
        self._draft.sight(whale, prediction, alert)
        self._fates.replace(replaced, predictions, whale, now)
        if successor is not None:
            self._fates.replace([whale], [], successor, now)
            return
        self._followed.add(whale)
        if looked.entry is None:
            self._fates.leave(whale, now, self._clocks.seconds())


def _published(
    whale: Whale, prediction: WhalePrediction | None, replaced: Sequence[Whale], *, is_whale: bool
) -> WhalePrediction | None:
    """Return the prediction if it is the one to be scored: that of a first alert.

    What was said about the first of those that a whale takes the place of goes on being about it.
    """
    inherited = next((each.prediction_id for each in replaced if each.prediction_id), None)
    if inherited is None and is_whale:
        return prediction
    whale.prediction_id = inherited
    return None
