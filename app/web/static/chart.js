const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 240;
const MARGIN = { top: 12, right: 12, bottom: 26, left: 64 };
const DAY_MS = 86_400_000;
// Runs come every 10 minutes; a line over more than one missed run would claim to know what nobody does.
const GAP_MS = 21 * 60_000;

// Draws rows of {at, estimate, rate} (milliseconds, USD or null) of the 24 hours up to `now` into `place`.
export function drawChart(place, rows, now) {
  const series = ["estimate", "rate"].map((name) => ({
    name,
    runs: runsOf(rows.filter((row) => row[name] !== null).map((row) => ({ at: row.at, value: row[name] }))),
  }));
  const values = series.flatMap(({ runs }) => runs.flat().map((point) => point.value));
  if (!values.length) {
    const empty = document.createElement("p");
    empty.className = "empty";
    empty.textContent = "No prices in the last 24 hours yet.";
    place.replaceChildren(empty);
    return;
  }
  const width = Math.max(280, place.clientWidth);
  const ticks = ticksFor(Math.min(...values), Math.max(...values));
  const x = (at) => MARGIN.left + ((at - (now - DAY_MS)) / DAY_MS) * (width - MARGIN.left - MARGIN.right);
  const low = ticks[0];
  const y = (value) =>
    HEIGHT - MARGIN.bottom - ((value - low) / (ticks.at(-1) - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);

  const svg = element("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": spoken(series) });
  for (const tick of ticks) {
    svg.append(element("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }));
    svg.append(text(dollars(tick), { x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }));
  }
  for (const at of hoursUpTo(now, width < 500 ? 6 : 3)) {
    svg.append(text(clock(at), { x: x(at), y: HEIGHT - 8, "text-anchor": "middle" }));
  }
  for (const { name, runs } of series.reverse()) {
    for (const run of runs) {
      const path = run.map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join("L");
      if (run.length > 1) svg.append(element("path", { class: `line ${name}`, d: `M${path}` }));
      else svg.append(element("circle", { class: `dot ${name}`, cx: x(run[0].at), cy: y(run[0].value), r: 3 }));
    }
  }
  place.replaceChildren(svg);
}

function runsOf(points) {
  const runs = [];
  for (const point of points) {
    const run = runs.at(-1);
    if (run && point.at - run.at(-1).at <= GAP_MS) run.push(point);
    else runs.push([point]);
  }
  return runs;
}

function ticksFor(least, greatest) {
  // A price that hardly moves is a level line in the middle, not a cliff.
  const span = Math.max(greatest - least, greatest * 0.002);
  const low = (least + greatest - span) / 2;
  const high = low + span;
  const rough = span / 3;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * magnitude).find((each) => each >= rough);
  const ticks = [];
  for (let tick = Math.floor(low / step); tick <= Math.ceil(high / step) || ticks.length < 2; tick += 1) {
    ticks.push(tick * step);
  }
  return ticks;
}

function* hoursUpTo(now, step) {
  const first = new Date(now - DAY_MS);
  first.setMinutes(0, 0, 0);
  for (let hour = 1; hour <= 24; hour += 1) {
    const at = new Date(first.getTime() + hour * 3_600_000);
    const edge = DAY_MS / 40;
    if (at.getHours() % step === 0 && at - (now - DAY_MS) > edge && now - at > edge) yield at.getTime();
  }
}

function spoken(series) {
  const parts = series.map(({ name, runs }) => {
    const values = runs.flat().map((point) => point.value);
    if (!values.length) return `no ${name}`;
    return `${name} between ${dollars(Math.min(...values))} and ${dollars(Math.max(...values))}`;
  });
  return `Prices of the last 24 hours: ${parts.join("; ")}`;
}

const dollars = (value) =>
  value.toLocaleString("en-US", { style: "currency", currency: "USD", maximumFractionDigits: value < 100 ? 2 : 0 });
const clock = (at) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

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
