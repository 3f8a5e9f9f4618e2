// The table of runs: only the rows in view are asked for and exist.

import { ask } from "./api.js";
import { badge, columnTitle, duration, h, moment, number, setting, visible } from "./dom.js";
import { colorOf, state } from "./state.js";
import { t } from "./texts.js";

const ROW = 34; // px, as in parts.css
const CHUNK = 100;
const EXTRA = 12; // rows above and below the view

export class RunTable {
  constructor(root, { onSort, onSelect, onOpen, onFirst }) {
    Object.assign(this, { root, onSort, onSelect, onOpen, onFirst });
    this.chunks = new Map();
    this.total = this.matched = 0;
    this.question = 0;
    this.curveOf = new Map();
    this.body = h("tbody");
    this.head = h("thead");
    this.grid = h("table", { class: "runs" }, this.head, this.body);
    this.note = h("div", { class: "empty", hidden: true });
    this.scroller = h("div", { class: "scroller" }, this.grid);
    root.replaceChildren(this.scroller, this.note);
    this.scroller.addEventListener("scroll", () => this.schedule());
    this.grid.addEventListener("keydown", (event) => this.move(event));
    new ResizeObserver(() => this.schedule()).observe(this.scroller);
  }

  // Ask again: from the top after another filter or order, in place for newer values.
  async load(fromTop) {
    this.question += 1;
    if (fromTop) this.scroller.scrollTop = 0;
    this.stale = new Set(this.chunks.keys());
    const [first, last] = this.range();
    const wanted = new Set([Math.floor(first / CHUNK), Math.floor(Math.max(first, last - 1) / CHUNK)]);
    const question = this.question;
    const before = fromTop ? null : this.chunks;
    const found = new Map();
    await Promise.all([...wanted].map(async (chunk) => found.set(chunk, await this.fetch(chunk))));
    if (question !== this.question) return;
    this.chunks = found;
    if (before) for (const [chunk, rows] of before) if (!found.has(chunk)) this.chunks.set(chunk, rows);
    this.buildHead();
    this.draw();
  }

  async fetch(chunk) {
    const { filter, sort, order, columns } = state;
    const found = await ask("runs", {
      filter, sort, order, columns, offset: chunk * CHUNK, limit: CHUNK,
    });
    [this.total, this.matched] = [found.total, found.matched];
    this.stale?.delete(chunk);
    return found.rows;
  }

  range() {
    const top = Math.max(0, this.scroller.scrollTop - ROW);
    const first = Math.max(0, Math.floor(top / ROW) - EXTRA);
    const count = Math.ceil((this.scroller.clientHeight || 600) / ROW) + 2 * EXTRA;
    return [first, Math.min(Math.max(this.matched, 1), first + count)];
  }

  row(index) {
    return this.chunks.get(Math.floor(index / CHUNK))?.[index % CHUNK];
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  buildHead() {
    const sample = [...this.chunks.values()].flat();
    const cells = state.columns.map((column, place) => {
      const isNumber = typeof sample.find((row) => (row.cells[place] ?? null) !== null)?.cells[place] === "number";
      const title = columnTitle(column);
      const sorted = state.sort === column;
      const arrow = sorted ? (state.order === "desc" ? "↓" : "↑") : "";
      const button = h(
        "button", { type: "button", title: t("sortBy", title), onclick: () => this.onSort(column) },
        h("span", {}, title), h("span", { class: "arrow", "aria-hidden": "true" }, arrow));
      const order = sorted ? (state.order === "desc" ? "descending" : "ascending") : "none";
      return h("th", { scope: "col", class: `${widthClass(column)}${isNumber ? " number" : ""}`, "aria-sort": order }, button);
    });
    const first = h("button", {
      type: "button", title: t("selectFirst"), "aria-label": t("selectFirst"), onclick: this.onFirst,
    }, "◉");
    this.head.replaceChildren(h("tr", {}, h("th", { scope: "col", class: "pick" }, first), cells));
  }

  draw() {
    const [first, last] = this.range();
    this.grid.setAttribute("aria-rowcount", this.matched + 1);
    const focused = document.activeElement?.closest?.("tr[data-index]")?.dataset.index;
    const rows = [];
    for (let index = first; index < Math.min(last, this.matched); index += 1) {
      const chunk = Math.floor(index / CHUNK);
      if (!this.chunks.has(chunk) || this.stale?.has(chunk)) this.want(chunk);
      rows.push(this.drawRow(index, this.row(index)));
    }
    const above = Math.min(first, this.matched);
    const below = Math.max(0, this.matched - last);
    this.body.replaceChildren(spacer(above), ...rows, spacer(below));
    if (focused !== undefined && !this.root.contains(document.activeElement)) this.focus(Number(focused));
    this.note.hidden = this.matched > 0;
    this.scroller.hidden = this.matched === 0 && this.total === 0;
    if (!this.matched) this.note.replaceChildren(h("p", {}, t(this.total ? "nothing" : "empty")));
  }

  async want(chunk) {
    this.asked ??= new Set();
    const id = `${this.question}:${chunk}`;
    if (this.asked.has(id)) return;
    this.asked.add(id);
    const question = this.question;
    try {
      const rows = await this.fetch(chunk);
      if (question !== this.question) return;
      this.chunks.set(chunk, rows);
      this.draw();
    } catch {
      this.asked.delete(id); // the next look at the state says what is wrong
    }
  }

  drawRow(index, row) {
    const tr = h("tr", { "aria-rowindex": index + 2 });
    tr.dataset.index = index;
    if (!row) {
      tr.append(h("td", { colSpan: state.columns.length + 1, class: "waiting" }, "…"));
      return tr;
    }
    const selected = state.selected.includes(row.key);
    tr.classList.toggle("open", row.key === state.run);
    tr.dataset.key = row.key;
    const name = visible(row.cells[state.columns.indexOf("name")] ?? row.key);
    const box = h("input", {
      type: "checkbox", checked: selected, "aria-label": t("select", name),
      onchange: () => this.onSelect(row.key, box.checked),
    });
    if (selected) {
      box.classList.add("drawn");
      box.style.accentColor = colorOf(this.curveOf.get(row.key) ?? `run:${row.key}`);
    }
    tr.append(h("td", { class: "pick" }, box));
    state.columns.forEach((column, place) => {
      tr.append(this.drawCell(column, row.cells[place] ?? null, row));
    });
    return tr;
  }

  drawCell(column, value, row) {
    const kind = widthClass(column);
    if (column === "name") {
      const open = h("button", { type: "button", class: "link", onclick: () => this.onOpen(row.key) }, visible(value ?? "") || "–");
      return h("td", { class: kind, title: visible(value ?? "") }, open);
    }
    if (column === "status") return h("td", { class: kind }, badge(value));
    if (column === "tags") {
      return h("td", { class: kind }, (value || []).map((tag) => h("span", { class: "tag" }, visible(tag))));
    }
    const text = textOf(column, value);
    return h("td", { class: `${kind}${typeof value === "number" ? " number" : ""}`, title: text }, text);
  }

  focus(index) {
    this.body.querySelector(`tr[data-index="${index}"] .link`)?.focus({ preventScroll: true });
  }

  move(event) {
    const index = event.target.closest("tr[data-index]")?.dataset.index;
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 }[event.key];
    if (index === undefined || !by) return;
    event.preventDefault();
    const next = Math.min(this.matched - 1, Math.max(0, Number(index) + by));
    const [top, height] = [next * ROW, this.scroller.clientHeight - 2 * ROW];
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    if (top > this.scroller.scrollTop + height) this.scroller.scrollTop = top - height;
    this.draw();
    this.focus(next);
  }
}

function spacer(rows) {
  const cell = h("td", { colSpan: state.columns.length + 1 });
  const tr = h("tr", { class: "spacer", "aria-hidden": "true" }, cell);
  cell.style.height = `${rows * ROW}px`;
  return tr;
}

function widthClass(column) {
  if (["name", "error", "path"].includes(column)) return "wide";
  return column.includes(":") ? "value" : "middle";
}

export function textOf(column, value) {
  if (value === null) return column.startsWith("param:") ? "–" : "";
  if (column === "started") return moment(value);
  if (column === "seconds") return duration(value);
  return column.startsWith("param:") ? setting(value) : number(value);
}
