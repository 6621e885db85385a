import { ask } from "./session.js";
import { isRaw } from "./ranges.js";
import { keep, rowOf, rowsOf } from "./rows.js";

// Means change with every row; while a history is filled in there are hundreds a second.
const REST_MS = 60_000;

// The rows of one timeframe, as loaded and as they come in.
export class PriceHistory {
  #range;
  #rows = new Map();
  #asked = 0;
  #loadedAt = -Infinity;
  #timer = null;
  #told;

  // `told` has onRows() for when there are others, onError(error), and now() in milliseconds.
  constructor(range, told) {
    this.#range = range;
    this.#told = told;
  }

  get range() {
    return this.#range;
  }

  get isLoaded() {
    return this.#loadedAt > -Infinity;
  }

  get rows() {
    return [...this.#rows.values()].sort((one, other) => one.start - other.start);
  }

  choose(range) {
    this.#range = range;
    this.#rows = new Map();
    this.#loadedAt = -Infinity;
    return this.load();
  }

  async load() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const mine = (this.#asked += 1);
    const range = this.#range;
    const answer = await ask(`/api/prices/historical?${range.query(this.#told.now())}`);
    // Another timeframe was chosen meanwhile, or a later question answered.
    if (mine !== this.#asked) return;
    const rows = new Map();
    for (const row of rowsOf(answer.columns, range)) keep(rows, row);
    this.#rows = rows;
    this.#loadedAt = performance.now();
    this.#told.onRows();
  }

  // Takes the fields of a row that has just been written.
  take(fields) {
    if (!this.isLoaded) return;
    if (isRaw(this.#range)) {
      const row = rowOf(fields, this.#range);
      if (row.start < this.#told.now() - this.#range.spanMs) return;
      keep(this.#rows, row);
      this.#told.onRows();
    } else {
      const waitMs = Math.max(0, this.#loadedAt + REST_MS - performance.now());
      this.#timer ??= setTimeout(() => this.load().catch(this.#told.onError), waitMs);
    }
  }
}
