"""What the chart computes before it draws, in the interpreter that the browser tests bring along."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright._impl._driver import compute_driver_executable

STATIC = Path(__file__).resolve().parents[2] / "app" / "web" / "static"
HOUR, DAY = 3_600_000, 86_400_000
NOW = 1_795_546_020_000  # 2026-11-24T18:47:00Z


def evaluate(expression: str, module: str, *names: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value of `expression`, which may use `names` of `module`."""
    script = f"import {{ {', '.join(names)} }} from '{(STATIC / module).as_uri()}';"
    script += f"console.log(JSON.stringify({expression}))"
    interpreter, _ = compute_driver_executable()
    command = [interpreter, "--input-type=module", "--eval", script]
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


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
    found = evaluate(f"timeTicks({NOW - span_ms}, {NOW}, 8)", "scales.js", "timeTicks")
    assert [each["label"] for each in found] == labels


def test_no_timeframe_has_more_times_than_fit() -> None:
    spans = [int(HOUR * 1.3**exponent) for exponent in range(46)]
    found = evaluate(
        f"{json.dumps(spans)}.map((span) => timeTicks({NOW} - span, {NOW}, 3.3))", "scales.js", "timeTicks"
    )
    for span, ticks in zip(spans, found, strict=True):
        assert len(ticks) <= 4, span
        assert all(NOW - span <= each["at"] <= NOW for each in ticks)


@pytest.mark.parametrize(("least", "greatest"), [(88_000, 88_000), (87_000, 91_000), (0.05, 126_000), (5, 5.001)])
def test_the_scale_holds_all_values_and_is_not_much_more(least: float, greatest: float) -> None:
    ticks = evaluate(f"valueTicks({least}, {greatest})", "scales.js", "valueTicks")
    assert ticks[0] <= least <= greatest <= ticks[-1]
    assert 3 <= len(ticks) <= 7
    assert ticks[-1] - ticks[0] <= 2.5 * max(greatest - least, 0.002 * greatest)


def test_a_line_breaks_where_a_row_is_missing_or_has_no_value() -> None:
    rows = [{"start": 600 * slot, "estimate": None if slot == 5 else 1.0} for slot in (0, 1, 3, 4, 5, 6, 9, 10, 11)]
    runs = evaluate(f"runsOf({json.dumps(rows)}, ['estimate'], 600)", "rows.js", "runsOf")
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
    shown = evaluate(f"{both}.reduce((rows, row) => (keep(rows, row), rows), new Map()).get(0)", "rows.js", "keep")
    assert shown["name"] == stays


def test_ages_are_told_in_words() -> None:
    minutes = [0.5, 1, 47, 119, 120, 47 * 60, 48 * 60, 400 * 24 * 60]
    found = evaluate(f"{json.dumps(minutes)}.map((each) => ageOf(each * 60000))", "words.js", "ageOf")
    hours = ["2 hours", "47 hours", "2 days", "400 days"]
    assert found == ["less than a minute", "1 minute", "47 minutes", "119 minutes", *hours]
