import { clockOf, dayOf, dateOf } from "./words.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MONTH_MS = 30 * DAY_MS;
const STEPS_MINUTES = [10, 20, 30, 60, 120, 180, 360, 720, 1440, 2880, 4320, 7200, 14_400];
const STEPS_MONTHS = [1, 2, 3, 6, 12, 24, 60, 120, 240];

// A few round values, of which the first is at or below `least` and the last at or above `greatest`.
export function valueTicks(least, greatest) {
  // A price that hardly moves is a level line in the middle, not a cliff.
  const span = Math.max(greatest - least, greatest * 0.002);
  const low = Math.max(0, (least + greatest - span) / 2);
  const high = low + span;
  const rough = span / 4;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * magnitude).find((each) => each >= rough);
  const ticks = [];
  for (let tick = Math.floor(low / step); tick <= Math.ceil(high / step) || ticks.length < 2; tick += 1) {
    ticks.push(tick * step);
  }
  return ticks;
}

// [{at, label}] at round times of UTC from `from` to `to`, `most` at most.
export function timeTicks(from, to, most) {
  const minutes = STEPS_MINUTES.find((each) => (to - from) / (each * MINUTE_MS) <= most);
  if (minutes) return evenTicks(from, to, minutes * MINUTE_MS);
  const months = STEPS_MONTHS.find((each) => (to - from) / (each * MONTH_MS) <= most) ?? STEPS_MONTHS.at(-1);
  return monthTicks(from, to, months);
}

function evenTicks(from, to, stepMs) {
  const ticks = [];
  for (let at = Math.ceil(from / stepMs) * stepMs; at <= to; at += stepMs) {
    ticks.push({ at, label: at % DAY_MS === 0 ? dayOf(at) : clockOf(at) });
  }
  return ticks;
}

function monthTicks(from, to, months) {
  const first = new Date(from);
  const ticks = [];
  const begun = 12 * first.getUTCFullYear() + first.getUTCMonth();
  for (let month = Math.ceil(begun / months) * months; ; month += months) {
    const at = Date.UTC(Math.floor(month / 12), month % 12);
    if (at > to) return ticks;
    if (at >= from) ticks.push({ at, label: monthLabel(at, months, ticks.length === 0) });
  }
}

function monthLabel(at, months, isFirst) {
  const [, month, year] = dateOf(at).split(" ");
  if (months % 12 === 0) return year;
  return isFirst || month === "Jan" ? `${month} ${year}` : month;
}
