import { count, momentOf } from "./words.js";

const MB = 1_000_000;

const SHOWN = [
  ["Valid rows, 24 h", "utxoracle_price_rows_day", (value) => count(value), { validity: "valid" }],
  ["Invalid rows, 24 h", "utxoracle_price_rows_day", (value) => count(value), { validity: "invalid" }],
  ["Newest event", "utxoracle_event_log_last_id", (value) => `#${count(value)}`],
  ["Requests answered", "utxoracle_api_requests_total", (value) => count(value)],
  ["Memory of the API", "utxoracle_process_resident_memory_bytes", (value) => `${count(value / MB)} MB`],
  ["CPU time of the API", "utxoracle_process_cpu_seconds_total", (value) => `${value.toFixed(1)} s`],
  ["API running since", "utxoracle_process_start_time_seconds", (value) => momentOf(1000 * value)],
];

// Shows some of the metrics as a list of terms, and all of them as rows of a table.
export function showFigures(list, table, metrics) {
  const samples = metrics.items.flatMap((metric) => metric.samples).filter((sample) => sample.value !== null);
  const shown = SHOWN.map(([title, name, format, labels = {}]) => {
    const values = samples.filter((sample) => sample.name === name && matches(sample, labels)).map((each) => each.value);
    return [title, values.length ? format(values.reduce((sum, value) => sum + value, 0)) : "–"];
  });
  list.replaceChildren(...shown.flatMap(([title, value]) => [tag("dt", title), tag("dd", value)]));
  table.replaceChildren(
    ...samples.map((sample) => {
      const row = document.createElement("tr");
      row.append(tag("td", sample.name + labelled(sample.labels)), tag("td", String(sample.value)));
      return row;
    }),
  );
}

function matches(sample, labels) {
  return Object.entries(labels).every(([name, value]) => sample.labels[name] === value);
}

function labelled(labels) {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return pairs.length ? `{${pairs.join(", ")}}` : "";
}

function tag(name, content) {
  const made = document.createElement(name);
  made.textContent = content;
  return made;
}
