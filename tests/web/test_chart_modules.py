"""What the chart computes before it draws, in the interpreter that the browser tests bring along."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.web.javascript import evaluate

HOUR, DAY = 3_600_000, 86_400_000
NOW = 1_795_546_020_000  # 2026-11-24T18:47:00Z


@pytest.mark.parametrize(
    ("span_ms", "labels"),
    [
        (HOUR, ["17:50", "18:00", "18:10", "18:20", "18:30", "18:40"]),
        (DAY, ["21:00", "24 Nov", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00"]),
        (7 * DAY, ["18 Nov", "19 Nov", "20 Nov", "21 Nov", "22 Nov", "23 Nov", "24 Nov"]),
        (365 * DAY, ["Jan 2026", "Mar", "May", "Jul", "Sept", "Nov"]),
        (10 * 365 * DAY, ["2018", "2020", "2022", "2024", "2026"]),
    ],
)
def test_the_time_is_told_in_round_steps_of_utc(span_ms: int, labels: list[str]) -> None:
    found = evaluate(f"timeTicks({NOW - span_ms}, {NOW}, 8)", **{"scales.js": "timeTicks"})
    assert [each["label"] for each in found] == labels


def test_no_timeframe_has_more_times_than_fit() -> None:
    spans = [int(HOUR * 1.3**exponent) for exponent in range(46)]
    found = evaluate(
        f"{json.dumps(spans)}.map((span) => timeTicks({NOW} - span, {NOW}, 3.3))", **{"scales.js": "timeTicks"}
    )
    for span, ticks in zip(spans, found, strict=True):
        assert len(ticks) <= 4, span
        assert all(NOW - span <= each["at"] <= NOW for each in ticks)


@pytest.mark.parametrize(("least", "greatest"), [(88_000, 88_000), (87_000, 91_000), (0.05, 126_000), (5, 5.001)])
def test_the_scale_holds_all_values_and_is_not_much_more(least: float, greatest: float) -> None:
    ticks = evaluate(f"valueTicks({least}, {greatest})", **{"scales.js": "valueTicks"})
    assert ticks[0] <= least <= greatest <= ticks[-1]
    assert 3 <= len(ticks) <= 7
    assert ticks[-1] - ticks[0] <= 2.5 * max(greatest - least, 0.002 * greatest)


def test_a_line_breaks_where_a_row_is_missing_or_has_no_value() -> None:
    rows = [{"start": 600 * slot, "estimate": None if slot == 5 else 1.0} for slot in (0, 1, 3, 4, 5, 6, 9, 10, 11)]
    runs = evaluate(f"runsOf({json.dumps(rows)}, ['estimate'], 600)", **{"rows.js": "runsOf"})
    assert [[row["start"] // 600 for row in run] for run in runs] == [[0, 1], [3, 4], [6], [9, 10, 11]]


@pytest.mark.parametrize(
    ("kept", "comes", "stays"),
    [
        ("live-valid", "backfill-valid", "live-valid"),
        ("backfill-valid", "live-valid", "live-valid"),
        ("live-invalid", "backfill-valid", "backfill-valid"),
        ("import-valid", "live-invalid", "import-valid"),
        ("live-valid", "live-valid", "second"),
    ],
)
def test_of_two_rows_in_a_slot_one_is_drawn(kept: str, comes: str, stays: str) -> None:
    def row(name: str, price: float) -> dict[str, Any]:
        source, state = name.split("-")
        return {"start": 0, "source": source, "estimate": price if state == "valid" else None, "name": name}

    second = row(comes, 2.0) | ({"name": "second"} if kept == comes else {})
    both = json.dumps([row(kept, 1.0), second])
    shown = evaluate(f"{both}.reduce((rows, row) => (keep(rows, row), rows), new Map()).get(0)", **{"rows.js": "keep"})
    assert shown["name"] == stays


def test_ages_are_told_in_words() -> None:
    minutes = [0.5, 1, 47, 119, 120, 47 * 60, 48 * 60, 400 * 24 * 60]
    found = evaluate(f"{json.dumps(minutes)}.map((each) => ageOf(each * 60000))", **{"words.js": "ageOf"})
    hours = ["2 hours", "47 hours", "2 days", "400 days"]
    assert found == ["less than a minute", "1 minute", "47 minutes", "119 minutes", *hours]


@pytest.mark.parametrize(("name", "step_ms"), [("30d", HOUR), ("1y", DAY), ("all", DAY)])
def test_a_bucket_that_has_a_rate_alone_is_a_gap_in_the_estimate_and_none_in_the_rate(name: str, step_ms: int) -> None:
    columns = {
        "timestamp": [f"2026-11-24T0{hour}:00:00Z" if step_ms == HOUR else f"2026-11-0{hour + 1}" for hour in range(4)],
        "utxoracle_price": [100.0, None, 102.0, 103.0],
        "band_low": [99.0, None, None, 101.0],
        "band_high": [101.0, None, None, 105.0],
        "exchange_price": [90.0, 91.0, 92.0, 93.0],
        "difference": [9.0, None, None, 9.5],
    }
    expression = f"""(() => {{
        const rows = rowsOf({json.dumps(columns)}, RANGES[{name!r}]);
        const lengths = (...names) => runsOf(rows, names, {step_ms}).map((run) => run.length);
        return [lengths("estimate"), lengths("low", "high", "estimate"), lengths("rate")];
    }})()"""
    found = evaluate(expression, **{"rows.js": "rowsOf, runsOf", "ranges.js": "RANGES"})
    assert found == [[1, 2], [1, 1], [4]]


def test_means_are_asked_for_with_their_difference_and_rows_with_what_tells_them_apart() -> None:
    found = evaluate(
        f"Object.fromEntries(Object.entries(RANGES).map(([name, range]) => [name, range.query({NOW})]))",
        **{"ranges.js": "RANGES"},
    )
    for name in ("1h", "24h", "7d"):
        assert "bucket" not in found[name]
        assert found[name].endswith(",exchange_price,is_valid,source")
    for name in ("30d", "1y", "all"):
        assert "bucket=" in found[name]
        assert found[name].endswith(",exchange_price,difference")


@pytest.mark.parametrize(
    ("name", "figures", "words"),
    [
        ("24h", (99_000, 90_000, None), "estimate $99,000 · rate $90,000 · difference +$9,000 (+10.00 %)"),
        ("30d", (99_000, 90_000, -4500), "estimate $99,000 · rate $90,000 · difference -$4,500 (-5.00 %)"),
        ("30d", (99_000, 90_000, None), "estimate $99,000 · rate $90,000"),
        ("1y", (None, 90_000, None), "no valid estimate · rate $90,000"),
    ],
)
def test_the_difference_that_is_read_out_is_of_rows_that_have_both(
    name: str, figures: tuple[float | None, ...], words: str
) -> None:
    names = ("utxoracle_price", "exchange_price", "difference")
    row = {"timestamp": "2026-11-24T18:00:00Z", **dict(zip(names, figures, strict=True))}
    found = evaluate(
        f"rowWords(rowOf({json.dumps(row)}, RANGES[{name!r}]), RANGES[{name!r}])",
        **{"rows.js": "rowOf", "ranges.js": "RANGES", "telling.js": "rowWords"},
    )
    assert found.partition(" · ")[2] == words
