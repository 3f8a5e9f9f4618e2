// A chart of curves with their values under the pointer.

import { h, number, spread, svg, visible } from "./dom.js";
import { colorOf } from "./state.js";
import { t } from "./texts.js";

const margin = { left: 58, right: 14, top: 10, bottom: 34 };
const MOST_VALUES = 12; // in the box under the pointer

const short = (value) => (Math.abs(value) >= 1e6 ? value.toExponential(1) : String(Number(value.toPrecision(6))));

function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return [low, high];
}

export class Chart {
  constructor(metric) {
    this.metric = metric;
    this.curves = [];
    this.logarithmic = false;
    this.faint = null;
    this.area = h("div", { class: "plot" });
    this.values = h("div", { class: "values", hidden: true, role: "status" });
    this.root = h("div", { class: "frame" }, this.area, this.values);
    new ResizeObserver(() => this.area.clientWidth !== this.width && this.draw()).observe(this.area);
  }

  show(curves) {
    this.curves = curves.filter(({ steps, tails }) => steps.length || tails.length);
    this.draw();
  }

  makeScale(width, height) {
    const values = [];
    const steps = [];
    for (const { steps: own, mean, sd, tails } of this.curves) {
      steps.push(...own);
      mean.forEach((m, i) => values.push(m - (sd[i] || 0), m + (sd[i] || 0)));
      for (const [step, value] of tails.flat()) {
        steps.push(step);
        values.push(value);
      }
    }
    const log = this.logarithmic;
    let [low, high] = extent(log ? values.filter((value) => value > 0) : values);
    if (!Number.isFinite(low)) [low, high] = [1, 10];
    if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
    let [first, last] = extent(steps);
    if (first === last) [first, last] = [first - 0.5, last + 0.5];
    const place = log ? Math.log10 : (value) => value;
    const room = 0.05 * (place(high) - place(low));
    const [bottom, top] = [place(low) - room, place(high) + room];
    const [w, tall] = [width - margin.left - margin.right, height - margin.top - margin.bottom];
    this.steps = [...new Set(steps)].sort((a, b) => a - b);
    return {
      low, high, first, last,
      x: (step) => margin.left + ((step - first) / (last - first)) * w,
      y: (value) => {
        const at = log && value <= 0 ? bottom : place(value);
        return margin.top + tall - ((at - bottom) / (top - bottom)) * tall;
      },
      step: (x) => first + ((x - margin.left) / w) * (last - first),
    };
  }

  draw() {
    this.area.replaceChildren();
    this.values.hidden = true;
    this.width = this.area.clientWidth;
    if (!this.curves.length) {
      this.area.append(h("p", { class: "note" }, t("noValues")));
      return;
    }
    const width = Math.max(260, this.width);
    const height = Math.round(Math.min(320, Math.max(200, width * 0.5)));
    const scale = this.makeScale(width, height);
    this.scale = scale;
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: "0" }, this.area);
    root.setAttribute("aria-label", t("chart", visible(this.metric), this.curves.length));
    this.drawAxes(root, width, height);
    for (const curve of [...this.curves].reverse()) this.drawCurve(root, curve);
    this.cursor = svg("line", { class: "cursor", y1: margin.top, y2: height - margin.bottom, visibility: "hidden" }, root);
    root.addEventListener("pointermove", (event) => {
      const box = root.getBoundingClientRect();
      const wanted = scale.step(((event.clientX - box.left) / box.width) * width);
      this.point(this.nearest(wanted));
    });
    root.addEventListener("pointerleave", () => this.point(null));
    root.addEventListener("blur", () => this.point(null));
    root.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const at = this.at === null || this.at === undefined ? this.steps.length - (by > 0 ? 2 : 0) : this.steps.indexOf(this.at);
      this.point(this.steps[Math.min(this.steps.length - 1, Math.max(0, at + by))]);
    });
    if (this.at !== null && this.at !== undefined) this.point(this.nearest(this.at));
  }

  nearest(wanted) {
    return this.steps.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));
  }

  drawAxes(root, width, height) {
    const { x, y, low, high, first, last } = this.scale;
    const few = this.logarithmic ? powers(low, high) : [];
    for (const value of few.length > 1 ? few : ticks(low, high, Math.max(3, height / 50), false)) {
      svg("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }, root);
      svg("text", { x: margin.left - 7, y: y(value) + 4, "text-anchor": "end" }, root).textContent = short(value);
    }
    for (const step of ticks(first, last, Math.min(8, width / 80), true)) {
      svg("text", { x: x(step), y: height - margin.bottom + 17, "text-anchor": "middle" }, root).textContent = short(step);
    }
    svg("text", { class: "axis", x: (margin.left + width - margin.right) / 2, y: height - 3, "text-anchor": "middle" }, root).textContent = t("step");
  }

  path(steps, values) {
    const { x, y } = this.scale;
    return steps.map((s, i) => `${i ? "L" : "M"}${x(s).toFixed(1)},${y(values[i]).toFixed(1)}`).join("");
  }

  drawCurve(root, { id, steps, mean, sd, tails }) {
    const color = colorOf(id);
    const group = svg("g", {}, root);
    group.classList.toggle("faint", this.faint !== null && this.faint !== id);
    group.dataset.id = id;
    if (sd.length) {
      const upper = this.path(steps, mean.map((m, i) => m + sd[i]));
      const lower = this.path([...steps].reverse(), mean.map((m, i) => m - sd[i]).reverse());
      svg("path", { class: "band", d: `${upper}L${lower.slice(1)}Z`, fill: color }, group);
    }
    for (const tail of tails) {
      const d = this.path(tail.map(([step]) => step), tail.map(([, value]) => value));
      svg("path", { class: "curve thin", d, stroke: color }, group);
    }
    svg("path", { class: "curve", d: this.path(steps, mean), stroke: color }, group);
    if (steps.length <= 25) {
      steps.forEach((s, i) => svg("circle", { cx: this.scale.x(s), cy: this.scale.y(mean[i]), r: 2.2, fill: color }, group));
    }
  }

  emphasize(id) {
    this.faint = id;
    for (const group of this.area.querySelectorAll("g[data-id]")) {
      group.classList.toggle("faint", id !== null && group.dataset.id !== id);
    }
  }

  // The values of a step, in a box next to the pointer.
  point(step) {
    this.at = step;
    this.values.hidden = step === null;
    this.cursor?.setAttribute("visibility", step === null ? "hidden" : "visible");
    if (step === null) return;
    const at = this.scale.x(step);
    for (const end of ["x1", "x2"]) this.cursor.setAttribute(end, at);
    const found = this.curves
      .map((curve) => ({ ...curve, place: curve.steps.indexOf(step) }))
      .filter(({ place }) => place >= 0)
      .sort((a, b) => b.mean[b.place] - a.mean[a.place]);
    const lines = found.slice(0, MOST_VALUES).map(({ id, label, mean, sd, place }) => {
      const swatch = h("span", { class: "swatch" });
      swatch.style.background = colorOf(id);
      const value = sd.length ? spread(mean[place], sd[place]) : number(mean[place]);
      return h("div", {}, swatch, h("span", { class: "label" }, visible(label)), h("b", {}, value));
    });
    const more = found.length - lines.length;
    this.values.replaceChildren(
      h("div", { class: "head" }, `${t("step")} ${step}`), ...lines,
      ...(more > 0 ? [h("div", { class: "head" }, t("more", more))] : []));
    const right = at > (this.width || 0) / 2;
    this.values.style.left = right ? "" : `${at + 12}px`;
    this.values.style.right = right ? `${this.width - at + 12}px` : "";
  }
}
