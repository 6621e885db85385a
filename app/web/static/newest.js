import { ask } from "./session.js";
import { SLOT_MS } from "./ranges.js";
import { ageOf, momentOf, reasonOf } from "./words.js";

// As the appliance sees it: one run may fail by an upstream's fault.
const STALE_MS = 3 * SLOT_MS;

// The newest row, and the newest valid one, as the appliance's clock sees them.
export class Newest {
  row = null;
  valid = null;
  #aheadMs = 0;
  #asked = 0;

  // In milliseconds by the appliance's clock; that of a browser may be wrong.
  now() {
    return Date.now() + this.#aheadMs;
  }

  async load() {
    const mine = (this.#asked += 1);
    const latest = await ask("/api/prices/latest").catch((error) => {
      if (error.code !== "NO_DATA") throw error;
      return null;
    });
    // Answers may overtake each other.
    if (!latest || mine !== this.#asked) return;
    this.#aheadMs = Date.parse(latest.timestamp) + 1000 * latest.age_seconds - Date.now();
    this.row = latest;
    this.valid = latest.is_valid ? latest : latest.last_valid;
  }

  // Whether it is the row itself, and not only what an event told of it.
  get isWhole() {
    return this.row === null || "age_seconds" in this.row;
  }

  // Takes the fields of a row that has just been written; one that was filled in later is not of now.
  take(fields) {
    const isOfNow = (fields.source ?? "live") === "live";
    if (!isOfNow || (this.row && Date.parse(fields.timestamp) < Date.parse(this.row.timestamp))) return;
    this.row = fields;
    if (fields.is_valid) this.valid = fields;
  }

  // Returns what is wrong with the newest row as {look, words, why}, and null when nothing is. `health` may be null.
  trouble(health) {
    if (!this.row) return null;
    const isStale = this.#ageMs(this.row) > STALE_MS;
    if (this.row.is_valid && !isStale) return null;
    const why = isStale ? whyStale(health) : whyInvalid(this.row);
    const look = this.row.is_valid ? "fair" : "bad";
    if (!this.valid) return { look, words: "There is no valid price yet", why };
    const newest = this.row.is_valid ? "newest" : "newest valid";
    return { look, words: `The ${newest} price is ${ageOf(this.#ageMs(this.valid))} old`, why };
  }

  #ageMs(row) {
    return this.now() - Date.parse(row.timestamp);
  }
}

function whyInvalid(row) {
  const when = momentOf(Date.parse(row.timestamp));
  return `the newest run, of ${when}, found no valid one: ${reasonOf(row.invalid_reason)}.`;
}

function whyStale(health) {
  const checks = ["database", "schema", "bitcoind"].map((name) => health?.checks[name]);
  const failed = checks.find((check) => check && !["ok", "skipped"].includes(check.status));
  return `no run has written a row since. ${failed?.message ?? "See the log of utxoracle-integration."}`;
}
