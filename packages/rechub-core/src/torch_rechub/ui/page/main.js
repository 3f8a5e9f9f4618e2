// The live page: asks for news every two seconds, and updates what has changed.

import { ask, Lost } from "./api.js";
import { RunPage } from "./details.js";
import { h, visible } from "./dom.js";
import { buildColumns, buildFacets, closeMenus } from "./menus.js";
import { Panel } from "./panel.js";
import { readAddress, state, writeAddress } from "./state.js";
import { Searches } from "./searches.js";
import { RunTable } from "./table.js";
import { applyLanguage, applyTheme, isDark, otherLanguage, t } from "./texts.js";

const EVERY = 2000; // ms
const COLUMNS_EVERY = 10000;
const WHILE_READING = 400;
const FIRST_SELECTED = 5;
const MOST_SELECTED = 100;

const $ = (id) => document.getElementById(id);
let version = -1;
let news = null; // the last answer about the state
let offered = null;
let offeredFor = { runs: 0, reading: true, at: 0 };
let chosen = false; // whether columns and runs were chosen by the user or the address

const table = new RunTable($("table"), {
  onSort(column) {
    const descends = state.sort === column ? state.order !== "desc" : /^(best|last|started|epochs|seconds)/.test(column);
    change({ sort: column, order: descends ? "desc" : "asc" });
  },
  onSelect(key, on) {
    const others = state.selected.filter((other) => other !== key);
    change({ selected: on ? [...others, key].slice(-MOST_SELECTED) : others });
  },
  async onFirst() {
    const { filter, sort, order } = state;
    change({ selected: (await ask("keys", { filter, sort, order, limit: 10 })).keys });
  },
  onOpen: open,
});
const panel = new Panel($("charts"), {
  onChange: change,
  onUnselect: (keys) => change({ selected: state.selected.filter((key) => !keys.includes(key)) }),
  onOpen: open,
});
const page = new RunPage($("run"), {
  onBack: () => change({ run: "" }),
  onOpen: open,
  onMetric: (metric) => change({
    run: "",
    metrics: [...new Set([metric, ...state.metrics])],
    selected: [...new Set([...state.selected, state.run])],
  }),
});
table.curveOf = panel.curveOf;
const searches = new Searches($("searches"), guarded);

function open(key) {
  change({ run: key });
}

// Every choice goes through here: the state, the address, and the parts that depend on it.
async function change(next) {
  Object.assign(state, next);
  chosen = true;
  writeAddress();
  await update(Object.keys(next));
}

async function update(changed) {
  const has = (...names) => names.some((name) => changed.includes(name));
  $("charts").hidden = Boolean(state.run);
  $("run").hidden = !state.run;
  if (offered) searches.offer(offered);
  $("right-title").textContent = state.run ? t("overview") : t("curves");
  await guarded(async () => {
    const asked = [];
    if (has("filter", "sort", "order", "columns")) asked.push(table.load(true).then(showCount));
    if (has("selected", "metrics", "by")) asked.push(panel.load(true));
    if (has("run") && state.run) asked.push(page.load(true));
    if (has("filter", "metrics", "run")) asked.push(searches.load());
    await Promise.all(asked);
    table.draw();
  });
  $("csv").href = `api/runs.csv?filter=${encodeURIComponent(state.filter)}&sort=${encodeURIComponent(state.sort)}&order=${state.order}&columns=${encodeURIComponent(state.columns.join("\x1f"))}`;
}

// A mistake in the filter is shown next to it; a lost server in the banner.
async function guarded(action) {
  try {
    await action();
    connected(true);
  } catch (error) {
    if (error instanceof Lost) connected(false);
    else if (error.status === 400) {
      $("filter-error").textContent = visible(error.message);
      $("filter").setAttribute("aria-invalid", "true");
    } else throw error;
  }
}

function connected(yes) {
  $("live").className = yes ? "on" : "off";
  const reading = news?.reading && news.units ? t("reading", news.done, news.units) : t("live");
  $("live").textContent = yes ? reading : t("lost");
  const texts = yes ? [news?.problem].filter(Boolean) : [t("lostLong")];
  const warnings = yes ? news?.problems ?? [] : [];
  $("banner").hidden = !texts.length && !warnings.length;
  const open = $("banner").querySelector("details")?.open;
  const list = warnings.length
    ? h("details", {}, h("summary", {}, t("problems", warnings.length)), h("ul", {}, warnings.map((text) => h("li", {}, visible(text)))))
    : null;
  if (list && open) list.open = true;
  $("banner").replaceChildren(...texts.map((text) => h("p", {}, visible(text))), ...(list ? [list] : []));
}

// After the table was loaded, so the filter is a filter.
function showCount() {
  $("filter-error").textContent = "";
  $("filter").setAttribute("aria-invalid", "false");
  $("count").textContent = t("count", table.matched, table.total);
}

// The columns and runs that are shown where nothing was chosen.
async function chooseDefaults() {
  offered = await ask("columns");
  if (!state.columns.length || !chosen) state.columns = offered.shown;
  if (!state.metrics.length && offered.metric) {
    const loss = offered.metrics.find((metric) => metric !== offered.metric && metric.includes("loss"));
    state.metrics = [offered.metric, ...(loss ? [loss] : [])];
  }
  if (!chosen && !state.selected.length) {
    const { filter, sort, order } = state;
    const found = ask("keys", { filter, sort, order, limit: FIRST_SELECTED });
    // a mistake in a filter of the address is reported with the table
    state.selected = await found.then(({ keys }) => keys, (error) => {
      if (error.status !== 400) throw error;
      return [];
    });
  }
  panel.offer(offered.metrics);
  searches.offer(offered);
  buildMenus();
}

function buildMenus() {
  const search = $("columns").querySelector("input[type=search]")?.value ?? "";
  buildColumns($("columns").lastElementChild, offered, search, (columns) => {
    change({ columns });
    buildMenus();
  });
  buildFacets($("facets").lastElementChild, offered, (term) => {
    $("filter").value = `${$("filter").value} ${term}`.trim();
    $("facets").open = false;
    change({ filter: $("filter").value });
  });
}

// The columns are asked for again at times only: they change little, and cost most.
async function newColumns(first) {
  const open = $("columns").open || $("facets").open;
  const grown = news.runs > 1.5 * offeredFor.runs || !news.reading && offeredFor.reading;
  if (!first && (open || !(grown || Date.now() - offeredFor.at > COLUMNS_EVERY))) return;
  offeredFor = { runs: news.runs, reading: news.reading, at: Date.now() };
  await chooseDefaults();
}

async function look() {
  if (!document.hidden || version < 0) await guarded(lookForNews);
  setTimeout(look, news?.reading ? WHILE_READING : EVERY);
}

async function lookForNews() {
  const before = version;
  news = await ask("state");
  if (news.version === version) return;
  version = news.version;
  try {
    await newColumns(before < 0);
    const anew = before < 0;
    const parts = [table.load(anew).then(showCount), panel.load(anew || !panel.cards.size)];
    if (state.run) parts.push(page.load(anew));
    parts.push(searches.load());
    await Promise.all(parts);
    table.draw();
  } catch (error) {
    if (error instanceof Lost) version = before; // to be asked for again
    throw error;
  } finally {
    document.body.dataset.version = version; // for tests, and for nobody else
  }
}

function applyTexts() {
  applyLanguage();
  $("language").textContent = t("language");
  $("theme").textContent = t(isDark() ? "toLight" : "toDark");
}

$("language").addEventListener("click", async () => {
  applyLanguage(otherLanguage());
  applyTexts();
  showCount();
  panel.build();
  if (offered) await chooseDefaults();
  await update(["columns", "selected", "run", "filter"]);
  connected(true);
});
$("theme").addEventListener("click", () => {
  applyTheme(isDark() ? "light" : "dark");
  applyTexts();
});
let typing = null;
$("filter").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => change({ filter: $("filter").value.trim() }), 250);
});
$("bar").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  change({ filter: $("filter").value.trim() });
});
document.addEventListener("keydown", (event) => {
  const writes = event.target.closest("input, select, textarea");
  if (event.key === "/" && !writes) {
    event.preventDefault();
    $("filter").focus();
  }
});
window.addEventListener("hashchange", () => {
  readAddress();
  $("filter").value = state.filter;
  update(["filter", "selected", "run"]);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTexts);

chosen = readAddress();
$("filter").value = state.filter;
applyTheme();
applyTexts();
closeMenus([$("columns"), $("facets")]);
$("run").hidden = !state.run;
$("charts").hidden = Boolean(state.run);
look();
