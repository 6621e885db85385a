"""What a histogram of payments looks like when 100 USD lie at a known place: 803 bins of 1/200 decade."""

from __future__ import annotations

import numpy as np

STENCIL_BINS = 803

_E = 2.718281828459045
_MIDDLE, _DEVIATION = 411, 201

# How common payments of any amount are: a bell over the usual sizes on a gentle slope.
SMOOTH = np.array(
    [
        0.0015 * _E ** (-((x - _MIDDLE) ** 2) / (2 * _DEVIATION**2)) + 0.0000005 * x
        for x in range(STENCIL_BINS)
    ]
)  # fmt: skip
SMOOTH.flags.writeable = False

# How common round dollar amounts are: bin and weight, under the amount in USD.
_WEIGHTS_BY_USD = {
    1: {40: 0.001300198324984352},
    5: {141: 0.001676746949820743},
    10: {201: 0.003468805546942046, 202: 0.001991977522512513},
    15: {236: 0.001905066647961839},
    20: {261: 0.003341772718156079, 262: 0.002588902624584287},
    30: {296: 0.002577893841190244, 297: 0.002733728814200412},
    50: {340: 0.003076117748975647, 341: 0.005613067550103145, 342: 0.003088253178535568},
    100: {400: 0.002918457489366139, 401: 0.006174500465286022, 402: 0.004417068070043504, 403: 0.002628663628020371},
    150: {436: 0.002858828161543839},
    200: {461: 0.004097463611984264, 462: 0.003345917406120509},
    300: {496: 0.002521467726855856, 497: 0.002784125730361008},
    500: {541: 0.003792850444811335},
    1_000: {601: 0.003688240815848247, 602: 0.002392400117402263},
    1_500: {636: 0.001280993059008106},
    2_000: {661: 0.001654665137536031, 662: 0.001395501347054946},
    5_000: {741: 0.001154279140906312},
    10_000: {801: 0.000832244504868709},
}

SPIKES = np.zeros(STENCIL_BINS)
for _weights in _WEIGHTS_BY_USD.values():
    SPIKES[list(_weights)] = list(_weights.values())
SPIKES.flags.writeable = False
