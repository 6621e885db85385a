const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const utc = (options) => new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" });
const clock = utc({ hour: "2-digit", minute: "2-digit" });
const day = utc({ day: "numeric", month: "short" });
const date = utc({ day: "numeric", month: "short", year: "numeric" });

export function usd(value, signed = false) {
  return value.toLocaleString("en-US", {
    style: "currency",
    currency: "USD",
    maximumFractionDigits: Math.abs(value) < 1000 ? 2 : 0,
    signDisplay: signed ? "exceptZero" : "auto",
  });
}

export function percent(value, digits, signed = false) {
  const shown = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${value.toLocaleString("en-US", { ...shown, signDisplay: signed ? "exceptZero" : "auto" })} %`;
}

export const count = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 0 });

// Half the width of a band, which need not be symmetrical.
export function band(low, high, estimate) {
  const half = (50 * (high - low)) / estimate;
  return `± ${percent(half, half < 10 ? 1 : 0)}`;
}

// All times are UTC, which days are of as well.
export const clockOf = (at) => clock.format(at);
export const dayOf = (at) => day.format(at);
export const dateOf = (at) => date.format(at);
export const momentOf = (at) => `${date.format(at)}, ${clock.format(at)} UTC`;

export function ageOf(ms) {
  if (ms < MINUTE_MS) return "less than a minute";
  if (ms < 2 * HOUR_MS) return some(ms / MINUTE_MS, "minute");
  if (ms < 2 * DAY_MS) return some(ms / HOUR_MS, "hour");
  return some(ms / DAY_MS, "day");
}

function some(amount, unit) {
  const whole = Math.floor(amount);
  return `${count(whole)} ${unit}${whole === 1 ? "" : "s"}`;
}

// As docs/TROUBLESHOOTING.md explains them.
const REASONS = {
  not_enough_data: "the blocks hold too few payments",
  too_few_points: "too few payments near the estimate",
  weak_signal: "round dollar amounts hardly stand out",
  level_uncertain: "another price, such as half or double, fits nearly as well",
  low_confidence: "less confidence than the settings want",
  discontinuous: "too far from the price before",
  below_min_price: "below the least price that is believed",
  above_max_price: "above the greatest price that is believed",
  node_unreachable: "the node did not answer",
  node_not_ready: "the node was not ready",
  initial_block_download: "the node has not caught up with its network",
  chain_changed: "the chain was reorganised meanwhile",
  internal_error: "the run crashed",
};

export const reasonOf = (code) => REASONS[code] ?? code.replaceAll("_", " ");
