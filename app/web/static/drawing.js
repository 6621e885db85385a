import { runsOf } from "./rows.js";
import { timeTicks, valueTicks } from "./scales.js";
import { usd } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 260;
const MARGIN = { top: 12, right: 12, bottom: 26, left: 68 };
const TICK_PX = 72;

// Draws `rows` from `from` to `to`, with a point every `stepMs`. Returns the svg and its
// `width`, which time lies where (`at`), and `mark(row)`, which marks a row or, without one, none.
export function drawing(rows, { from, to, stepMs, width }) {
  const values = rows.flatMap((row) => [row.estimate, row.rate, row.low, row.high]).filter((value) => value !== null);
  const ticks = valueTicks(Math.min(...values), Math.max(...values));
  const right = width - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const place = {
    x: (at) => MARGIN.left + ((at - from) / (to - from)) * (right - MARGIN.left),
    y: (value) => bottom - ((value - ticks[0]) / (ticks.at(-1) - ticks[0])) * (bottom - MARGIN.top),
  };
  const svg = element("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
  svg.append(...grid(ticks, place, right), ...times(from, to, place, right, bottom));
  svg.append(...bands(runsOf(rows, ["low", "high", "estimate"], stepMs), place));
  for (const name of ["rate", "estimate"]) svg.append(...lines(name, runsOf(rows, [name], stepMs), place));
  const marks = element("g", { class: "marks" });
  svg.append(marks);
  return {
    svg,
    width,
    at: (px) => from + ((px - MARGIN.left) / (right - MARGIN.left)) * (to - from),
    mark: (row) => marks.replaceChildren(...(row ? marksOf(row, place, bottom) : [])),
  };
}

function grid(ticks, { y }, right) {
  return ticks.flatMap((tick) => [
    element("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(tick), y2: y(tick) }),
    text(usd(tick), { x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }),
  ]);
}

function times(from, to, { x }, right, bottom) {
  const ticks = timeTicks(from, to, (right - MARGIN.left) / TICK_PX);
  return ticks.flatMap(({ at, label }) => {
    const tick = element("line", { class: "grid", x1: x(at), x2: x(at), y1: bottom, y2: bottom + 5 });
    // The ones at the edges would be cut off.
    const fits = x(at) > MARGIN.left + 12 && x(at) < right - 18;
    return fits ? [tick, text(label, { x: x(at), y: HEIGHT - 6, "text-anchor": "middle" })] : [tick];
  });
}

function bands(runs, { x, y }) {
  return runs.map((run) => {
    if (run.length === 1) return whisker(run[0], x, y);
    const upper = run.map((row) => point(x(row.at), y(row.high)));
    const lower = run.map((row) => point(x(row.at), y(row.low))).reverse();
    return element("path", { class: "band", d: `M${[...upper, ...lower].join("L")}Z` });
  });
}

function whisker(row, x, y) {
  return element("line", { class: "whisker", x1: x(row.at), x2: x(row.at), y1: y(row.low), y2: y(row.high) });
}

function lines(name, runs, { x, y }) {
  return runs.map((run) => {
    if (run.length === 1) return dot(name, run[0], x, y, 2.5);
    const path = run.map((row) => point(x(row.at), y(row[name]))).join("L");
    return element("path", { class: `line ${name}`, d: `M${path}` });
  });
}

function marksOf(row, { x, y }, bottom) {
  const line = element("line", { class: "mark", x1: x(row.at), x2: x(row.at), y1: MARGIN.top, y2: bottom });
  return [line, ...["rate", "estimate"].filter((name) => row[name] !== null).map((name) => dot(name, row, x, y, 4))];
}

const dot = (name, row, x, y, r) => element("circle", { class: `dot ${name}`, cx: x(row.at), cy: y(row[name]), r });

const point = (x, y) => `${x.toFixed(1)},${y.toFixed(1)}`;

function text(content, attributes) {
  const made = element("text", attributes);
  made.textContent = content;
  return made;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
