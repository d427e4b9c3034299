// Which page is shown, and what happens when something is pressed.

import { events, masters, jobs, workActions } from "./work.js";
import { files, fileActions } from "./files.js";
import { nodes, nodeActions } from "./nodes.js";
import { overview } from "./overview.js";
import { ask, close, h, patch, sized, toast } from "./page.js";
import { api, become, introduce, me, watch } from "./server.js";

const PAGES = [
  ["", "Overview", overview],
  ["nodes", "Nodes", nodes],
  ["files", "Files", files],
  ["jobs", "Jobs", jobs],
  ["events", "Events", events],
  ["masters", "Masters", masters],
];

/** What is known: the last state that came, samples of the last hour, what has happened. */
export const known = { now: null, samples: [], events: [], stale: true };

const main = document.getElementById("main");
let shown = null;

function page() {
  const name = location.hash.replace(/^#\//, "").split(/[/?]/)[0];
  return PAGES.find(([of]) => of === name) ?? PAGES[0];
}

function frame() {
  const [current] = page();
  const links = PAGES.map(([name, title]) =>
    h("a", { href: `#/${name}`, "aria-current": name === current ? "page" : null }, title));
  patch(document.getElementById("nav"), h("nav", { id: "nav", "aria-label": "Pages" }, links));
  const health = known.now?.health;
  const text = known.stale ? "no news" : known.now?.error ? "no leader" : health ? health.level.replace("-", " ") : "…";
  const tone = known.stale || known.now?.error ? "bad" : health?.level === "healthy" ? "good" : "";
  patch(document.getElementById("pulse"), h("span", { id: "pulse", role: "status", class: tone }, text));
  patch(document.getElementById("who"),
    h("button", { id: "who", class: "quiet", "data-do": "who", title: "Who asks: press to change" }, me.user || "…"));
}

/** Shows the page as things are now. */
export async function show() {
  frame();
  const [name, title, draw] = page();
  document.title = title === "Overview" ? "DistriFS" : `${title} · DistriFS`;
  const fresh = h("main", { id: "main", tabindex: "-1" }, draw(known));
  if (shown === name) patch(main, fresh);
  else { main.replaceChildren(...fresh.childNodes); sized(main); window.scrollTo(0, 0); }
  shown = name;
}

async function remember() {
  try {
    const [history, happened] = await Promise.all([api("GET", "history"), api("GET", "events")]);
    known.samples = history.samples;
    known.events = happened.events;
  } catch { /* the pulse says that nothing comes */ }
}

const ACTIONS = {
  close,
  async who() {
    const field = h("label", {}, "User", h("input", { name: "user", value: me.user, autocomplete: "off", required: true }));
    const note = h("p", { class: "small faint" },
      "Permissions are checked for this user. ", me.superuser ? `For ${me.superuser} they are waived. ` : "",
      "There is no password: whoever reaches this port can be anybody.");
    const told = await ask("Who asks", [note, field], "Go on");
    if (told) { become(told.user); fileActions.refresh(); show(); }
  },
  ...nodeActions, ...fileActions, ...workActions,
};

document.addEventListener("click", async (event) => {
  const pressed = event.target.closest("[data-do]");
  if (!pressed || pressed.disabled) return;
  event.preventDefault();
  try {
    await ACTIONS[pressed.dataset.do]?.(pressed.dataset.arg, pressed);
  } catch (error) {
    toast(error.message, true);
  }
});

window.addEventListener("hashchange", () => { close(); show(); });

watch(async (state) => {
  known.stale = state === null;
  if (state) known.now = state;
  const newest = known.samples.at(-1)?.at_ms ?? 0;
  if (state && state.at_ms - newest >= 4500) await remember();
  show();
});

try {
  await introduce();
} catch (error) {
  toast(error.message, true);
}
await remember();
show();
