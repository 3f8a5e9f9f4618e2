// What is shown, kept in the address so that it can be bookmarked.

const LISTS = ["columns", "selected", "metrics"];

export const state = {
  filter: "", sort: "started", order: "desc", by: "run", run: "",
  columns: [], selected: [], metrics: [],
};

const untouched = { ...state };

export function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(state)) {
    const text = given.get(name);
    if (LISTS.includes(name)) state[name] = text ? text.split("\x1f") : [];
    else state[name] = text ?? untouched[name];
  }
  return given.has("selected");
}

export function writeAddress() {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    const text = Array.isArray(value) ? value.join("\x1f") : value;
    if (text !== untouched[name] && (text || name === "selected")) parts.set(name, text);
  }
  const address = `#${parts}`;
  if (address !== location.hash) history.replaceState(null, "", address);
}

// Colors stay with a curve as long as it is drawn.
const COLORS = [
  "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
  "#56b4e9", "#7a5195", "#8c564b", "#808080", "#9aa500",
];
const colors = new Map();

export function keepColors(ids) {
  for (const id of [...colors.keys()]) if (!ids.includes(id)) colors.delete(id);
  for (const id of ids) {
    if (colors.has(id)) continue;
    const taken = [...colors.values()];
    const counts = COLORS.map((_, index) => taken.filter((other) => other === index).length);
    colors.set(id, counts.indexOf(Math.min(...counts)));
  }
}

export const colorOf = (id) => (colors.has(id) ? COLORS[colors.get(id)] : "#808080");
