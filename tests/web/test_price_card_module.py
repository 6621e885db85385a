"""The card of the exchange rate: how old its quote is, whose it is, and who was left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.web.javascript import evaluate

NOW = 1_795_546_020_000  # 2026-11-24T18:47:00Z
ROW: dict[str, Any] = {
    "timestamp": "2026-11-24T18:40:00Z",
    "utxoracle_price": 100_000.0,
    "exchange_price": 99_000.0,
    "exchange_time": "2026-11-24T18:07:00Z",
    "exchange_sources": {"mempool": 99_000.0},
    "exchange_outliers": None,
    "difference": 1000.0,
    "difference_percent": 1.01,
    "block_height": None,
    "is_valid": True,
}
THREE = {"mempool": 99_000.0, "near": 99_100.0, "third": 99_050.0}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "quoted 40 minutes ago, from mempool"),
        ({"exchange_sources": THREE}, "quoted up to 40 minutes ago, from 3 sources: mempool, near, third"),
        (
            {"exchange_sources": THREE, "exchange_outliers": {"far": 9_500.0}},
            "quoted up to 40 minutes ago, from 3 of 4 sources: mempool, near, third",
        ),
        ({"exchange_outliers": {"far": 9_500.0}}, "quoted 40 minutes ago, from 1 of 2 sources: mempool"),
        ({"exchange_time": "2026-11-24T18:49:00Z"}, "quoted less than a minute ago, from mempool"),
        ({"exchange_time": None, "exchange_sources": None}, "as mempool quotes it"),
        ({"exchange_time": None, "exchange_sources": None, "source": "import"}, "as imported"),
        ({"exchange_time": "2026-11-24T19:49:00Z"}, "quoted by a clock that is ahead, from mempool"),
        ({"exchange_price": None, "exchange_time": None, "exchange_sources": None}, "no fresh rate"),
    ],
)
def test_a_rate_says_how_old_its_quote_is_and_whose(fields: dict[str, Any], words: str) -> None:
    found = evaluate(f"rateAbout({json.dumps(ROW | fields)}, {NOW})", **{"price_card.js": "rateAbout"})
    assert found == words


@pytest.mark.parametrize(
    ("outliers", "words"),
    [
        (None, ""),
        ({"far": 9_500.0}, "Left out as too far off: far, $9,500."),
        ({"far": 9_500.0, "b": 1_200_000.0}, "Left out as too far off: far, $9,500; b, $1,200,000."),
    ],
)
def test_whoever_was_left_out_is_named(outliers: dict[str, float] | None, words: str) -> None:
    row = json.dumps(ROW | {"exchange_outliers": outliers})
    assert evaluate(f"outliersOf({row})", **{"price_card.js": "outliersOf"}) == words


# Elements that know what they say; a name out of a row must come to nothing but text.
PAGE = """
const elements = {};
const made = () => ({ textContent: "", hidden: false, replaceChildren() {}, append() {} });
globalThis.document = {
  getElementById: (id) => (elements[id] ??= made()),
  createElement: made,
  querySelector: () => ({ dataset: {} }),
};
const seen = () => [elements["rate-about"].textContent, elements["rate-outliers"].textContent,
                    elements["rate-outliers"].hidden];
"""


def test_the_age_of_the_quote_grows_while_the_page_stands_open() -> None:
    row = json.dumps(ROW | {"exchange_sources": {"<b>": 99_000.0}, "exchange_outliers": {"<i>": 1_000.0}})
    found = evaluate(
        f"""(() => {{
          {PAGE}
          const row = {row};
          return [0, 60_000, 3_600_000].map((later) => {{
            showCards({{ row, valid: row, now: () => {NOW} + later }});
            return seen();
          }});
        }})()""",
        **{"price_card.js": "showCards"},
    )
    outlier = ["Left out as too far off: <i>, $1,000.", False]
    ages = ("40 minutes", "41 minutes", "100 minutes")
    assert found == [[f"quoted {age} ago, from 1 of 2 sources: <b>", *outlier] for age in ages]


def test_what_an_event_does_not_tell_stands_until_the_row_is_there() -> None:
    event = {name: value for name, value in ROW.items() if not name.startswith("exchange_")}
    found = evaluate(
        f"""(() => {{
          {PAGE}
          const rows = [{json.dumps(ROW)}, {json.dumps(event | {"exchange_price": 99_500.0})},
                        {json.dumps(event | {"exchange_price": None})}];
          return rows.map((row) => {{
            showCards({{ row, valid: row, now: () => {NOW} }});
            return [elements.rate.textContent, ...seen()];
          }});
        }})()""",
        **{"price_card.js": "showCards"},
    )
    about = "quoted 40 minutes ago, from mempool"
    assert found == [
        ["$99,000", about, "", True],
        ["$99,500", "", "", True],
        ["\N{EN DASH}", "no fresh rate", "", True],
    ]


def test_a_row_that_an_event_told_is_not_whole_until_it_is_loaded() -> None:
    latest = json.dumps(ROW | {"age_seconds": 420.0, "stale": False, "last_valid": None})
    found = evaluate(
        f"""(async () => {{
          globalThis.document = {{ cookie: "" }};
          globalThis.fetch = async () => ({{ status: 200, ok: true, json: async () => ({latest}) }});
          const newest = new Newest();
          const seen = [newest.isWhole];
          newest.take({json.dumps(ROW)});
          seen.push(newest.isWhole);
          await newest.load();
          return [...seen, newest.isWhole];
        }})()""",
        **{"newest.js": "Newest"},
    )
    assert found == [True, False, True]
