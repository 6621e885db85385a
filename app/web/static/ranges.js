const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const FIRST_BLOCK = "2009-01-03T00:00:00Z";
const DRAWN = "timestamp,utxoracle_price,band_low,band_high,exchange_price";
const RAW = `${DRAWN},is_valid,source`;
// The mean rate may be of other rows than the mean estimate.
const MEANS = `${DRAWN},difference`;

// Every 10 minutes on the clock there is a row.
export const SLOT_MS = 600_000;

// Timeframes of the chart by name: rows as they are while they are few, then means. `spanMs` null: from the first row.
export const RANGES = {
  "1h": { words: "the last hour", spanMs: HOUR_MS, stepMs: SLOT_MS, query: () => `days=1&columns=${RAW}` },
  "24h": { words: "the last 24 hours", spanMs: DAY_MS, stepMs: SLOT_MS, query: () => `days=1&columns=${RAW}` },
  "7d": { words: "the last 7 days", spanMs: 7 * DAY_MS, stepMs: SLOT_MS, query: () => `days=7&columns=${RAW}` },
  "30d": {
    words: "the last 30 days",
    spanMs: 30 * DAY_MS,
    stepMs: HOUR_MS,
    query: () => `days=30&bucket=hour&columns=${MEANS}`,
  },
  "1y": {
    words: "the last year",
    spanMs: 365 * DAY_MS,
    stepMs: DAY_MS,
    query: () => `days=365&bucket=day&columns=${MEANS}`,
  },
  all: {
    words: "all time",
    spanMs: null,
    stepMs: DAY_MS,
    // The same all day long, so that the appliance can say that nothing changed.
    query: (now) => `from=${FIRST_BLOCK}&to=${isoOf(midnightAfter(now))}&bucket=day&columns=${MEANS}`,
  },
};

export const isRaw = (range) => range.stepMs === SLOT_MS;

const midnightAfter = (at) => Math.floor(at / DAY_MS + 1) * DAY_MS;
const isoOf = (at) => new Date(at).toISOString().replace(".000", "");
