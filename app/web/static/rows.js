import { isRaw } from "./ranges.js";

// Rows of the chart, {start, at, source, estimate, low, high, rate, difference}: times in milliseconds, prices in USD
// or null. A row is of a slot or a bucket that begins at `start`, and drawn at `at`; only a bucket has a `difference`.

// Of an answer of /api/prices/historical by column.
export function rowsOf(columns, range) {
  return columns.timestamp.map((_, index) => {
    const fields = Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[index]]));
    return rowOf(fields, range);
  });
}

export function rowOf(fields, range) {
  const start = Date.parse(fields.timestamp);
  const isValid = fields.is_valid ?? true;
  const ofValid = (value) => (isValid ? (value ?? null) : null);
  return {
    start,
    at: isRaw(range) ? start : start + range.stepMs / 2,
    source: fields.source ?? "live",
    estimate: ofValid(fields.utxoracle_price),
    low: ofValid(fields.band_low),
    high: ofValid(fields.band_high),
    rate: fields.exchange_price ?? null,
    difference: isRaw(range) ? null : (fields.difference ?? null),
  };
}

// Keeps one row a slot: a valid one before one that is not, then a live one before what was filled in later.
export function keep(rows, row) {
  const before = rows.get(row.start);
  const [better, other] = !before || rank(row) >= rank(before) ? [row, before] : [before, row];
  // The rate was seen by whoever ran then, whatever came of the estimate.
  rows.set(row.start, { ...better, rate: better.rate ?? other?.rate ?? null });
}

const rank = ({ estimate, source }) => 2 * (estimate !== null) + (source === "live");

// Rows, oldest first, that have all of `names`, in runs without a gap: where a row is missing, or has no value, nobody
// knows what was, so no line leads over it.
export function runsOf(rows, names, stepMs) {
  const runs = [];
  let before = null;
  for (const row of rows) {
    if (names.some((name) => row[name] === null)) {
      before = null;
      continue;
    }
    if (before && row.start - before.start < 1.5 * stepMs) runs.at(-1).push(row);
    else runs.push([row]);
    before = row;
  }
  return runs;
}
