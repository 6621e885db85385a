"""The table of docs/METHOD.md, and what it must say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from tests.calibration.outcome import Outcome

HEADER = (
    "| chains | n | with 500 points | of those valid | with 500 at the true price | of those valid "
    "| off by a factor and valid | in the band | half band | error | error of the mean | published: off by a factor |"
)
RULE = "|" + " --- |" * HEADER.count("|", 1)

# What the issue asks for.
LEAST_VALID, LEAST_IN_BAND, MOST_BAND = 0.95, 0.90, 0.015


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines of the table: all chains, then by one property after the other."""
    yield HEADER
    yield RULE
    yield row("all", outcomes)
    for name, key in (
        ("price", lambda each: f"{_magnitude(each.config.price):,} USD and more"),
        ("volatility", lambda each: f"{100 * each.config.vol:.0f} % a day"),
        ("signal", lambda each: f"{_signal(each.config.usd_share)} % round"),
        ("size", lambda each: f"{_size(each.config.txs)} transactions a block"),
    ):
        groups = _groups(outcomes, key)
        yield from (row(f"{name}: {group}", members) for group, members in groups)


def row(name: str, outcomes: Sequence[Outcome]) -> str:
    """Return the line of some chains; shares in per cent, medians of errors and bands in per cent of the price."""
    large = [each for each in outcomes if each.is_large]
    truly_large = [each for each in outcomes if each.is_truly_large]
    valid = [each for each in outcomes if each.valid]
    published = [each.published_error for each in outcomes if each.published_error is not None]
    cells = (
        name,
        str(len(outcomes)),
        str(len(large)),
        _share([each.valid for each in large]),
        str(len(truly_large)),
        _share([each.valid for each in truly_large]),
        str(sum(each.is_off_by_a_factor for each in valid)),
        _share([each.in_band for each in valid]),
        _median([each.half_band for each in valid]),
        _median([abs(each.error) for each in valid]),
        _median([abs(each.window_error) for each in valid]),
        _share([abs(each) > math.log(1.1) for each in published]),
    )
    return f"| {' | '.join(cells)} |"


def reliability(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield how often a price is right to 1 % of those of about the same confidence."""
    yield "| confidence | valid chains | right to 1 % |"
    yield "| --- | --- | --- |"
    valid = [each for each in outcomes if each.valid]
    for low, high in ((0.3, 0.7), (0.7, 0.9), (0.9, 0.99), (0.99, 1.01)):
        these = [each.is_within_1_percent for each in valid if low <= each.confidence < high]
        yield f"| {low} to {min(high, 1)} | {len(these)} | {_share(these)} |"


def failings(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a sentence for each promise that is not kept."""
    large = [each for each in outcomes if each.is_large]
    valid = [each for each in outcomes if each.valid]
    usual = [each.half_band for each in valid if abs(each.config.vol - 0.02) < 0.005]
    for each in valid:
        if each.is_off_by_a_factor:
            yield f"off by a factor of {math.exp(each.error):.2f} and valid: {each.config}"
    if sum(each.valid for each in large) < LEAST_VALID * len(large):
        yield f"of {len(large)} chains with enough points only {sum(each.valid for each in large)} are valid"
    if sum(each.in_band for each in valid) < LEAST_IN_BAND * len(valid):
        yield f"of {len(valid)} valid prices only {sum(each.in_band for each in valid)} lie within their band"
    if usual and sorted(usual)[len(usual) // 2] > MOST_BAND:
        yield "the median band at 2 % volatility is wider than 1.5 %"


def _groups(outcomes: Sequence[Outcome], key: Callable[[Outcome], str]) -> list[tuple[str, list[Outcome]]]:
    groups: dict[str, list[Outcome]] = {}
    for each in outcomes:
        groups.setdefault(key(each), []).append(each)
    return sorted(groups.items(), key=lambda group: _number(group[0]))


def _number(name: str) -> float:
    return float(name.partition(" ")[0].replace(",", ""))


def _magnitude(usd: float) -> int:
    return int(10 ** math.floor(math.log10(usd) + 1e-9))


def _signal(share: float) -> str:
    low = 3 + 6.75 * min(3, int((100 * share - 3) / 6.75))
    return f"{low:g} to {low + 6.75:g}"


def _size(transactions: int) -> int:
    return max(size for size in (40, 150, 600, 4_000) if size <= transactions)


def _share(values: Sequence[bool]) -> str:
    return f"{100 * sum(values) / len(values):.1f} %" if values else "none"


def _median(values: Sequence[float]) -> str:
    return f"{100 * sorted(values)[len(values) // 2]:.2f} %" if values else "none"
