// What all views use: elements, texts of numbers, colours. Data becomes text only: never markup.

const byId = (id) => document.getElementById(id);
const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

/** An element; properties are set as such, data- and aria- ones as attributes. */
function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Three digits and a unit, as pyftrace graph has it. */
function timeText(ns) {
  const size = Math.abs(ns);
  const units = [
    ["ns", 1],
    ["us", 1e3],
    ["ms", 1e6],
    ["s", 1e9],
  ];
  const [unit, factor] = units.find(([, each]) => size / each < 999.5) ?? units[3];
  const value = size / factor;
  const digits = unit === "ns" || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${ns < 0 ? "-" : ""}${value.toFixed(digits)} ${unit}`;
}

const counts = new Intl.NumberFormat("en");
const countText = (n) => counts.format(n);
const plural = (n, word) => `${countText(n)} ${word}${n === 1 ? "" : "s"}`;

function shareText(part, whole) {
  if (!whole) return "0 %";
  const percent = (100 * part) / whole;
  return percent > 0 && percent < 0.1 ? "< 0.1 %" : `${percent.toFixed(1)} %`;
}

/** +12 %, or what tells that there is no before or no after. */
function changeText(was, now) {
  if (was < 0) return "new";
  if (now < 0) return "gone";
  if (was === now) return "=";
  if (was === 0) return "+";
  const percent = Math.round((100 * (now - was)) / was);
  return percent === 0 ? "=" : `${percent > 0 ? "+" : ""}${countText(percent)} %`;
}

const rowList = (rows) =>
  rows.flatMap(([label, text]) => [el("dt", {}, label), el("dd", {}, text)]);

function announce(text) {
  byId("said").textContent = text;
}

// ---- colours ------------------------------------------------------------------------------------

const darkWanted = matchMedia("(prefers-color-scheme: dark)");
const theme = { choice: "auto", listeners: [] };

const isDark = () => (theme.choice === "auto" ? darkWanted.matches : theme.choice === "dark");

function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  byId("theme").textContent = `Theme: ${theme.choice}`;
  paints.clear();
  for (const listener of theme.listeners) listener();
}

function nextTheme() {
  const choices = ["auto", "light", "dark"];
  theme.choice = choices[(choices.indexOf(theme.choice) + 1) % choices.length];
  applyTheme();
}

const paints = new Map(); // what was read of the style sheet or made, until the theme changes

function kept(key, make) {
  if (!paints.has(key)) paints.set(key, make());
  return paints.get(key);
}

/** A custom property of the style sheet. */
const ink = (name) =>
  kept(name, () => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());

/** A function's: its module has the hue, which varies a little within. */
function functionColour(f) {
  return kept(f, () => {
    const hue = (model.moduleRank(f) * 137.5 + 40 + ((f * 61) % 37) - 18) % 360;
    const light = (isDark() ? 0.45 : 0.84) + (((f * 29) % 7) - 3) * 0.008;
    return `oklch(${light} 0.085 ${hue})`;
  });
}

/** From blue (less) over grey to red (more); `change` from -1 to 1. */
function changeColour(change) {
  const step = Math.round(clamp(change, -1, 1) * 8);
  return kept(`change ${step}`, () => {
    const strength = Math.abs(step) / 8;
    const light = isDark() ? 0.4 + 0.08 * strength : 0.9 - 0.16 * strength;
    return `oklch(${light} ${0.004 + 0.14 * strength} ${step > 0 ? 27 : 256})`;
  });
}

/** Lines across, so that new and gone are told without colour. */
function hatch(context, rising) {
  return kept(`hatch ${rising}`, () => {
    const tile = el("canvas", { width: 8, height: 8 });
    const c = tile.getContext("2d");
    c.strokeStyle = ink("hatch");
    c.lineWidth = 1.5;
    for (const at of [-8, 0, 8]) {
      c.moveTo(at, rising ? 8 : 0);
      c.lineTo(at + 8, rising ? 0 : 8);
    }
    c.stroke();
    return context.createPattern(tile, "repeat");
  });
}
