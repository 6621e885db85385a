"""How good predictions were, beside a naive one, each figure with of how many it speaks."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

from app.domain.mempool.distribution import randomised_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

# Of fewer a figure says more about chance than about the predictions.
LEAST_SAMPLE = 10
# Between these lie eight in ten of the transforms of probabilities that are right.
_CENTRE_FROM, _CENTRE_TO = 0.1, 0.9


class Resolved(NamedTuple):
    """A prediction whose end is known.

    Attributes:
        prediction_id: What says which it was.
        predicted_at: When it was made.
        tip_height: Of the chain at that moment; the next block was one higher.
        predicted_block: In which the transaction would be.
        earliest_block: Where the 80 % interval begins.
        latest_block: Where it ends.
        next_block_probability: Of being in the next block.
        distribution: Probability of each block from the next one on, the last one that of all later ones; empty when
            it was not told.
        baseline_block: What the naive prediction said; None: it said nothing.
        outcome: confirmed, dropped, conflicted or expired.
        outcome_block: In which it was confirmed.
        resolved_at: When that was known.
        on_time: Whether it was confirmed, and soon enough.
        is_replaced: Whether it was about a transaction that others replaced on the way.
    """

    prediction_id: str
    predicted_at: datetime
    tip_height: int
    predicted_block: int
    earliest_block: int
    latest_block: int
    next_block_probability: float
    distribution: Sequence[float]
    baseline_block: int | None
    outcome: str
    outcome_block: int | None
    resolved_at: datetime
    on_time: bool
    is_replaced: bool


class Figure(NamedTuple):
    """A figure, and of how many it speaks; there is none of fewer than LEAST_SAMPLE."""

    value: float | None
    sample: int


class Score(NamedTuple):
    """What came of some predictions, and how good they were.

    `accuracy` is the share on time, `brier` the mean squared error of the probability of the next block; both are of
    all. Of those that were confirmed are `coverage`, the share within the interval; `exact` and `within_one`, those in
    the predicted block and at most one away; `transform`, the share of `transform_of` in the middle eight tenths; and
    `lead_seconds`, the median from the prediction to the block.
    """

    confirmed: int
    replaced: int
    dropped: int
    conflicted: int
    expired: int
    accuracy: Figure
    brier: Figure
    coverage: Figure
    exact: Figure
    within_one: Figure
    transform: Figure
    lead_seconds: Figure
    baseline_accuracy: Figure
    baseline_brier: Figure
    baseline_exact: Figure
    baseline_within_one: Figure


def is_on_time(predicted_block: int, tip_height: int, outcome_block: int) -> bool:
    """Return whether a confirmation came no later than predicted by one block, or by half of how far ahead that was."""
    return 2 * (outcome_block - predicted_block) <= max(2, predicted_block - tip_height)


def transform_of(prediction: Resolved, outcome_block: int) -> float:
    """Return where a confirmation lies in the probabilities that were told, from 0 to 1: see `randomised_transform`.

    The lot is drawn from the prediction's id, so that it is the same each time.
    """
    blocks_waited = outcome_block - prediction.tip_height
    if blocks_waited < 1:
        # Another chain took over, and had it sooner than the next block.
        return 0.0
    lot = int.from_bytes(sha256(prediction.prediction_id.encode()).digest()[:8], "big") / 2**64
    return randomised_transform(prediction.distribution, blocks_waited, lot)


def score_of(predictions: Sequence[Resolved]) -> Score:
    """Return how good `predictions` were."""
    outcomes = Counter(each.outcome for each in predictions)
    confirmed = [(each, each.outcome_block) for each in predictions if each.outcome_block is not None]
    naive = [(each, each.baseline_block) for each in predictions if each.baseline_block is not None]
    naive_confirmed = [(said, each.outcome_block) for each, said in naive if each.outcome_block is not None]
    return Score(
        confirmed=outcomes["confirmed"],
        replaced=sum(each.is_replaced for each in predictions),
        dropped=outcomes["dropped"],
        conflicted=outcomes["conflicted"],
        expired=outcomes["expired"],
        accuracy=figure_of(each.on_time for each in predictions),
        brier=figure_of(_squared_error(each, each.next_block_probability) for each in predictions),
        coverage=figure_of(each.earliest_block <= block <= each.latest_block for each, block in confirmed),
        exact=figure_of(each.predicted_block == block for each, block in confirmed),
        within_one=figure_of(abs(each.predicted_block - block) <= 1 for each, block in confirmed),
        transform=figure_of(
            _CENTRE_FROM <= transform_of(each, block) <= _CENTRE_TO for each, block in confirmed if each.distribution
        ),
        lead_seconds=figure_of(
            ((each.resolved_at - each.predicted_at).total_seconds() for each, _ in confirmed), median
        ),
        baseline_accuracy=figure_of(
            each.outcome_block is not None and is_on_time(said, each.tip_height, each.outcome_block)
            for each, said in naive
        ),
        baseline_brier=figure_of(_squared_error(each, float(_is_next(each, said))) for each, said in naive),
        baseline_exact=figure_of(said == block for said, block in naive_confirmed),
        baseline_within_one=figure_of(abs(said - block) <= 1 for said, block in naive_confirmed),
    )


def figure_of(values: Iterable[float], of: Callable[[Sequence[float]], float] = fmean) -> Figure:
    """Return the mean of `values`, or what `of` makes of them."""
    known = list(values)
    return Figure(of(known) if len(known) >= LEAST_SAMPLE else None, len(known))


def _squared_error(prediction: Resolved, next_block_probability: float) -> float:
    return (next_block_probability - float(_is_next(prediction, prediction.outcome_block))) ** 2


def _is_next(prediction: Resolved, block: int | None) -> bool:
    return block is not None and block <= prediction.tip_height + 1
