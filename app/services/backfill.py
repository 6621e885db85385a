"""Use case: fill the gaps of the history, with what was known at their time only."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from app.domain.price.comparison import PriceComparison
from app.domain.price.not_enough_data import NotEnoughDataError
from app.services.block_source import BadBlockError, BlockPrunedError, NodeError, OnchainPriceError
from app.services.judgement import judged
from app.services.onchain_price import StillSyncingError, WrongNetworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from datetime import datetime

    from app.services.block_source import BlockSource
    from app.services.exchange_rate import Quote
    from app.services.gaps import Gap, Gaps
    from app.services.judgement import Limits
    from app.services.onchain_price import OnchainPrice
    from app.services.price_history import PriceHistory

_log = logging.getLogger(__name__)

Outcome: TypeAlias = "OnchainPrice | NotEnoughDataError | OnchainPriceError"

# One block that cannot be had is passed over. When so many in a row cannot, the fault lies elsewhere.
_MOST_FAILURES_IN_A_ROW = 10


class Estimates(Protocol):
    """Estimates for windows that end at given heights."""

    def __call__(self, heights: Iterable[int]) -> Generator[Outcome, None, None]:
        """Yield for each of `heights`, in their order, the estimate or the error that is in its place.

        May work ahead, and stops when it is closed.
        """


class RateHistory(Protocol):
    """Exchange rates of the past."""

    def rate_at(self, moment: datetime) -> Quote | None:
        """Return the newest quote that was there at `moment`; None when there is no fresh one. Never raises."""


@dataclass(slots=True)
class Filled:
    """What became of the gaps.

    Attributes:
        valid: Rows with a price.
        invalid: Rows without, with the reason in each.
        lost: Gaps that cannot be filled, since the node has deleted their blocks.
        passed_over: Gaps that another try may fill.
        left: Gaps that were not come to.
        stopped_by: Why not, if not by `keep_going`.
    """

    valid: int = 0
    invalid: int = 0
    lost: int = 0
    passed_over: int = 0
    left: int = 0
    stopped_by: str | None = None

    @property
    def rows(self) -> int:
        """Rows that were written."""
        return self.valid + self.invalid

    @property
    def is_complete(self) -> bool:
        """Whether a further try would find nothing to do."""
        return not self.passed_over and not self.left


def one_by_one(estimate_at: Callable[[int], OnchainPrice]) -> Estimates:
    """Return estimates that are made in this process, each when it is wanted."""

    def estimates(heights: Iterable[int]) -> Generator[Outcome, None, None]:
        for height in heights:
            yield outcome_of(estimate_at, height)

    return estimates


def outcome_of(estimate_at: Callable[[int], OnchainPrice], height: int) -> Outcome:
    """Return the estimate, or the error that `estimate_at` raises as is its right."""
    try:
        return estimate_at(height)
    except (OnchainPriceError, NotEnoughDataError) as error:
        return error


def window_is_kept(source: BlockSource, last_height: int, *, window_blocks: int) -> bool:
    """Return whether the first block of the window up to `last_height` can still be read, and so the others.

    Raises:
        OnchainPriceError: The node cannot be asked.
    """
    try:
        source.raw_block(source.block_hash(max(0, last_height - window_blocks + 1)))
    except BlockPrunedError:
        return False
    return True


class Backfill:
    """Fills gaps, oldest first, so that each row is judged by those before it, whoever is interrupted and goes on.

    A row that was written is a gap no more: that is all there is to resuming. Estimates that are no price are kept as
    well, with their reason, and are not made again.
    """

    def __init__(
        self,
        estimates: Estimates,
        rates: RateHistory | None,
        history: PriceHistory,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._estimates = estimates
        self._rates = rates
        self._history = history
        self._limits = limits
        self._clock = clock

    def fill(
        self,
        gaps: Gaps,
        *,
        is_kept: Callable[[int], bool],
        keep_going: Callable[[Filled], bool] = lambda _: True,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Filled:
        """Fill `gaps`, and return what became of them.

        Args:
            gaps: Oldest first.
            is_kept: Whether the first block of the window that ends at a height can still be read.
            keep_going: Asked after each gap; the rest is left when it says no.
            progress: Told of how many more gaps is known what becomes of them.

        Raises:
            StorageError: The database failed; what was written before is kept.
            OnchainPriceError: Raised by `is_kept`.
        """
        filled = Filled(left=len(gaps))
        failures_in_a_row = 0
        while filled.left and filled.stopped_by is None:
            first = len(gaps) - filled.left
            with closing(self._estimates(gaps[at].height for at in range(first, len(gaps)))) as outcomes:
                for at, outcome in enumerate(outcomes, start=first):
                    if isinstance(outcome, BlockPrunedError):
                        self._pass_the_lost(gaps, at, is_kept, filled, progress)
                        break
                    failures_in_a_row = failures_in_a_row + 1 if self._take(gaps[at], outcome, filled) else 0
                    if failures_in_a_row == _MOST_FAILURES_IN_A_ROW:
                        filled.stopped_by = str(outcome)
                    if filled.stopped_by is not None:
                        return filled
                    filled.left -= 1
                    progress(1)
                    if not keep_going(filled):
                        return filled
        return filled

    def _take(self, gap: Gap, outcome: Outcome, filled: Filled) -> bool:
        """Do with an outcome what it calls for; return whether it leaves no row."""
        if isinstance(outcome, (NodeError, WrongNetworkError, StillSyncingError)):
            filled.stopped_by = str(outcome)
            return True
        row = PriceComparison(timestamp=gap.slot, source="backfill", block_height=gap.height)
        if isinstance(outcome, NotEnoughDataError):
            self._keep(replace(row, invalid_reason="not_enough_data"), filled)
        elif isinstance(outcome, OnchainPriceError) and outcome.code == BadBlockError.code:
            self._keep(replace(row, invalid_reason=outcome.code), filled)
        elif isinstance(outcome, OnchainPriceError):
            filled.passed_over += 1
            _log.warning("a gap was passed over", extra={"height": gap.height, "reason": str(outcome)})
            return True
        else:
            self._keep(judged(row, outcome, self._limits, self._history.newest_valid_before(gap.slot)), filled)
        return False

    def _keep(self, row: PriceComparison, filled: Filled) -> None:
        quote = self._rates.rate_at(row.timestamp) if self._rates is not None else None
        if quote is not None:
            row = replace(
                row,
                exchange_price=quote.usd,
                exchange_time=quote.quoted_at,
                exchange_sources={"mempool": quote.usd},
            )
        self._history.record(row, self._clock())
        if row.is_valid:
            filled.valid += 1
        else:
            filled.invalid += 1

    def _pass_the_lost(
        self, gaps: Gaps, at: int, is_kept: Callable[[int], bool], filled: Filled, progress: Callable[[int], None]
    ) -> None:
        """Go on after the gaps from `at` on whose blocks are gone: a node deletes from the oldest on."""
        lost, kept = at, len(gaps)
        while kept - lost > 1:
            middle = (lost + kept) // 2
            if is_kept(gaps[middle].height):
                kept = middle
            else:
                lost = middle
        _log.warning(
            "the node has deleted the blocks of these gaps",
            extra={"gaps": kept - at, "from": gaps[at].slot.isoformat(), "to": gaps[kept - 1].slot.isoformat()},
        )
        filled.lost += kept - at
        filled.left -= kept - at
        progress(kept - at)
