// The menus of the bar: which columns are shown, and terms for the filter.

import { columnTitle, h, visible } from "./dom.js";
import { state } from "./state.js";
import { t } from "./texts.js";

const MOST = 300; // entries of a menu; its search finds the others

export function buildColumns(root, offered, searched, onChange) {
  const list = h("div", { class: "choices" });
  const parts = [
    ["fields", offered.fields],
    ["bests", offered.metrics.map((name) => `best:${name}`)],
    ["lasts", offered.metrics.map((name) => `last:${name}`)],
    ["params", offered.params.map(([name]) => `param:${name}`)],
  ];
  const fill = () => {
    const wanted = search.value.toLowerCase();
    list.replaceChildren(...parts.flatMap(([title, columns]) => {
      const found = columns.filter((column) => columnTitle(column).toLowerCase().includes(wanted)).slice(0, MOST);
      return found.length ? [h("h4", {}, t(title)), ...found.map(choice)] : [];
    }));
  };
  const choice = (column) => {
    const box = h("input", {
      type: "checkbox", checked: state.columns.includes(column), disabled: column === "name",
      onchange: () => onChange(box.checked ? [...state.columns, column] : state.columns.filter((other) => other !== column)),
    });
    return h("label", {}, box, columnTitle(column));
  };
  const search = h("input", { type: "search", value: searched, placeholder: t("search"), "aria-label": t("search"), oninput: fill });
  const reset = h("button", { type: "button", class: "link", onclick: () => onChange(offered.shown) }, t("reset"));
  fill();
  root.replaceChildren(h("div", { class: "menu-head" }, search, reset), list);
}

const quoted = (text) => (/[\s"<>=!:\\]/.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : text);

export function buildFacets(root, offered, onTerm) {
  const parts = Object.entries(offered.labels).filter(([, values]) => values.length);
  const lists = parts.map(([field, values]) => {
    const key = field === "tags" ? "tag" : field;
    const items = values.slice(0, MOST).map(([value, count]) => h("button", {
      type: "button", class: "facet", onclick: () => onTerm(`${key}=${quoted(value)}`),
    }, h("span", {}, field === "status" && t(value) ? t(value) : visible(value)), h("span", { class: "soft" }, String(count))));
    return [h("h4", {}, t(field)), ...items];
  });
  root.replaceChildren(h("div", { class: "choices" }, lists.length ? lists.flat() : h("p", { class: "note" }, t("allShown"))));
}

// A menu closes at Escape, and at a click elsewhere.
export function closeMenus(menus) {
  document.addEventListener("pointerdown", (event) => {
    for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus) {
      if (menu.open) menu.querySelector("summary").focus();
      menu.open = false;
    }
  });
}
