"""What was learned from all that came, left and was mined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain.mempool.arrivals import Arrivals
from app.domain.mempool.block_space import BlockSpace
from app.domain.mempool.block_times import BlockTimes
from app.domain.mempool.bumps import Bumps
from app.domain.mempool.queue import Prospect

if TYPE_CHECKING:
    from app.domain.mempool.waiting import Priced

# Proof of work is known to take 600 seconds and to be forgetful. Elsewhere anybody mines as he likes, often many times
# as fast, so a single block says far more than that.
_CERTAINTY_BLOCKS, _UNCERTAINTY_BLOCKS = 200.0, 0.1
# Miners work on templates of about 10 seconds' age, a sixtieth of a block's time.
_TEMPLATE_AGE_SHARE = 1 / 60


class Standing(NamedTuple):
    """Where a transaction stands in the queue.

    Attributes:
        band: Of its effective feerate.
        higher_vb, same_vb: What waits at a higher feerate and at the same, without its package.
        package_vsize_vb: Itself, with the ancestors that are mined by its feerate.
    """

    band: int
    higher_vb: float
    same_vb: float
    package_vsize_vb: int

    @property
    def ahead_vb(self) -> float:
        """What is taken before it is, on average."""
        return self.higher_vb + self.same_vb / 2


class Experience:
    """How blocks come and what they hold, what enters the mempool, and how often somebody pays more.

    Args:
        is_proof_of_work: Blocks come every 600 seconds on average, at random; else their pace is learned.
        since: As of Arrivals.
    """

    def __init__(self, *, is_proof_of_work: bool, since: float) -> None:
        self._times = BlockTimes(_CERTAINTY_BLOCKS if is_proof_of_work else _UNCERTAINTY_BLOCKS)
        self._space = BlockSpace()
        self._arrivals = Arrivals(since)
        self._bumps = Bumps()
        self._mined = 0

    @property
    def usual_block_vb(self) -> int:
        """What a block holds mostly."""
        return self._space.usual_vb

    def entered(self, priced: Priced, at: float) -> None:
        """Learn that a transaction entered the mempool; before we looked, it says nothing about what comes."""
        if at >= self._arrivals.since:
            self._arrivals.came(*priced)

    def lifted(self, before: Priced, band: int) -> None:
        """Learn that a child pays for a transaction, which is in a higher band now."""
        self._bumps.bumped()
        self._arrivals.left(*before)
        self._arrivals.came(band, before.vsize_vb)

    def left(self, before: Priced) -> None:
        """Learn that a transaction left other than by a block."""
        self._bumps.bumped()
        self._arrivals.left(*before)

    def mined(self) -> None:
        """Learn that a transaction that waited is in a block."""
        self._mined += 1

    def block_time(self, at: float) -> None:
        """Learn when a block came that we did not see."""
        self._times.came(at)

    def block_connected(self, vsize_vb: int, at: float, waiting: int, waiting_vb: int) -> None:
        """Learn that a block came, and how many wait after it, of which size."""
        too_late_vb = self._arrivals.total_rate_vb_second(at) * 2 * self._template_age_seconds
        self._space.came(vsize_vb, waiting_vb - too_late_vb)
        self._bumps.block_came(waiting + self._mined / 2)
        self._mined = 0
        self._arrivals.block_came(at)
        self._times.came(at)

    def prospect(self, standing: Standing, now: float) -> Prospect:
        """Return what decides when a transaction that stands there is mined."""
        block_seconds = self._times.mean_seconds
        # Before anything else is known: as much comes in a block's time as waits now, at most a block.
        guess_vb = min(self._space.usual_vb, standing.ahead_vb)
        inflow = self._arrivals.above(standing.band, now, guess_vb, block_seconds)
        least_vb = standing.higher_vb + standing.package_vsize_vb
        return Prospect(
            least_vb=least_vb,
            most_vb=least_vb + standing.same_vb,
            sizes_vb=self._space.sizes_vb,
            phases_left=self._times.phases_left(now),
            phases=self._times.phases,
            inflow_vb=inflow.rate_vb_second * block_seconds,
            unsteadiness=inflow.unsteadiness,
            lump_vb=self._arrivals.lump_vb,
            missed_probability=self._times.probability_within(self._template_age_seconds, now),
            bumped_probability=self._bumps.probability_a_block,
        )

    def pace(self, now: float) -> dict[str, Any]:
        """Return how blocks come, for the record."""
        return {
            "seconds_since_block": round(self._times.since_last(now), 1),
            "block_seconds": round(self._times.mean_seconds, 2),
        }

    @property
    def _template_age_seconds(self) -> float:
        return self._times.mean_seconds * _TEMPLATE_AGE_SHARE
