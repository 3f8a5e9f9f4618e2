// Builds elements from texts: nothing of a run is ever parsed as markup.

import { locale, t } from "./texts.js";

// Characters that steer or reorder text are shown as their escapes.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
const UNSEEN_IN_BLOCKS = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

function escaped(character) {
  const code = character.codePointAt(0);
  if (code < 256) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 65536 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}

export const visible = (text) => String(text).replace(UNSEEN, escaped);
export const visibleBlock = (text) => String(text).replace(UNSEEN_IN_BLOCKS, escaped);

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function svg(tag, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (parent) parent.append(element);
  return element;
}

export function number(value) {
  if (typeof value !== "number") return visible(value ?? "");
  if (Number.isInteger(value)) return Math.abs(value) < 1e15 ? String(value) : value.toExponential(4);
  const size = Math.abs(value);
  return size >= 0.01 && size < 100000 ? value.toFixed(4) : String(Number(value.toPrecision(4)));
}

export function spread(mean, sd) {
  const text = number(mean);
  return /\.\d{4}$/.test(text) ? `${text} ± ${sd.toFixed(4)}` : `${text} ± ${number(sd)}`;
}

// A hyper-parameter as it was given: 0.1, not 0.1000.
export function setting(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value !== "number") return visible(value);
  return String(Number(value.toPrecision(6)));
}

export function moment(seconds) {
  const format = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const time = new Date(seconds * 1000);
  if (time.getFullYear() !== new Date().getFullYear()) format.year = "numeric";
  return time.toLocaleString(locale(), format);
}

export function duration(seconds) {
  const whole = Math.round(seconds);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function size(bytes) {
  if (bytes === null) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < 4; unit += 1) bytes /= 1000;
  return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
}

const STATUSES = ["finished", "failed", "interrupted", "unfinished", "pruned"];

export function badge(status) {
  const known = STATUSES.includes(status);
  return h("span", { class: `badge ${known ? status : ""}` }, known ? t(status) : visible(status));
}

export function columnTitle(column) {
  const [kind, ...rest] = column.split(":");
  const name = visible(rest.join(":"));
  if (kind === "param") return name;
  return rest.length ? t(kind, name) : t(kind) || visible(kind);
}
