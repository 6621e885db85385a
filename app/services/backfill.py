"""Use case: fill the gaps of the history, with what was known at their time only."""

from __future__ import annotations

import logging
from bisect import bisect_left
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from app.domain.price.comparison import PriceComparison
from app.domain.price.not_enough_data import NotEnoughDataError
from app.services.block_source import BadBlockError, BlockAwayError, BlockPrunedError, NodeError, OnchainPriceError
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


class Search(Protocol):
    """The search for windows whose blocks can be read."""

    def __call__(self) -> Callable[[int], bool]:
        """Begin one; return what tells by its newest height whether a window can be read.

        Either may raise OnchainPriceError when the node cannot be asked, and what is returned BlockAwayError when the
        blocks may be had another time, and not now.
        """


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
        lost: Gaps that cannot be filled, since no source has their blocks any more.
        passed_over: Gaps that another try may fill.
        first_passed_over: The slot of the oldest of them; None when there are none.
        waits_because: Why some of them have to wait; None when none has to.
        left: Gaps that were not come to.
        stopped_by: Why not, if not by `keep_going`.
    """

    valid: int = 0
    invalid: int = 0
    lost: int = 0
    passed_over: int = 0
    first_passed_over: datetime | None = None
    waits_because: str | None = None
    left: int = 0
    stopped_by: str | None = None

    @property
    def rows(self) -> int:
        """Rows that were written."""
        return self.valid + self.invalid

    def pass_over(self, count: int, first: Gap) -> None:
        """Count `count` gaps from `first` on as passed over."""
        self.passed_over += count
        self.first_passed_over = self.first_passed_over or first.slot


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


def kept_windows(source: BlockSource, window_blocks: int) -> Search:
    """Return what looks in the blocks of `source`: whether the first one of a window can still be read."""

    def is_kept(last_height: int) -> bool:
        try:
            source.raw_block(source.block_hash(max(0, last_height - window_blocks + 1)))
        except BlockPrunedError:
            return False
        return True

    def search() -> Callable[[int], bool]:
        # Begins a run: who failed in an earlier search may be well again.
        source.status()
        return is_kept

    return search


class Backfill:
    """Fills gaps, oldest first, so that each row is judged by those before it, whoever is interrupted and goes on.

    A row that was written is a gap no more: that is all there is to resuming. Estimates that are no price are kept as
    well, with their reason, and are not made again.

    A pruned node deletes from the oldest on. Gaps whose blocks no source has are lost; where a source that may have
    them is away, they are passed over for another time. Either way those after them are come to at once.
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
        search: Search,
        keep_going: Callable[[Filled], bool] = lambda _: True,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Filled:
        """Fill `gaps`, and return what became of them.

        Args:
            gaps: Oldest first.
            search: Begun anew for each stretch of gaps that cannot be read.
            keep_going: Asked after each gap that was tried; the rest is left when it says no.
            progress: Told of how many more gaps is known what becomes of them.

        Raises:
            StorageError: The database failed; what was written before is kept.
            OnchainPriceError: Raised by `search`.
        """
        filled = Filled(left=len(gaps))
        failures_in_a_row = 0
        with closing(self._outcomes(gaps, filled)) as outcomes:
            for at, outcome in outcomes:
                done = 1
                if isinstance(outcome, (BlockPrunedError, BlockAwayError)):
                    done = _pass_the_unreadable(gaps, at, outcome, search(), filled)
                else:
                    failures_in_a_row = failures_in_a_row + 1 if self._take(gaps[at], outcome, filled) else 0
                if filled.stopped_by is not None:
                    break
                filled.left -= done
                progress(done)
                if failures_in_a_row == _MOST_FAILURES_IN_A_ROW:
                    filled.stopped_by = str(outcome)
                    break
                # After a stretch the next gap is tried in any case: who waited long for it would never come further.
                if done == 1 and not keep_going(filled):
                    break
        return filled

    def _outcomes(self, gaps: Gaps, filled: Filled) -> Generator[tuple[int, Outcome], None, None]:
        """Yield the place and the outcome of each gap that is left, as `filled` then says."""
        while filled.left:
            first = len(gaps) - filled.left
            with closing(self._estimates(gaps[at].height for at in range(first, len(gaps)))) as outcomes:
                for at, outcome in enumerate(outcomes, start=first):
                    yield at, outcome
                    if len(gaps) - filled.left != at + 1:
                        # What was made ahead is for gaps that were passed.
                        break

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
            filled.pass_over(1, gap)
            _log.warning("a gap was passed over", extra={"height": gap.height, "reason": str(outcome)})
            return True
        else:
            self._keep(judged(row, outcome, self._limits, self._history.newest_valid_before(gap.slot)), filled)
        return False

    def _keep(self, row: PriceComparison, filled: Filled) -> None:
        quote = self._rates.rate_at(row.timestamp) if self._rates is not None else None
        # Not told, as the history tells nothing of a stale one either: in the years below the least price it is each.
        if quote is not None and self._limits.allow(quote.usd):
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


def _pass_the_unreadable(
    gaps: Gaps, at: int, outcome: BlockPrunedError | BlockAwayError, is_kept: Callable[[int], bool], filled: Filled
) -> int:
    """Account for the gaps from `at` on whose blocks cannot be read, and return how many they are.

    They count as lost only when each answer on the way said so: a source that went away meanwhile may have them.
    """
    away = outcome if isinstance(outcome, BlockAwayError) else None

    def is_readable(place: int) -> bool:
        nonlocal away
        try:
            return is_kept(gaps[place].height)
        except BlockAwayError as error:
            # The first knows best: later ones only say that somebody is left alone since then.
            away = away or error
            return False

    until = _first_readable(is_readable, at, len(gaps))
    about = {"gaps": until - at, "from": gaps[at].slot.isoformat(), "to": gaps[until - 1].slot.isoformat()}
    if away is None:
        filled.lost += until - at
        _log.warning("the node has deleted the blocks of these gaps", extra=about)
        return until - at
    filled.pass_over(until - at, gaps[at])
    if filled.waits_because != str(away):
        filled.waits_because = str(away)
        _log.warning("gaps wait for a source of blocks that is away", extra=about | {"reason": str(away)})
    return until - at


def _first_readable(is_readable: Callable[[int], bool], unreadable: int, end: int) -> int:
    """Return the first place after `unreadable` from which on all is readable; `end` when that is none.

    Where the node's oldest files are it keeps and has deleted blocks by turns. There a window lacks another block than
    its first, by which `is_readable` goes: then the next place may do.
    """
    if is_readable(unreadable):
        return unreadable + 1
    after = range(unreadable + 1, end)
    return after.start + bisect_left(after, x=True, key=is_readable)
