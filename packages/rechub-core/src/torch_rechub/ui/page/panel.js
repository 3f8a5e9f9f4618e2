// The charts of the selected runs, with their legend.

import { ask } from "./api.js";
import { Chart } from "./chart.js";
import { h, visible } from "./dom.js";
import { colorOf, keepColors, state } from "./state.js";
import { t } from "./texts.js";

export class Panel {
  constructor(root, { onChange, onUnselect, onOpen }) {
    Object.assign(this, { root, onChange, onUnselect, onOpen });
    this.metrics = [];
    this.cards = new Map(); // metric -> { chart, root, revision }
    this.legend = h("ul", { class: "legend" });
    this.tools = h("div", { class: "tools" });
    this.area = h("div", { class: "cards" });
    this.note = h("p", { class: "note" });
    root.replaceChildren(this.tools, this.legend, this.note, this.area);
    this.curveOf = new Map();
  }

  offer(metrics) {
    const changed = metrics.join("\n") !== this.metrics.join("\n");
    this.metrics = metrics;
    if (changed) this.build();
  }

  // The parts that depend on choices and on the language.
  build() {
    const by = select(
      [["run", t("byRun")], ["seed", t("bySeed")], ["group", t("byGroup")]], state.by,
      (value) => this.onChange({ by: value }));
    const others = this.metrics.filter((metric) => !state.metrics.includes(metric));
    const more = select(
      [["", t("addChart")], ...others.map((metric) => [metric, visible(metric)])], "",
      (value) => value && this.onChange({ metrics: [...state.metrics, value] }));
    more.setAttribute("aria-label", t("addChart"));
    this.tools.replaceChildren(h("label", {}, `${t("by")} `, by), more);
    for (const metric of [...this.cards.keys()]) if (!state.metrics.includes(metric)) this.cards.delete(metric);
    for (const metric of state.metrics) this.card(metric);
    this.area.replaceChildren(...state.metrics.map((metric) => this.cards.get(metric).root));
  }

  card(metric) {
    const card = this.cards.get(metric) ?? { chart: new Chart(metric), revision: 0 };
    const names = [...new Set([metric, ...this.metrics])];
    const choice = select(names.map((name) => [name, visible(name)]), metric, (value) => {
      const others = state.metrics.filter((other) => other !== value);
      this.onChange({ metrics: others.map((other) => (other === metric ? value : other)) });
    });
    choice.setAttribute("aria-label", t("metric"));
    const log = h("input", {
      type: "checkbox", checked: card.chart.logarithmic,
      onchange: () => {
        card.chart.logarithmic = log.checked;
        card.chart.draw();
      },
    });
    const remove = h("button", {
      type: "button", class: "quiet", title: t("removeChart"), "aria-label": t("removeChart"),
      onclick: () => this.onChange({ metrics: state.metrics.filter((other) => other !== metric) }),
    }, "×");
    const head = h("div", { class: "card-head" }, choice, h("label", {}, log, ` ${t("logarithmic")}`), remove);
    card.root = h("div", { class: "card" }, head, card.chart.root);
    this.cards.set(metric, card);
  }

  // Ask for the curves; with `anew` even of runs that have not changed.
  async load(anew) {
    if (anew) this.build();
    this.note.textContent = state.selected.length ? "" : t("noSelection");
    const question = (this.question = (this.question ?? 0) + 1);
    const found = await Promise.all(state.metrics.map((metric) => {
      const card = this.cards.get(metric);
      const since = anew ? 0 : card.revision;
      return state.selected.length
        ? ask("curves", { metric, by: state.by, keys: state.selected, since })
        : { curves: [], revision: 0 };
    }));
    if (question !== this.question) return;
    found.forEach((answer, index) => {
      const card = this.cards.get(state.metrics[index]);
      if (!card || answer.unchanged) return;
      card.revision = answer.revision;
      card.curves = answer.curves;
    });
    this.color();
    for (const metric of state.metrics) {
      const card = this.cards.get(metric);
      if (card) card.chart.show(card.curves ?? []);
    }
    this.buildLegend();
  }

  color() {
    const all = state.metrics.flatMap((metric) => this.cards.get(metric)?.curves ?? []);
    this.legendCurves = [...new Map(all.map((curve) => [curve.id, curve])).values()];
    const of_runs = state.by === "run" ? state.selected.map((key) => `run:${key}`) : [];
    keepColors([...new Set([...of_runs, ...this.legendCurves.map(({ id }) => id)])]);
    this.curveOf.clear();
    for (const { id, keys } of this.legendCurves) for (const key of keys) this.curveOf.set(key, id);
  }

  buildLegend() {
    const items = this.legendCurves.map(({ id, label, keys }) => {
      const swatch = h("span", { class: "swatch" });
      swatch.style.background = colorOf(id);
      const text = keys.length > 1 ? `${visible(label)} (${t("n", keys.length)})` : visible(label);
      const open = h("button", { type: "button", class: "link", title: text, onclick: () => this.onOpen(keys[0]) }, text);
      const away = h("button", {
        type: "button", class: "quiet", title: t("unselect", visible(label)),
        "aria-label": t("unselect", visible(label)), onclick: () => this.onUnselect(keys),
      }, "×");
      const emphasize = (value) => () => this.cards.forEach((card) => card.chart.emphasize(value));
      return h("li", { onpointerenter: emphasize(id), onpointerleave: emphasize(null) }, swatch, open, away);
    });
    if (items.length > 1) {
      items.push(h("li", {}, h("button", {
        type: "button", class: "link soft", onclick: () => this.onUnselect(state.selected),
      }, t("unselectAll"))));
    }
    this.legend.replaceChildren(...items);
    const several = this.legendCurves.some(({ keys }) => keys.length > 1);
    if (state.selected.length) this.note.textContent = several ? t("band") : "";
  }
}

function select(options, value, change) {
  const box = h("select", { onchange: () => change(box.value) });
  for (const [name, text] of options) box.append(new Option(text, name, false, name === value));
  return box;
}
