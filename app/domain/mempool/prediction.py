"""A prediction, with all it was computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain.mempool.distribution import Horizon, horizon
from app.domain.mempool.queue import Prospect, block_probabilities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.domain.mempool.experience import Standing


class Prediction(NamedTuple):
    """When a transaction will be mined.

    Attributes:
        horizon: Blocks to wait: expected, earliest, latest. The next block is the tip's height + 1.
        next_block_probability: That of 1 block to wait.
        distribution: Probability of 1, 2, ... blocks to wait; the last one is that of all later ones. Sums to 1.
        ahead_vb: What is taken before it, itself not included.
        inputs: All that it was computed from, and `distribution`, as JSON may hold it.
    """

    horizon: Horizon
    next_block_probability: float
    distribution: list[float]
    ahead_vb: int
    inputs: dict[str, Any]


def predict(standing: Standing, prospect: Prospect, circumstances: Mapping[str, Any]) -> Prediction:
    """Return what is to be expected; `circumstances` are recorded with it."""
    distribution = [round(each, 6) for each in block_probabilities(prospect)]
    inputs = {
        **circumstances,
        "package_vsize_vb": standing.package_vsize_vb,
        "higher_vb": round(standing.higher_vb),
        "same_vb": round(standing.same_vb),
        "block_phases": prospect.phases,
        "block_phases_left": [round(each, 4) for each in prospect.phases_left],
        "block_sizes_vb": sorted(prospect.sizes_vb),
        "inflow_vb": round(prospect.inflow_vb),
        "inflow_unsteadiness": round(prospect.unsteadiness, 4),
        "lump_vb": round(prospect.lump_vb),
        "missed_probability": round(prospect.missed_probability, 4),
        "bumped_probability": round(prospect.bumped_probability, 4),
        "distribution": distribution,
    }
    return Prediction(horizon(distribution), distribution[0], distribution, round(standing.ahead_vb), inputs)
