// Jobs with their limits, what has happened, and the masters.

import { ask, bar, card, clock, count, date, h, plural, span, tag, toast } from "./page.js";
import { api } from "./server.js";
import { show } from "./app.js";

const work = { jobs: null, settings: [], error: null, asked: 0 };

async function load() {
  work.asked = Date.now();
  try {
    Object.assign(work, await api("GET", "jobs"), { error: null });
  } catch (error) {
    work.error = error.message;
  }
  show();
}

const TONES = { running: "info", failing: "bad", waiting: "warn", stopped: "", idle: "good" };

function job(one) {
  return h("tr", {},
    h("td", {}, h("b", {}, one.name), one.host ? h("div", { class: "small faint" }, one.host) : null),
    h("td", { class: "fit" }, tag(TONES[one.state] ?? "", one.state)),
    h("td", { class: "wrap" }, one.detail, one.progress === null ? null : bar(["", one.progress]),
      one.last_error ? h("div", { class: "small faint wrap" }, `last error, ${date(one.last_error_ms)}: ${one.last_error}`) : null));
}

export function jobs() {
  if (Date.now() - work.asked > 2000) load();
  if (work.error && !work.jobs) return h("p", { class: "empty" }, work.error);
  if (!work.jobs) return h("p", { class: "empty" }, "Asking the cluster…");
  const balance = work.jobs.find((one) => one.name === "rebalance");
  const runs = balance && balance.state === "running";
  return h("div", { class: "grid" },
    card("", "Background jobs", null, h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", {}, "Job"), h("th", {}, "State"), h("th", {}, "What"))), h("tbody", {}, work.jobs.map(job)))),
    h("div", { class: "tools" },
      h("button", { "data-do": "balancePlan" }, "What would be balanced"),
      h("button", { "data-do": "balance", "data-arg": runs ? "stop" : "start" }, runs ? "Stop the balancer" : "Start the balancer"))),
    card("", "Settings", "in force at once", h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", {}, "Setting"), h("th", {}, "Value"), h("th", { class: "wide" }, "Default"), h("th", {}, ""))),
      h("tbody", {}, work.settings.map((one) => h("tr", {},
        h("td", { class: "wrap" }, h("b", {}, one.key), h("div", { class: "small faint" }, one.what)),
        h("td", { class: "number" }, one.value), h("td", { class: "wide faint" }, one.default),
        h("td", { class: "fit end" }, h("button", { "data-do": "setting", "data-arg": one.key }, "Change…")))))))));
}

const EVENT_TONES = { good: "good", plain: "", warning: "warn", bad: "bad" };

export function events({ events: all }) {
  return card("", "What happened", "as this master has seen it, newest first",
    all.length === 0 ? h("p", { class: "empty" }, "Nothing since this master began to look.")
      : h("ul", { class: "events" }, all.map((event) => h("li", {},
        h("time", { title: date(event.at_ms) }, clock(event.at_ms)),
        h("span", { class: "wrap" }, h("i", { class: `dot ${EVENT_TONES[event.tone]}` }), event.what,
          event.why ? h("div", { class: "small faint wrap" }, event.why) : null)))));
}

export function masters({ now }) {
  const group = now?.masters;
  if (!group) return h("p", { class: "empty" }, now?.error ?? "Asking the cluster…");
  const right = (text) => h("td", { class: "right wide" }, text);
  return card("", "Masters", `term ${count(group.term)} · cluster ${group.cluster ?? "–"}`,
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", {}, "Address"), h("th", {}, "Role"), h("th", { class: "right" }, "Behind"),
        h("th", { class: "right wide" }, "Log"), h("th", { class: "right wide" }, "Applied"), h("th", { class: "right wide" }, "Checkpoint"))),
      h("tbody", {}, group.masters.map((one) => h("tr", {},
        h("td", { class: "wrap" }, h("b", {}, one.address)),
        h("td", {}, tag(!one.answers ? "bad" : one.role === "leader" ? "good" : "", one.answers ? one.role : "does not answer"),
          one.silent_for_ms > 2000 ? h("div", { class: "small faint" }, `silent for ${span(one.silent_for_ms)}`) : null),
        h("td", { class: "right" }, one.lag === null ? "–" : plural(one.lag, "entry").replace("entrys", "entries")),
        right(count(one.last_index)), right(count(one.applied_index)), right(one.checkpoint_index === null ? "–" : count(one.checkpoint_index))))))));
}

export const workActions = {
  async setting(key) {
    const one = work.settings.find((setting) => setting.key === key);
    const told = await ask(key, [h("p", { class: "faint" }, one.what),
      h("label", {}, `Value (empty: the default, ${one.default})`, h("input", { name: "value", value: one.value, autocomplete: "off" }))], "Change");
    if (!told) return;
    const now = await api("PUT", `settings/${encodeURIComponent(key)}`, { value: told.value });
    toast(`${key} is ${now.value}`);
    load();
  },
  async balance(action) {
    await api("POST", "rebalance", { action });
    toast(action === "start" ? "The balancer is started" : "The balancer is stopped");
    load();
  },
  async balancePlan() {
    const plan = await api("POST", "rebalance", { action: "plan" });
    await ask("What would be balanced", [h("p", {}, plural(plan.moves, "move")), h("p", { class: "lines faint" }, plan.explanation.join("\n"))], "Good");
  },
};
