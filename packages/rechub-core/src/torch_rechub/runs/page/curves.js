"use strict";
// Draws the curves of the page's data. Text from runs is only ever set as text.

const data = JSON.parse(document.getElementById("data").textContent);
const chart = document.getElementById("chart");
const legend = document.getElementById("legend");
const select = document.getElementById("metric");
const logarithmic = document.getElementById("log");
const shown = data.curves.map(() => true);
const margin = { left: 64, right: 16, top: 12, bottom: 40 };
const several = data.curves.some((curve) => curve.n > 1);
let scale = null;

function svg(name, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (parent) parent.append(element);
  return element;
}

function format(value) {
  const size = Math.abs(value);
  return size !== 0 && (size < 0.01 || size >= 100000) ? value.toExponential(3) : value.toFixed(4);
}

function spread(mean, sd) {
  const text = format(mean);
  return `${text} ± ${text.includes("e") ? sd.toExponential(1) : sd.toFixed(4)}`;
}

// Numbers of an axis, all with the decimals of the one that has most.
function alike(values) {
  const texts = values.map((value) => String(Number(value.toPrecision(6))));
  if (texts.some((text) => text.includes("e"))) return texts;
  const decimals = Math.max(0, ...texts.map((text) => (text.split(".")[1] || "").length));
  return values.map((value) => value.toFixed(decimals));
}

function visible() {
  return data.curves
    .map((curve, index) => ({ ...curve, index, points: curve.series[select.value] }))
    .filter((curve) => shown[curve.index] && (curve.points.steps.length || curve.points.tails.length));
}

function allSteps(curves) {
  return curves.flatMap(({ points }) => points.steps.concat(points.tails.flat().map(([step]) => step)));
}

// Where values lie on the page, so that all visible curves fit.
function makeScale(curves, width, height) {
  const log = logarithmic.checked;
  const values = curves.flatMap(({ points }) =>
    points.mean
      .flatMap((m, i) => [m - (points.sd[i] || 0), m + (points.sd[i] || 0), m])
      .concat(points.tails.flat().map(([, value]) => value)));
  const usable = log ? values.filter((v) => v > 0) : values;
  const steps = allSteps(curves);
  let low = usable.reduce((a, b) => Math.min(a, b), Infinity);
  let high = usable.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!Number.isFinite(low)) [low, high] = [1, 10];
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  const first = steps.reduce((a, b) => Math.min(a, b), Infinity);
  const last = Math.max(steps.reduce((a, b) => Math.max(a, b), -Infinity), first + 1);
  const place = log ? Math.log10 : (v) => v;
  const room = 0.04 * (place(high) - place(low));
  const [bottom, top] = [place(low) - room, place(high) + room];
  const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  return {
    first, last, low, high, log, width, height,
    x: (s) => margin.left + ((s - first) / (last - first)) * inner.width,
    y: (v) => {
      const at = log && v <= 0 ? bottom : place(v);
      return margin.top + inner.height - ((at - bottom) / (top - bottom)) * inner.height;
    },
    step: (x) => first + ((x - margin.left) / inner.width) * (last - first),
  };
}

function drawAxes(root) {
  const { x, y, low, high, first, last, log, width, height } = scale;
  const few = log ? powers(low, high) : [];
  const values = few.length > 1 ? few : ticks(low, high, 6, false);
  const texts = few.length > 1 ? few.map((value) => String(Number(value.toPrecision(6)))) : alike(values);
  values.forEach((value, i) => {
    svg("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }, root);
    svg("text", { x: margin.left - 8, y: y(value) + 4, "text-anchor": "end" }, root).textContent = texts[i];
  });
  for (const step of ticks(first, last, Math.min(10, width / 70), true)) {
    svg("text", { x: x(step), y: height - margin.bottom + 18, "text-anchor": "middle" }, root).textContent = step;
  }
  svg("text", { x: (margin.left + width - margin.right) / 2, y: height - 4, "text-anchor": "middle" }, root)
    .textContent = "step";
}

function path(steps, values) {
  return steps.map((s, i) => `${i ? "L" : "M"}${scale.x(s).toFixed(1)},${scale.y(values[i]).toFixed(1)}`).join("");
}

function drawCurve(root, { points, color, index }) {
  const group = svg("g", { "data-index": index }, root);
  if (points.sd.length) {
    const upper = path(points.steps, points.mean.map((m, i) => m + points.sd[i]));
    const lower = path([...points.steps].reverse(), points.mean.map((m, i) => m - points.sd[i]).reverse());
    svg("path", { d: `${upper}L${lower.slice(1)}Z`, fill: color, opacity: 0.13 }, group);
  }
  for (const tail of points.tails) {
    const d = path(tail.map(([step]) => step), tail.map(([, value]) => value));
    svg("path", { class: "curve other", d, stroke: color }, group);
  }
  const kind = index < data.colored ? "curve" : "curve other";
  svg("path", { class: kind, d: path(points.steps, points.mean), stroke: color }, group);
  if (points.steps.length <= 25) {
    points.steps.forEach((s, i) =>
      svg("circle", { cx: scale.x(s), cy: scale.y(points.mean[i]), r: 2.5, fill: color }, group));
  }
}

function draw() {
  const curves = visible();
  chart.replaceChildren();
  if (!curves.length) {
    const note = document.createElement("p");
    note.className = "note";
    note.textContent = "No values to draw.";
    chart.append(note);
    scale = null;
    showValues(null);
    return;
  }
  const width = Math.max(320, chart.clientWidth);
  const height = Math.min(480, Math.max(280, width * 0.55));
  scale = makeScale(curves, width, height);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" }, chart);
  root.setAttribute("aria-label", `Curves of ${data.shown[select.selectedIndex]}`);
  drawAxes(root);
  for (const curve of [...curves].reverse()) drawCurve(root, curve); // the best on top
  const cursor = svg("line", { class: "cursor", y1: margin.top, y2: height - margin.bottom, visibility: "hidden" }, root);
  root.addEventListener("pointermove", (event) => {
    const box = root.getBoundingClientRect();
    const wanted = scale.step(((event.clientX - box.left) / box.width) * width);
    const step = allSteps(curves).reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));
    cursor.setAttribute("x1", scale.x(step));
    cursor.setAttribute("x2", scale.x(step));
    cursor.setAttribute("visibility", "visible");
    showValues(step);
  });
  root.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    showValues(null);
  });
  showValues(null);
}

// The legend's values: those at a step, or the last ones.
function showValues(step) {
  legend.querySelectorAll(".value").forEach((element, index) => {
    const { steps, mean, sd } = data.curves[index].series[select.value];
    const at = step === null ? steps.length - 1 : steps.indexOf(step);
    element.textContent =
      at < 0 ? "" : sd.length ? spread(mean[at], sd[at]) : format(mean[at]);
  });
  document.getElementById("when").textContent = 
    (several ? "mean ± standard deviation, " : "") +
    (step !== null ? `step ${step}` : several ? "last common step" : "last step");
}

function emphasise(index) {
  chart.querySelectorAll("g[data-index]").forEach((group) => {
    group.classList.toggle("faint", index !== null && group.dataset.index !== String(index));
  });
}

function buildLegend() {
  const when = document.createElement("li");
  when.className = "note";
  when.id = "when";
  legend.append(when);
  data.curves.forEach((curve, index) => {
    const button = document.createElement("button");
    const [swatch, label, value] = ["swatch", "label", "value"].map((name) => {
      const span = document.createElement("span");
      span.className = name;
      button.append(span);
      return span;
    });
    swatch.style.background = curve.color;
    label.textContent = curve.label;
    value.textContent = "";
    button.setAttribute("aria-pressed", "true");
    button.title = "click to hide or show";
    button.addEventListener("click", () => {
      shown[index] = !shown[index];
      button.setAttribute("aria-pressed", String(shown[index]));
      draw();
    });
    for (const [event, target] of [["pointerenter", index], ["pointerleave", null]]) {
      button.addEventListener(event, () => emphasise(target));
    }
    const item = document.createElement("li");
    item.append(button);
    legend.append(item);
  });
  if (data.hidden) {
    const more = document.createElement("li");
    more.className = "note";
    more.textContent = `${data.hidden} more in the table below`;
    legend.append(more);
  }
}

data.metrics.forEach((metric, index) =>
  select.append(new Option(data.shown[index], metric, false, metric === data.metric)));
select.addEventListener("change", draw);
logarithmic.addEventListener("change", draw);
window.addEventListener("resize", draw);
buildLegend();
draw();
drawSearches(document.getElementById("searches"), data.searches);
