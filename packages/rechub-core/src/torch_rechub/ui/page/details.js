// The page of one run: all that was recorded of it.

import { ask } from "./api.js";
import { badge, h, number, setting, size, svg, visible, visibleBlock } from "./dom.js";
import { textOf } from "./table.js";
import { state } from "./state.js";
import { t } from "./texts.js";

const FIELDS = ["status", "group", "tags", "project", "backend", "started", "seconds", "epochs", "run", "parent", "path"];

export class RunPage {
  constructor(root, { onBack, onOpen, onMetric }) {
    Object.assign(this, { root, onBack, onOpen, onMetric });
    this.revision = null;
  }

  async load(anew) {
    const key = state.run;
    if (anew) {
      this.revision = null;
      this.root.replaceChildren(this.back(), h("p", { class: "note" }, t("loading")));
    }
    let found;
    try {
      found = await ask(`run/${encodeURIComponent(key)}`);
    } catch (error) {
      if (error.status !== 404) throw error;
      this.root.replaceChildren(this.back(), h("p", { class: "note" }, t("gone")));
      return;
    }
    if (key !== state.run || found.revision === this.revision) return;
    this.revision = found.revision;
    const open = new Set([...this.root.querySelectorAll("details[open]")].map(({ id }) => id));
    const top = this.root.scrollTop;
    this.root.replaceChildren(this.back(), ...this.build(found, open));
    this.root.scrollTop = top;
    if (anew) this.root.querySelector("h3").focus();
  }

  back() {
    return h("button", { type: "button", class: "link", onclick: this.onBack }, `← ${t("back")}`);
  }

  build(run, open) {
    const parts = [
      h("h3", { class: "run-name", tabIndex: -1 }, visible(run.name) || "–"),
      run.error ? h("pre", { class: "failure", role: "alert" }, visibleBlock(run.error)) : null,
      this.fields(run),
      this.metrics(run),
      this.params(run),
      this.part("tables", run.tables, (table) => this.table(table)),
      this.part("figures", run.figures, ([at, name, step]) => this.figure(run.key, at, name, step)),
      this.part("texts", run.texts, ([name, step, text]) => block(name, step, h("pre", {}, visibleBlock(text)))),
      this.part("histograms", newest(run.histograms), (histogram) => this.histogram(histogram)),
      run.files.length ? section("files", run.files.length, h("table", { class: "plain" }, h("tbody", {},
        run.files.map(([name, bytes]) => h("tr", {}, h("th", { scope: "row" }, visible(name)), h("td", { class: "number" }, size(bytes))))))) : null,
      this.relatives(run),
    ];
    const built = parts.filter(Boolean);
    for (const part of built) if (open.has(part.id)) part.open = true;
    return built;
  }

  fields(run) {
    const lines = FIELDS.flatMap((name) => {
      const value = run.fields[name];
      if (value === null || value === "" || (Array.isArray(value) && !value.length)) return [];
      let shown = textOf(name, value);
      if (name === "status") shown = badge(value);
      if (name === "tags") shown = value.map((tag) => h("span", { class: "tag" }, visible(tag)));
      return [h("dt", {}, t(name)), h("dd", {}, shown)];
    });
    return h("dl", {}, lines);
  }

  metrics(run) {
    if (!run.metrics.length) return null;
    const head = ["metrics", "bestColumn", "at", "lastColumn", "points"].map((name, i) => h("th", { scope: "col", class: i ? "number" : "" }, t(name)));
    const rows = run.metrics.map((metric) => {
      const draw = h("button", { type: "button", class: "link", onclick: () => this.onMetric(metric.name) }, visible(metric.name));
      const best = h("td", { class: "number", title: `${t("direction")}: ${t(metric.mode)}` }, number(metric.best));
      const points = metric.lost ? `${metric.n} (${t("lostValues", metric.lost)})` : String(metric.n);
      return h("tr", {}, h("th", { scope: "row" }, draw), best, cell(metric.at), cell(number(metric.last)), cell(points));
    });
    return section("metrics", run.metrics.length, h("div", { class: "wide-scroll" }, h("table", { class: "plain" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))), true);
  }

  params(run) {
    if (!run.params.length) return section("params", 0, h("p", { class: "note" }, t("noParams")));
    const body = h("tbody");
    const fill = (text) => {
      const wanted = text.toLowerCase();
      body.replaceChildren(...run.params
        .filter(([name, value]) => `${name} ${value}`.toLowerCase().includes(wanted))
        .map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, visible(name)), h("td", {}, setting(value)))));
    };
    const search = h("input", { type: "search", placeholder: t("filterParams"), "aria-label": t("filterParams"), oninput: () => fill(search.value) });
    fill("");
    return section("params", run.params.length, h("div", {}, run.params.length > 12 ? search : null, h("table", { class: "plain" }, body)), true);
  }

  part(name, values, build) {
    return values.length ? section(name, values.length, h("div", {}, values.map(build)), values.length <= 12) : null;
  }

  table({ name, step, columns, rows, n }) {
    const head = h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col" }, visible(column)))));
    const lines = rows.map((row) => h("tr", {}, row.map((value) => h("td", { class: typeof value === "number" ? "number" : "" }, typeof value === "number" ? number(value) : visible(value ?? "–")))));
    const grid = h("div", { class: "wide-scroll tall" }, h("table", { class: "plain" }, head, h("tbody", {}, lines)));
    return block(name, step, grid, t("rows", rows.length, n));
  }

  figure(key, at, name, step) {
    const source = `api/run/${encodeURIComponent(key)}/figure/${at}`;
    return block(name, step, h("img", { src: source, alt: visible(name), loading: "lazy" }));
  }

  histogram([name, step, counts, edges]) {
    const [width, height, most] = [360, 90, Math.max(1, ...counts)];
    const root = svg("svg", { viewBox: `0 0 ${width} ${height + 16}`, role: "img", class: "histogram" });
    root.setAttribute("aria-label", t("histogram", visible(name), step));
    const [low, high] = [edges[0], edges.at(-1)];
    const x = (edge) => ((edge - low) / (high - low || 1)) * width;
    counts.forEach((count, i) => {
      const tall = (count / most) * height;
      const bar = svg("rect", { x: x(edges[i]), width: Math.max(0.5, x(edges[i + 1]) - x(edges[i]) - 0.5), y: height - tall, height: tall }, root);
      svg("title", {}, bar).textContent = `${number(edges[i])} – ${number(edges[i + 1])}: ${count}`;
    });
    svg("text", { x: 0, y: height + 13 }, root).textContent = number(low);
    svg("text", { x: width, y: height + 13, "text-anchor": "end" }, root).textContent = number(high);
    return block(name, step, root);
  }

  relatives(run) {
    if (!run.relatives.length) return null;
    const items = run.relatives.map(([kind, key, name]) => h("li", {}, `${t(kind === "parent" ? "parentOf" : "child")} `,
      h("button", { type: "button", class: "link", onclick: () => this.onOpen(key) }, visible(name))));
    return section("relatives", items.length, h("ul", {}, items), true);
  }
}

const cell = (value) => h("td", { class: "number" }, value === null ? "–" : String(value));

// The last histogram of each name; the earlier ones are in the files.
const newest = (histograms) => [...new Map(histograms.map((one) => [one[0], one])).values()];

function section(name, count, content, open = false) {
  const part = h("details", { class: "part", id: `part-${name}` }, h("summary", {}, t(name), h("span", { class: "soft" }, ` ${count}`)), content);
  part.open = open;
  return part;
}

function block(name, step, content, note = "") {
  const head = h("figcaption", {}, h("b", {}, visible(name)), h("span", { class: "soft" }, ` ${t("step")} ${step}${note ? ` · ${note}` : ""}`));
  return h("figure", {}, head, content);
}
