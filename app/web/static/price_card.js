import { SLOT_MS } from "./ranges.js";
import { ageOf, band, clockOf, count, momentOf, percent, usd } from "./words.js";

const DAY_MS = 86_400_000;
// Clocks that somebody looks after are no further apart.
const CLOCKS_DIFFER_MS = 300_000;
const $ = (id) => document.getElementById(id);

// Least confidence of each word: how likely the price is right to 1 %.
const CONFIDENCE_WORDS = [
  [0.9, "high"],
  [0.7, "medium"],
  [0.3, "low"],
  [0, "very low"],
];

// Shows the newest valid row, and the rate and difference of the newest; `newest` is a Newest.
export function showCards(newest) {
  const { row, valid } = newest;
  if (!row) {
    const next = Math.ceil((newest.now() + 1) / SLOT_MS) * SLOT_MS;
    $("estimate-about").textContent = `No price yet: the first comes at about ${clockOf(next)} UTC.`;
    return;
  }
  set("estimate", valid ? usd(valid.utxoracle_price) : "–");
  showBand(valid);
  $("estimate-about").replaceChildren(...(valid ? about(valid, newest.now()) : ["No valid price yet."]));
  showDetails(valid);
  set("rate", row.exchange_price === null ? "–" : usd(row.exchange_price));
  showRateAbout(row, newest.now());
  const isCompared = row.is_valid && row.difference !== null;
  const small = document.createElement("small");
  small.textContent = isCompared ? ` ${percent(row.difference_percent, 2, true)}` : "";
  $("difference").replaceChildren(isCompared ? usd(row.difference, true) : "–", small);
}

function showBand(valid) {
  const hasBand = valid && isKnown(valid.band_low);
  $("band").hidden = !hasBand;
  if (hasBand) {
    set("band-words", `${band(valid.band_low, valid.band_high, valid.utxoracle_price)}, nine times in ten`);
  }
  const hasConfidence = valid && isKnown(valid.confidence);
  $("confidence").hidden = !hasConfidence;
  if (hasConfidence) {
    const [, word] = CONFIDENCE_WORDS.find(([least]) => valid.confidence >= least);
    $("confidence-meter").value = valid.confidence;
    set("confidence-words", `${percent(100 * valid.confidence, 0)}, ${word}`);
  }
}

function showDetails(valid) {
  const shown = valid ? details(valid).filter(([, value]) => value !== null) : [];
  $("estimate-details").hidden = !shown.length;
  $("estimate-figures").replaceChildren(
    ...shown.flatMap(([title, value]) => {
      const [term, definition] = ["dt", "dd"].map((name) => document.createElement(name));
      term.textContent = title;
      definition.textContent = value;
      return [term, definition];
    }),
  );
}

function details(row) {
  const some = (value, format) => (isKnown(value) ? format(value) : null);
  const blocks = isKnown(row.block_count) ? `${count(row.block_count)} blocks` : "window";
  return [
    ["Nine times in ten within", some(row.band_low, (low) => `${usd(low)} to ${usd(row.band_high)}`)],
    [`Estimate of the whole ${blocks}`, some(row.window_price, usdOnly)],
    ["The published method finds", some(row.published_price, usdOnly)],
    ["Lock margin over other prices", some(row.lock_margin, (margin) => margin.toFixed(2))],
    ["Signal, in standard deviations", some(row.signal, (signal) => signal.toFixed(1))],
    ["Round amounts near the price", some(row.point_count, count)],
    ["Their median distance from it", some(row.spread_percent, (spread) => percent(spread, 2))],
    ["Change since the price before", some(row.change_percent, (change) => percent(change, 2, true))],
  ];
}

function about(row, now) {
  const at = Date.parse(row.timestamp);
  const when = now - at < DAY_MS ? `at ${clockOf(at)} UTC` : momentOf(at);
  const parts = [`${when}, ${ageOf(now - at)} ago`];
  if (row.block_height === null) return parts;
  const explorer = document.querySelector("main").dataset.explorer;
  const height = count(row.block_height);
  if (!explorer) return [`${parts[0]} · blocks up to ${height}`];
  const link = document.createElement("a");
  link.href = `${explorer}/block/${row.block_hash ?? row.block_height}`;
  link.rel = "noreferrer";
  link.textContent = height;
  return [`${parts[0]} · blocks up to `, link];
}

function showRateAbout(row, now) {
  // An event does not tell it; the row that is asked for then does. Words of another rate would be worse than none.
  const isKnownYet = row.exchange_price === null || row.exchange_sources !== undefined;
  set("rate-about", isKnownYet ? rateAbout(row, now) : "");
  const outliers = isKnownYet ? outliersOf(row) : "";
  $("rate-outliers").hidden = !outliers;
  set("rate-outliers", outliers);
}

// How old the quote of a rate is, and whose it is.
export function rateAbout(row, now) {
  if (row.exchange_price === null) return "no fresh rate";
  const names = Object.keys(row.exchange_sources ?? {});
  const unnamed = row.source === "import" ? "as imported" : "as mempool quotes it";
  const from = names.length ? `from ${numberOf(row)}${names.join(", ")}` : unnamed;
  if (!isKnown(row.exchange_time)) return from;
  if (Date.parse(row.exchange_time) - now > CLOCKS_DIFFER_MS) return `quoted by a clock that is ahead, ${from}`;
  // Of several the time is that of the oldest.
  const upTo = names.length > 1 ? "up to " : "";
  return `quoted ${upTo}${ageOf(now - Date.parse(row.exchange_time))} ago, ${from}`;
}

function numberOf(row) {
  const [used, leftOut] = [row.exchange_sources, row.exchange_outliers].map((each) => Object.keys(each ?? {}).length);
  if (leftOut) return `${used} of ${used + leftOut} sources: `;
  return used > 1 ? `${used} sources: ` : "";
}

// The sources that were left out of the rate, in a sentence; "" without any.
export function outliersOf(row) {
  const outliers = row.exchange_price === null ? [] : Object.entries(row.exchange_outliers ?? {});
  const told = outliers.map(([name, value]) => `${name}, ${usd(value)}`);
  return told.length ? `Left out as too far off: ${told.join("; ")}.` : "";
}

// Screen readers announce what is set, even when it is what was there.
function set(id, content) {
  if ($(id).textContent !== content) $(id).textContent = content;
}

const isKnown = (value) => value !== null && value !== undefined;
const usdOnly = (value) => usd(value);
