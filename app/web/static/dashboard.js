import { drawChart } from "./chart.js";
import { showFigures } from "./figures.js";
import { ask, SignedOut, signOut } from "./session.js";
import { Stream } from "./stream.js";

const POLL_MS = 10_000;
const DAY_MS = 86_400_000;
const SLOT_MS = 600_000;
const STALE_MS = 3 * SLOT_MS;
const LOOKS = { ok: "good", degraded: "fair", error: "bad", timeout: "bad", skipped: "" };
const VERDICTS = { healthy: "good", degraded: "fair", unhealthy: "bad" };
const SEEN = { live: ["live", "good"], waiting: ["polling every 10 s", "fair"] };

const $ = (id) => document.getElementById(id);
const rows = new Map();
let newest = null;
let isLoaded = false;
let isLive = false;

const usd = (value, signed = false) =>
  value.toLocaleString("en-US", {
    style: "currency",
    currency: "USD",
    maximumFractionDigits: Math.abs(value) < 1000 ? 2 : 0,
    signDisplay: signed ? "exceptZero" : "auto",
  });
const percentage = new Intl.NumberFormat("en-US", {
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
  signDisplay: "exceptZero",
});
const clock = (at) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

function take(row) {
  const at = Date.parse(row.timestamp);
  rows.set(at, { at, estimate: row.is_valid ? row.utxoracle_price : null, rate: row.exchange_price });
  for (const each of rows.keys()) if (each < Date.now() - DAY_MS) rows.delete(each);
  if (!newest || at >= Date.parse(newest.timestamp)) newest = row;
}

function show() {
  if (!isLoaded) return;
  showPrice();
  drawChart(
    $("chart"),
    [...rows.values()].sort((a, b) => a.at - b.at),
    Date.now(),
  );
}

function showPrice() {
  const state = $("estimate-state");
  if (!newest) {
    const next = Math.ceil((Date.now() + 1) / SLOT_MS) * SLOT_MS;
    $("estimate-about").textContent = `No price yet: the first comes at about ${clock(next)}.`;
    return;
  }
  const ageMs = Date.now() - Date.parse(newest.timestamp);
  const estimate = newest.utxoracle_price === null ? "–" : usd(newest.utxoracle_price);
  // Screen readers announce what is set, even when it is what was there.
  if ($("estimate").textContent !== estimate) $("estimate").textContent = estimate;
  $("estimate-about").replaceChildren(...aboutEstimate(ageMs));
  $("rate").textContent = newest.exchange_price === null ? "–" : usd(newest.exchange_price);
  $("rate-about").textContent = newest.exchange_price === null ? "no fresh rate from mempool" : "as mempool quotes it";
  const percent = document.createElement("small");
  percent.textContent = newest.difference === null ? "" : ` ${percentage.format(newest.difference_percent)} %`;
  $("difference").replaceChildren(newest.difference === null ? "–" : usd(newest.difference, true), percent);
  state.hidden = newest.is_valid && ageMs <= STALE_MS;
  state.className = `pill ${newest.is_valid ? "fair" : "bad"}`;
  state.textContent = newest.is_valid
    ? "old: newer ones should be here"
    : `not valid: ${newest.invalid_reason.replaceAll("_", " ")}`;
}

function aboutEstimate(ageMs) {
  const minutes = Math.max(0, Math.floor(ageMs / 60_000));
  const age = minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
  const parts = [`at ${clock(newest.timestamp)}, ${age} ago`];
  if (newest.block_height === null) return parts;
  const explorer = document.querySelector("main").dataset.explorer;
  const height = newest.block_height.toLocaleString("en-US");
  if (!explorer) return [`${parts[0]} · blocks up to ${height}`];
  const link = document.createElement("a");
  link.href = `${explorer}/block/${newest.block_hash ?? newest.block_height}`;
  link.rel = "noreferrer";
  link.textContent = height;
  return [`${parts[0]} · blocks up to `, link];
}

function showHealth(health) {
  $("health-status").textContent = health.status;
  $("health-status").className = `pill ${VERDICTS[health.status]}`;
  $("health-about").textContent = `Looked at ${Math.round(health.age_seconds)} s ago.`;
  $("checks").replaceChildren(
    ...Object.entries(health.checks).map(([name, check]) => {
      const item = document.createElement("li");
      item.append(
        part("name", name.replaceAll("_", " ")),
        part("message", check.message ?? ""),
        part(`pill ${LOOKS[check.status]}`, check.status),
      );
      return item;
    }),
  );
}

function part(className, content) {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = content;
  return made;
}

async function loadPrices() {
  const history = await ask("/api/prices/historical?days=1");
  for (const row of history.items) take(row);
  if (!newest) {
    const latest = await ask("/api/prices/latest").catch((error) => {
      if (error.code !== "NO_DATA") throw error;
      return null;
    });
    if (latest) take(latest);
  }
  isLoaded = true;
  show();
}

async function poll() {
  try {
    showHealth(await ask("/health", { evenUnwell: true }));
    const metrics = await ask("/metrics?format=json").catch((error) => {
      if (error.code !== "METRICS_DISABLED") throw error;
      return null;
    });
    if (metrics) showFigures($("figures"), $("all-metrics"), metrics);
    if (isLive && isLoaded) showPrice();
    else await loadPrices();
    $("notice").hidden = true;
  } catch (error) {
    complain(error);
  } finally {
    setTimeout(poll, POLL_MS);
  }
}

function complain(error) {
  if (error instanceof SignedOut) {
    location.assign("/login");
    return;
  }
  $("notice").textContent = error instanceof TypeError ? "The appliance does not answer; trying again." : error.message;
  $("notice").hidden = false;
}

const stream = new Stream({
  onState(state) {
    isLive = state === "live";
    const [words, look] = SEEN[state];
    $("connection").textContent = words;
    $("connection").className = `pill ${look}`;
    if (isLive) loadPrices().catch(complain);
  },
  onEvent(message) {
    if (message.type !== "price_update") return;
    take(message);
    show();
  },
  onGap() {
    loadPrices().catch(complain);
  },
  onSignedOut() {
    location.assign("/login");
  },
});

$("sign-out").addEventListener("click", () => {
  signOut().then(
    () => location.assign("/login"),
    (error) => complain(error),
  );
});
new ResizeObserver(show).observe($("chart"));
poll();
stream.start();
