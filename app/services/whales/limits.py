"""How the detector works: from which value on, how often, how long, and how much of it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorLimits:
    """Limits of the detector; the standard ones but for the threshold are those of the appliance.

    Attributes:
        threshold_sat: A transaction that moves this much is a whale.
        most_followed: Whales that are followed at one time; beyond it those of the lowest feerate are let go.
        least_followed: That are kept, however little memory there is.
        most_candidates: Transactions that are held until it is known whether they entered the mempool.
        most_inputs: Of a transaction whose inputs are looked up.
        away_seconds: For which a transaction that left the mempool may come back.
        lifetime: After which nodes give up a transaction that waits.
        poll_seconds: Between two snapshots while there is no stream.
        silence_seconds: Without a message, after which the node is asked whether it should have sent one.
        most_reread: Transactions in the mempool, up to which such a silence is reason enough for a snapshot.
        settle_seconds: After a snapshot, until what the stream still had to tell of that time has come.
        safety_seconds: Between two snapshots while all is well.
        final_confirmations: After which an outcome is not followed any longer.
        stale_seconds: After which what is known of fees says nothing any more.
        fees_seconds: Between two written states of the mempool.
        template_seconds: Between two templates of the same tip; the node keeps one for five seconds.
    """

    threshold_sat: int
    most_followed: int = 10_000
    least_followed: int = 100
    most_candidates: int = 10_000
    most_inputs: int = 3_000
    away_seconds: float = 600
    lifetime: timedelta = timedelta(hours=336)
    poll_seconds: float = 3
    silence_seconds: float = 1.5
    most_reread: int = 5_000
    settle_seconds: float = 3
    safety_seconds: float = 1_800
    final_confirmations: int = 6
    stale_seconds: float = 120
    fees_seconds: float = 10
    template_seconds: float = 6
