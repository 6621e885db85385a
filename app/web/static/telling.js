import { isRaw, SLOT_MS } from "./ranges.js";
import { runsOf } from "./rows.js";
import { band, dateOf, momentOf, percent, usd } from "./words.js";

const HOUR_MS = 3_600_000;
const POINTS = { [SLOT_MS]: "Each point is one run", [HOUR_MS]: "Each point is the mean of an hour" };

// What the chart shows, for those who do not see it too.
export function summaryOf(rows, range) {
  const points = POINTS[range.stepMs] ?? "Each point is the mean of a day";
  const parts = [`${points}; times are UTC.`];
  for (const [name, words] of [["estimate", "Estimate"], ["rate", "Exchange rate"]]) {
    const values = rows.map((row) => row[name]).filter((value) => value !== null);
    if (values.length) parts.push(`${words} from ${usd(Math.min(...values))} to ${usd(Math.max(...values))}.`);
    else parts.push(name === "estimate" ? "No valid estimate." : "No exchange rate.");
  }
  const gaps = runsOf(rows, ["estimate"], range.stepMs).length - 1;
  if (gaps > 0) parts.push(`${gaps} ${gaps === 1 ? "gap" : "gaps"} without a valid estimate.`);
  return parts.join(" ");
}

// One row in a line.
export function rowWords(row, range) {
  const parts = [range.stepMs > HOUR_MS ? `${dateOf(row.start)} (UTC)` : momentOf(row.start)];
  if (row.estimate === null) parts.push("no valid estimate");
  else parts.push(`estimate ${usd(row.estimate)}${row.low === null ? "" : ` ${band(row.low, row.high, row.estimate)}`}`);
  if (row.rate !== null) parts.push(`rate ${usd(row.rate)}`);
  const difference = differenceOf(row, range);
  if (difference !== null) {
    parts.push(`difference ${usd(difference, true)} (${percent((100 * difference) / row.rate, 2, true)})`);
  }
  return parts.join(" · ");
}

function differenceOf(row, range) {
  if (row.estimate === null || row.rate === null) return null;
  return isRaw(range) ? row.estimate - row.rate : row.difference;
}
