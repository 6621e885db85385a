import { Chart } from "./chart.js";
import { showFigures } from "./figures.js";
import { Newest } from "./newest.js";
import { showCards } from "./price_card.js";
import { PriceHistory } from "./price_history.js";
import { RANGES } from "./ranges.js";
import { ask, SignedOut, signOut } from "./session.js";
import { Stream } from "./stream.js";
import { momentOf } from "./words.js";

const POLL_MS = 10_000;
const CHOICE = "utxoracle-range";
const LOOKS = { ok: "good", degraded: "fair", error: "bad", timeout: "bad", skipped: "" };
const VERDICTS = { healthy: "good", degraded: "fair", unhealthy: "bad" };
const SEEN = { live: ["live", "good"], waiting: ["polling every 10 s", "fair"] };

const $ = (id) => document.getElementById(id);
const newest = new Newest();
const chart = new Chart({
  plot: $("chart-plot"),
  empty: $("chart-empty"),
  readout: $("chart-readout"),
  summary: $("chart-summary"),
});
let health = null;
let isLive = false;
let isDrawing = false;

const history = new PriceHistory(RANGES[chosenRange()], {
  now: () => newest.now(),
  onRows: showChart,
  onError: complain,
});

// Many rows at once are drawn once.
function showChart() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    $("chart").setAttribute("aria-busy", !history.isLoaded);
    if (history.isLoaded) chart.show(history.rows, history.range, newest.now(), nothingIn(history.range));
  });
}

function nothingIn(range) {
  if (!newest.row) return "No prices yet.";
  if (range.spanMs === null) return "No valid price yet.";
  const { timestamp } = newest.valid ?? newest.row;
  return `No prices in ${range.words} yet; the newest is of ${momentOf(Date.parse(timestamp))}.`;
}

function showPrice() {
  showCards(newest);
  const trouble = newest.trouble(health);
  for (const [id, words] of [
    ["estimate-state", trouble && `${trouble.words}: ${trouble.why}`],
    ["chart-state", trouble && `${trouble.words}.`],
  ]) {
    $(id).hidden = !trouble;
    if (trouble && $(id).textContent !== words) $(id).textContent = words;
    $(id).className = `state ${trouble?.look ?? ""}`;
  }
}

function showHealth() {
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

async function loadNewest() {
  await newest.load();
  showPrice();
}

// The newest first: its age says what time it is.
async function loadPrices() {
  await loadNewest();
  await history.load();
}

async function poll() {
  try {
    health = await ask("/health", { evenUnwell: true });
    showHealth();
    const metrics = await ask("/metrics?format=json").catch((error) => {
      if (error.code !== "METRICS_DISABLED") throw error;
      return null;
    });
    if (metrics) showFigures($("figures"), $("all-metrics"), metrics);
    if (!isLive || !history.isLoaded) await loadPrices();
    else if (!newest.isWhole) await newest.load();
    showPrice();
    showChart();
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

// Browsers may refuse to remember anything.
function chosenRange() {
  let chosen = null;
  try {
    chosen = localStorage.getItem(CHOICE);
  } catch {}
  return Object.hasOwn(RANGES, chosen) ? chosen : "24h";
}

function chooseRange(name) {
  try {
    localStorage.setItem(CHOICE, name);
  } catch {}
  $("chart").setAttribute("aria-busy", true);
  history.choose(RANGES[name]).catch(complain);
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
    history.take(message);
    newest.take(message);
    showPrice();
    // An event does not tell everything that the row does.
    if (newest.row === message) loadNewest().catch(complain);
  },
  onGap() {
    loadPrices().catch(complain);
  },
  onSignedOut() {
    location.assign("/login");
  },
});

for (const choice of document.querySelectorAll("[name=range]")) {
  choice.checked = choice.value === chosenRange();
  choice.addEventListener("change", () => chooseRange(choice.value));
}
$("sign-out").addEventListener("click", () => {
  signOut().then(
    () => location.assign("/login"),
    (error) => complain(error),
  );
});
new ResizeObserver(showChart).observe($("chart"));
poll();
stream.start();
