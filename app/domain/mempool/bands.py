"""Feerate bands: wherever something is said about "the same feerate", the same band is meant.

A band is half a per cent wide, so two feerates of one band differ by less than that. Band 0 is for those who pay
nothing; what pays less than the lowest band pays, or more than the highest, is in that one.
"""

from __future__ import annotations

import math

LOWEST_SAT_VB, HIGHEST_SAT_VB = 0.001, 1_000_000.0
_WIDTH = math.log(1.005)
_LOG_LOWEST = math.log(LOWEST_SAT_VB)
BANDS = 2 + int((math.log(HIGHEST_SAT_VB) - _LOG_LOWEST) / _WIDTH)


def band_of(feerate_sat_vb: float) -> int:
    """Return the band of a feerate, from 0 to BANDS - 1; a higher feerate is never in a lower band.

    Raises:
        ValueError: The feerate is negative, or not a number.
    """
    # Written so that a NaN is refused as well.
    if not feerate_sat_vb >= 0:
        raise ValueError(f"{feerate_sat_vb} is no feerate")
    if feerate_sat_vb == 0:
        return 0
    bounded = min(HIGHEST_SAT_VB, max(LOWEST_SAT_VB, feerate_sat_vb))
    return 1 + int((math.log(bounded) - _LOG_LOWEST) / _WIDTH)


def feerate_of(band: int) -> float:
    """Return the feerate in the middle of a band, in sat/vB."""
    return 0.0 if band == 0 else LOWEST_SAT_VB * math.exp((band - 0.5) * _WIDTH)
