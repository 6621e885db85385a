import { drawing } from "./drawing.js";
import { rowWords, summaryOf } from "./telling.js";

const LEAST_WIDTH = 280;
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 12, PageDown: -12 };
const HINT = "Point at the chart, or go along it with the arrow keys, to read one moment.";

// Rows over time: estimate, band and rate, and one of them in words. With keys it is a slider over the rows.
export class Chart {
  #plot;
  #empty;
  #readout;
  #summary;
  #rows = [];
  #range = null;
  #drawn = null;
  #chosen = null;

  constructor({ plot, empty, readout, summary }) {
    this.#plot = plot;
    this.#empty = empty;
    this.#readout = readout;
    this.#summary = summary;
    plot.addEventListener("pointermove", (event) => this.#choose(this.#nearest(event)));
    plot.addEventListener("pointerdown", (event) => this.#choose(this.#nearest(event)));
    // A finger that is lifted leaves as well, and what it pointed at should stay.
    plot.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.#choose(null));
    plot.addEventListener("blur", () => this.#choose(null));
    plot.addEventListener("keydown", (event) => this.#move(event));
  }

  // `rows` oldest first, up to `now`; without any of them `sentence` is what there is to say.
  show(rows, range, now, sentence) {
    this.#range = range;
    const from = range.spanMs === null ? (rows[0]?.start ?? now) : now - range.spanMs;
    this.#rows = rows
      .filter((row) => row.at >= from && (row.estimate !== null || row.rate !== null))
      .map((row) => (row.at > now ? { ...row, at: now } : row));
    const isEmpty = !this.#rows.length;
    this.#empty.hidden = !isEmpty;
    this.#plot.hidden = this.#readout.hidden = this.#summary.hidden = isEmpty;
    if (isEmpty) {
      this.#empty.textContent = sentence;
      return;
    }
    // All time may have begun just now.
    const least = now - 6 * range.stepMs;
    const width = Math.max(LEAST_WIDTH, this.#plot.clientWidth);
    this.#drawn = drawing(this.#rows, { from: Math.min(from, least), to: now, stepMs: range.stepMs, width });
    this.#plot.replaceChildren(this.#drawn.svg);
    this.#summary.textContent = summaryOf(this.#rows, range);
    this.#plot.setAttribute("aria-valuemax", this.#rows.length - 1);
    this.#choose(this.#rows.findIndex((row) => row.start === this.#chosen));
  }

  #nearest(event) {
    const box = this.#plot.getBoundingClientRect();
    const at = this.#drawn.at(((event.clientX - box.left) / box.width) * this.#drawn.width);
    let best = 0;
    for (let index = 1; index < this.#rows.length; index += 1) {
      if (Math.abs(this.#rows[index].at - at) < Math.abs(this.#rows[best].at - at)) best = index;
    }
    return best;
  }

  #move(event) {
    const last = this.#rows.length - 1;
    const current = this.#rows.findIndex((row) => row.start === this.#chosen);
    const ends = { Home: 0, End: last, Escape: null };
    if (event.key in ends) this.#choose(ends[event.key]);
    else if (!(event.key in STEPS)) return;
    else this.#choose(current < 0 ? last : Math.min(last, Math.max(0, current + STEPS[event.key])));
    event.preventDefault();
  }

  #choose(index) {
    if (!this.#rows.length) return;
    const row = this.#rows[index ?? -1] ?? null;
    this.#chosen = row?.start ?? null;
    this.#drawn.mark(row);
    const words = row ? rowWords(row, this.#range) : HINT;
    if (this.#readout.textContent !== words) this.#readout.textContent = words;
    this.#plot.setAttribute("aria-valuenow", row ? index : this.#rows.length - 1);
    this.#plot.setAttribute("aria-valuetext", row ? words : rowWords(this.#rows.at(-1), this.#range));
  }
}
