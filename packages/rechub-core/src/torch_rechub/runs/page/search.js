"use strict";
// Draws searches: drawSearches(root, searches, words). Text from runs is only ever set as text.

const drawSearches = (() => {
  const ENGLISH = {
    search: "Search", trials: "trials", trial: "trial", seeds: "seeds", value: "value",
    finished: "finished", pruned: "pruned", failed: "failed", unfinished: "unfinished",
    best: "Best value so far", parameters: "Parameters of the trials", importance: "Importance",
    select: "Drag along an axis to select trials; double-click to select all.",
    share: "Share of the differences in rank that a parameter explains alone (η² of a Kruskal-Wallis test; pruned trials share the last place, interactions do not count).",
    few: "Importance needs 16 trials that ended, and two values of a parameter.",
    hidden: "more trials are not drawn",
  };
  const WORST = [153, 153, 153];
  const BEST = [213, 94, 0];
  const margin = { left: 64, right: 16, top: 12, bottom: 40 };

  function svg(name, attributes, parent, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  }

  function html(name, parent, className, text) {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  }

  function format(value) {
    const size = Math.abs(value);
    return size !== 0 && (size < 0.01 || size >= 100000) ? value.toExponential(3) : value.toFixed(4);
  }

  function extent(values) {
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    return low < high ? [low, high] : [low - 0.5, high + 0.5];
  }

  // Between the color of the worst (0) and of the best trial (1).
  function color(quality) {
    const part = WORST.map((from, i) => Math.round(from + (BEST[i] - from) * quality));
    return `rgb(${part.join(",")})`;
  }

  function canvas(parent, height, label) {
    const width = Math.max(320, parent.clientWidth || 320);
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" }, parent);
    root.setAttribute("aria-label", label);
    return { root, width, height };
  }

  function summary(search, trial, at, words) {
    const parts = search.axes.map((axis) => `${axis.name} ${axis.texts[at]}`);
    const value = trial.value === null ? "" : ` ${format(trial.value)}`;
    return `${words.trial} ${trial.number}, ${words[trial.state]}${value}: ${parts.join(", ")}`;
  }

  // The value of each trial, and the best one so far as steps.
  function drawBest(parent, search, words, note) {
    const { root, width, height } = canvas(parent, 260, `${words.best}: ${search.title}`);
    const measured = search.trials.map((trial, at) => ({ ...trial, at })).filter((t) => t.value !== null);
    const [low, high] = extent(measured.map((trial) => trial.value));
    const [first, last] = extent(search.trials.map((trial) => trial.number));
    const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
    const x = (number) => margin.left + ((number - first) / (last - first)) * inner.width;
    const y = (value) => margin.top + inner.height - ((value - low) / (high - low)) * inner.height;
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const value = low + part * (high - low);
      svg("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }, root);
      svg("text", { x: margin.left - 8, y: y(value) + 4, "text-anchor": "end" }, root, format(value));
    }
    const ends = search.trials.length > 1 ? [0, 0.5, 1] : [0.5];
    for (const part of ends) {
      const number = Math.round(first + part * (last - first));
      svg("text", { x: x(number), y: height - margin.bottom + 18, "text-anchor": "middle" }, root, number);
    }
    svg("text", { x: margin.left + inner.width / 2, y: height - 4, "text-anchor": "middle" }, root, words.trial);
    let best = null;
    let steps = "";
    for (const trial of measured.filter((t) => t.state === "finished")) {
      const better = best === null || (search.mode === "max" ? trial.value > best : trial.value < best);
      if (better) {
        steps += best === null ? `M${x(trial.number)},${y(trial.value)}` : `H${x(trial.number)}V${y(trial.value)}`;
        best = trial.value;
      }
    }
    if (best !== null) svg("path", { class: "curve best", d: `${steps}H${x(last)}` }, root);
    for (const trial of measured) {
      const point = svg("circle", { class: trial.state, cx: x(trial.number), cy: y(trial.value), r: 4 }, root);
      point.addEventListener("pointerenter", () => note(summary(search, trial, trial.at, words)));
    }
  }

  // A line for each trial over an axis for each parameter, and one for the value.
  function drawParallel(parent, search, words, note) {
    const { root, width, height } = canvas(parent, 320, `${words.parameters}: ${search.title}`);
    const drawn = search.trials.map((trial, at) => ({ ...trial, at })).filter((t) => t.value !== null);
    const [low, high] = extent(drawn.map((trial) => trial.value));
    const place = (trial) => (trial.value - low) / (high - low);
    // colors go by rank, so that one diverged trial does not make all others look alike
    const sorted = drawn.map((trial) => trial.value).sort((a, b) => (search.mode === "max" ? a - b : b - a));
    const quality = (trial) => sorted.indexOf(trial.value) / Math.max(1, sorted.length - 1);
    const axes = search.axes.concat([{
      name: search.metric, ticks: [[0, format(low)], [1, format(high)]],
      places: search.trials.map((trial) => (trial.value === null ? 0 : place(trial))),
    }]);
    const top = 40;
    const bottom = height - 16;
    const gap = (width - 2 * margin.left) / Math.max(1, axes.length - 1);
    const x = (axis) => margin.left + axis * gap;
    const y = (part) => bottom - part * (bottom - top);
    const selected = axes.map(() => null);
    const lines = [...drawn].sort((a, b) => quality(a) - quality(b)).map((trial) => {
      const d = axes.map((axis, i) => `${i ? "L" : "M"}${x(i).toFixed(1)},${y(axis.places[trial.at]).toFixed(1)}`).join("");
      const line = svg("path", { class: `curve trial ${trial.state}`, d, stroke: color(quality(trial)) }, root);
      line.addEventListener("pointerenter", () => {
        line.classList.add("chosen");
        note(summary(search, trial, trial.at, words));
      });
      line.addEventListener("pointerleave", () => line.classList.remove("chosen"));
      return { line, trial };
    });
    const select = () => lines.forEach(({ line, trial }) => {
      const inside = selected.every((range, i) =>
        range === null || (axes[i].places[trial.at] >= range[0] && axes[i].places[trial.at] <= range[1]));
      line.classList.toggle("faint", !inside);
    });
    axes.forEach((axis, i) => drawAxis(root, axis, x(i), gap, y, (range) => {
      selected[i] = range;
      select();
    }));
  }

  function drawAxis(root, axis, x, gap, y, onSelect) {
    svg("line", { class: "axis", x1: x, x2: x, y1: y(0), y2: y(1) }, root);
    const room = Math.max(6, Math.floor(gap / 7));
    const short = (text) => (text.length > room ? `${text.slice(0, room - 1)}…` : text);
    const title = svg("text", { class: "name", x, y: y(1) - 16, "text-anchor": "middle" }, root, short(axis.name));
    svg("title", {}, title, axis.name);
    for (const [part, text] of axis.ticks) {
      const tick = svg("text", { class: "tick", x: x + 5, y: y(part) + 4 }, root, short(text));
      svg("title", {}, tick, text);
    }
    const range = svg("rect", { class: "range", x: x - 6, width: 12, y: 0, height: 0 }, root);
    const handle = svg("rect", { class: "handle", x: x - 10, width: 20, y: y(1), height: y(0) - y(1) }, root);
    const part = (event) => {
      const box = handle.getBoundingClientRect();
      return Math.min(1, Math.max(0, 1 - (event.clientY - box.top) / box.height));
    };
    const show = (low, high) => {
      range.setAttribute("y", y(high));
      range.setAttribute("height", Math.max(0, y(low) - y(high)));
    };
    let start = null;
    handle.addEventListener("pointerdown", (event) => {
      start = part(event);
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener("pointermove", (event) => {
      if (start === null) return;
      const [low, high] = [Math.min(start, part(event)), Math.max(start, part(event))];
      show(low, high);
      onSelect(low === high ? null : [low, high]);
    });
    handle.addEventListener("pointerup", () => { start = null; });
    handle.addEventListener("dblclick", () => {
      show(0, 0);
      onSelect(null);
    });
  }

  function drawImportance(parent, search, words) {
    const known = search.axes
      .map((axis, i) => ({ name: axis.name, share: search.importance[i] }))
      .filter((one) => one.share !== null)
      .sort((a, b) => b.share - a.share);
    if (!known.length) {
      html("p", parent, "note", words.few);
      return;
    }
    const list = html("ol", parent, "bars");
    for (const { name, share } of known) {
      const row = html("li", list);
      html("span", row, "label", name);
      const bar = html("span", row, "bar");
      html("span", bar, "share").style.width = `${(100 * share).toFixed(1)}%`;
      html("span", row, "value", `${(100 * share).toFixed(0)} %`);
    }
    html("p", parent, "note", words.share);
  }

  function drawSearch(root, search, words) {
    const section = html("section", root, "search");
    html("h2", section, "", `${words.search} ${search.title}`);
    const states = Object.entries(search.states).map(([state, n]) => `${n} ${words[state]}`);
    html("p", section, "note", `${search.trials.length + search.hidden} ${words.trials}: ${states.join(", ")}`);
    if (search.hidden) html("p", section, "note", `${search.hidden} ${words.hidden}`);
    if (search.trials.some((trial) => trial.value !== null)) {
      html("h3", section, "", `${words.best}: ${search.metric}`);
      const best = html("div", section, "figure");
      html("h3", section, "", words.parameters);
      html("p", section, "note", words.select);
      const parallel = html("div", section, "figure");
      const told = html("p", section, "note told", "\u00a0");
      const note = (text) => { told.textContent = text; };
      drawBest(best, search, words, note);
      drawParallel(parallel, search, words, note);
    }
    html("h3", section, "", words.importance);
    drawImportance(section, search, words);
  }

  return (root, searches, words = {}) => {
    root.replaceChildren();
    for (const search of searches) drawSearch(root, search, { ...ENGLISH, ...words });
  };
})();
