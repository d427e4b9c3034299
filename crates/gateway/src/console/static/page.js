// Making and changing what is on the page.

const SVG = new Set(["svg", "path", "line", "g"]);

/** An element. Properties that begin with "data-" or are known attributes are attributes; `width` of a bar is a style. */
export function h(tag, properties = {}, ...children) {
  const element = SVG.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** Makes `old` what `fresh` is, and leaves alone what is the same: focus and scrolling stay. */
export function patch(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (fresh.dataset?.width !== undefined) old.style.width = fresh.dataset.width;
  const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
  after.forEach((child, place) => {
    if (place < before.length) patch(before[place], child);
    else old.append(child);
  });
  before.slice(after.length).forEach((child) => child.remove());
  sized(old);
}

/** Widths of bars: styles may be set by scripts, not by attributes. */
export function sized(root) {
  for (const bar of root.querySelectorAll?.("[data-width]") ?? []) bar.style.width = bar.dataset.width;
}

export const card = (size, title, right, ...content) =>
  h("section", { class: `card ${size}` }, h("header", {}, h("h2", {}, title), h("span", { class: "faint small" }, right)), content);

export const tag = (tone, text, title) => h("span", { class: `tag ${tone}`, title }, text);

/** Parts of a whole, each `[tone, share]`. */
export const bar = (...parts) =>
  h("div", { class: "bar" }, parts.map(([tone, share]) =>
    h("i", { class: tone, "data-width": `${Math.max(0, Math.min(1, share || 0)) * 100}%` })));

export const fullness = (share) => (share > 0.95 ? "bad" : share > 0.85 ? "warn" : "");

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  let unit = 0;
  while (count >= 1023.5 && unit < UNITS.length - 1) { count /= 1024; unit += 1; }
  return `${unit === 0 || count >= 100 ? Math.round(count) : count.toFixed(1)} ${UNITS[unit]}`;
}

export const count = (number) => (number ?? 0).toLocaleString("en-US");

export const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

export function span(ms) {
  if (ms === null || ms === undefined) return "–";
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

export const date = (ms) => (ms ? new Date(ms).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "–");

export function rate(number) {
  if (number === null || number === undefined) return "–";
  return number >= 100 ? count(Math.round(number)) : number.toFixed(number >= 10 ? 0 : 1);
}

export function micros(us) {
  if (us === null || us === undefined) return "–";
  return us >= 10000 ? `${Math.round(us / 1000)} ms` : us >= 1000 ? `${(us / 1000).toFixed(1)} ms` : `${Math.round(us)} µs`;
}

/** Lines over time: `series` is `[tone, key]`; the highest value decides the scale. */
export function chart(samples, series, { low = false, atLeast = 1 } = {}) {
  const [width, height] = [600, 100];
  const top = Math.max(atLeast, ...samples.flatMap((sample) => series.map(([, key]) => sample[key] ?? 0)));
  const x = (place) => (samples.length < 2 ? width : (place / (samples.length - 1)) * width);
  const y = (value) => height - ((value ?? 0) / top) * (height - 4);
  const drawn = series.map(([tone, key]) => {
    const points = samples.map((sample, place) => `${x(place).toFixed(1)} ${y(sample[key]).toFixed(1)}`);
    if (points.length === 0) return null;
    const line = `M${points.join("L")}`;
    return [
      h("path", { class: `area c-${tone}`, d: `${line}L${width} ${height}L${x(0).toFixed(1)} ${height}Z` }),
      h("path", { class: `line c-${tone}`, d: line, style: null }),
    ];
  });
  return h("svg", { class: low ? "chart low" : "chart", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    h("line", { class: "rule", x1: 0, x2: width, y1: height, y2: height }), drawn);
}

const dialog = () => document.getElementById("dialog");

export function open(...content) {
  const box = dialog();
  box.replaceChildren(h("div", {}, content));
  sized(box);
  if (!box.open) box.showModal();
}

export function close() {
  if (dialog().open) dialog().close();
}

/** Asks for a yes. */
export function confirm(title, text, yes, danger = true) {
  return ask(title, h("p", { class: "lines" }, text), yes, danger).then((form) => form !== null);
}

/** Asks for what is in `fields`; the answers by name, or nothing. */
export function ask(title, fields, yes, danger = false) {
  return new Promise((answer) => {
    const form = h("form", { method: "dialog" }, h("h1", {}, title), fields,
      h("div", { class: "tools" },
        h("button", { type: "button", "data-do": "close" }, "Cancel"),
        h("button", { class: danger ? "danger" : "main", value: "yes" }, yes)));
    let told = null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      told = Object.fromEntries(new FormData(form));
      close();
    });
    dialog().addEventListener("close", () => answer(told), { once: true });
    open(form);
    form.querySelector("input")?.select();
  });
}

let hiding;

export function toast(text, bad = false) {
  const box = document.getElementById("toast");
  box.textContent = text;
  box.className = bad ? "bad" : "";
  box.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { box.hidden = true; }, bad ? 9000 : 3500);
}
