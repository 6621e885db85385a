"""Sections 4 to 8 of the description of the method, one loop after the other: slow, obvious, and exact."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.price.stencils import SPIKES

EDGES = [0.0] + [10 ** (decade + part / 200) for decade in range(-6, 6) for part in range(200)]
ROUND_BTC_BINS = (201, 401, 461, 496, 540, 601, 661, 696, 740, 801, 861, 896, 940, 1001, 1061, 1096, 1140, 1201)
SMOOTH = [0.0015 * 2.718281828459045 ** (-((x - 411) ** 2) / (2 * 201**2)) + 0.0000005 * x for x in range(803)]


def shares(amounts: Sequence[float]) -> list[float]:
    counts = [0.0] * 2401
    for amount in amounts:
        index = 0
        while index + 1 < len(EDGES) and EDGES[index + 1] <= amount:
            index += 1
        counts[index] += 1
    for index in [*range(201), *range(1601, 2401)]:
        counts[index] = 0
    for index in ROUND_BTC_BINS:
        counts[index] = (counts[index - 1] + counts[index + 1]) / 2
    total = 0.0
    for index in range(201, 1601):
        total += counts[index]
    for index in range(201, 1601):
        counts[index] = min(counts[index] / total, 0.008)
    return counts


def rough_price(histogram: Sequence[float]) -> int:
    def fit(stencil: Sequence[float], slide: int) -> float:
        total = 0.0
        for x in range(803):
            total += histogram[199 + slide + x] * stencil[x]
        return total

    spikes = [float(weight) for weight in SPIKES]
    best, best_score, total = 0, 0.0, 0.0
    for slide in range(-141, 201):
        score = fit(spikes, slide)
        if slide < 150:
            score += 0.65 * fit(SMOOTH, slide)
        total += score
        if score > best_score:
            best, best_score = slide, score
    neighbour = best - 1 if fit(spikes, best - 1) > fit(spikes, best + 1) else best + 1
    average = total / 342
    one, other = best_score - average, abs(fit(spikes, neighbour) - average)
    if one + other == 0:
        return int((100 / EDGES[601 + best] + 100 / EDGES[601 + neighbour]) / 2)
    return int(one / (one + other) * (100 / EDGES[601 + best]) + other / (one + other) * (100 / EDGES[601 + neighbour]))


def points(amounts: Sequence[float], rough: int) -> list[float]:
    round_btc = []
    for start, stop, step in (
        (0.00005, 0.0001, 0.00001),
        (0.0001, 0.001, 0.00001),
        (0.001, 0.01, 0.0001),
        (0.01, 0.1, 0.001),
        (0.1, 1, 0.01),
    ):
        each = start
        while each < stop:
            round_btc.append(each)
            each += step
    found = []
    for amount in amounts:
        for usd in (5, 10, 15, 20, 25, 30, 40, 50, 100, 150, 200, 300, 500, 1000):
            expected = usd / rough
            if expected - 0.25 * expected < amount < expected + 0.25 * expected and not any(
                each - 0.0001 * each < amount < each + 0.0001 * each for each in round_btc
            ):
                found.append(usd / amount)
    return found


def central_price(all_points: Sequence[float], rough: float) -> float:
    low, high = rough - 0.05 * rough, rough + 0.05 * rough
    ordered = sorted(point for point in all_points if low < point < high)
    prefix, running = [], 0.0
    for point in ordered:
        running += point
        prefix.append(running)
    best, least = 0, float("inf")
    for i, point in enumerate(ordered):
        below = prefix[i - 1] if i else 0.0
        distance = (point * i - below) + ((prefix[-1] - prefix[i]) - point * (len(ordered) - 1 - i))
        if distance < least:
            best, least = i, distance
    return ordered[best]
