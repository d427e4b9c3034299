// Is my data safe, is it fast, what is happening?

import { bar, bytes, card, chart, clock, count, fullness, h, micros, plural, rate, span, tag } from "./page.js";

const SAYS = {
  healthy: ["✓", "All data is safe", "Every chunk has as many copies as it should."],
  degraded: ["!", "Data is safe, something is wrong", "No data is in danger."],
  "at-risk": ["!", "Some data has too few copies", "It can be read, and is being copied."],
  lost: ["✕", "Some data can not be read", "No copy of it can be reached now."],
};

function hero({ health, nodes }) {
  const [mark, title, otherwise] = SAYS[health.level] ?? SAYS.degraded;
  const { chunks } = health;
  const repair = health.repair.queued > 0
    ? `${plural(health.repair.queued, "chunk")} in repair${health.repair.over_in_ms ? `, done in about ${span(health.repair.over_in_ms)}` : ""}.`
    : "";
  const live = nodes.filter((node) => node.liveness === "live" || node.liveness === "late").length;
  return h("section", { class: `card hero ${health.level}`, id: "hero" },
    h("div", { class: "mark", "aria-hidden": "true" }, mark),
    h("div", {},
      h("h1", {}, title),
      h("p", { class: "faint" }, chunks.total === 0 ? "There is nothing stored yet. " : `${otherwise} `,
        `${plural(chunks.total, "chunk")} on ${live} of ${plural(nodes.length, "datanode")}. `, repair,
        health.safe_mode ? " Safe mode: no changes are taken." : "",
        health.recounted !== null ? ` Counts are being made anew (${Math.round(health.recounted * 100)} %).` : "")));
}

function problems({ health }) {
  if (health.problems.length === 0) return null;
  const tone = { degraded: "warn", "at-risk": "bad", lost: "bad" };
  const items = health.problems.map((problem) => h("li", {},
    tag(tone[problem.level] ?? "warn", problem.level.replace("-", " ")),
    h("span", { class: "wrap" }, problem.what),
    h("span", { class: "faint small" }, problem.since_ms ? `since ${clock(problem.since_ms)}` : ""),
    h("span", { class: "faint small wrap" }, problem.action, problem.over_in_ms ? ` · done in about ${span(problem.over_in_ms)}` : "")));
  return card("", "What is wrong", plural(items.length, "thing"), h("ul", { class: "problems" }, items));
}

function ledger({ health: { chunks } }) {
  const share = (number) => (chunks.total ? number / chunks.total : 0);
  const gone = chunks.lost + chunks.unavailable;
  const others = chunks.total - chunks.healthy - chunks.at_risk - gone;
  const by = Object.entries(chunks.at_risk_by_copies_left).map(([left, number]) => `${count(number)} with ${left} left`).join(", ");
  return card("s6", "Chunks", plural(chunks.total, "chunk"),
    chunks.total ? bar(["good", share(chunks.healthy)], ["", share(others)], ["warn", share(chunks.at_risk)], ["bad", share(gone)])
      : bar(["", 0]),
    h("div", { class: "legend" },
      h("span", {}, h("i", { class: "dot good" }), h("b", {}, count(chunks.healthy)), " healthy"),
      h("span", {}, h("i", { class: "dot info" }), h("b", {}, count(others)), " being written or tidied"),
      h("span", {}, h("i", { class: "dot warn" }), h("b", {}, count(chunks.at_risk)), ` at risk${by ? ` (${by})` : ""}`),
      h("span", {}, h("i", { class: "dot bad" }), h("b", {}, count(gone)), " lost or out of reach"),
      chunks.with_corrupt_replica ? h("span", {}, h("b", {}, count(chunks.with_corrupt_replica)), " with a corrupt replica") : null));
}

function axis(samples) {
  if (samples.length < 2) return h("div", { class: "axis" }, h("span", {}, "samples are being gathered"), h("span", {}, "now"));
  return h("div", { class: "axis" }, h("span", {}, clock(samples[0].at_ms)), h("span", {}, "now"));
}

function space({ health }) {
  const share = (bytes) => (health.capacity ? bytes / health.capacity : 0);
  const taken = health.capacity - health.available;
  return card("s3", "Space", `${bytes(health.available)} free`,
    h("p", { class: "big" }, bytes(health.used), " ", h("small", {}, `of ${bytes(health.capacity)}`)),
    h("div", { class: "volumes", title: "chunks, and what else is on the disks" }, bar([fullness(share(taken)), share(health.used)], ["other", share(taken - health.used)])));
}

export function overview({ now, samples, events }) {
  if (!now) return h("p", { class: "empty" }, "Asking the cluster…");
  if (now.error) {
    return h("section", { class: "card hero lost", id: "hero" }, h("div", { class: "mark" }, "✕"),
      h("div", {}, h("h1", {}, "No master that leads answers"), h("p", { class: "faint wrap" }, now.error)));
  }
  const { rates, health } = now;
  const moving = rates ?? {};
  return h("div", { class: "grid" },
    hero(now),
    problems(now),
    card("s3", "Written", "to datanodes", h("p", { class: "big" }, bytes(moving.in_per_s), h("small", {}, "/s")),
      chart(samples, [["info", "in_per_s"]], { low: true })),
    card("s3", "Read", "from datanodes", h("p", { class: "big" }, bytes(moving.out_per_s), h("small", {}, "/s")),
      chart(samples, [["info", "out_per_s"]], { low: true })),
    card("s3", "Operations", `${micros(moving.call_us)} each`, h("p", { class: "big" }, rate(moving.calls_per_s), h("small", {}, "/s")),
      chart(samples, [["info", "calls_per_s"]], { low: true })),
    space(now),
    ledger(now),
    card("s6", "Repair", health.repair.held_up ?? (health.repair.queued ? "at work" : "nothing to do"),
      h("div", { class: "pair" },
        h("p", { class: "big" }, count(health.repair.queued), " ", h("small", {}, "waiting")),
        h("p", { class: "big" }, count(health.repair.running), " ", h("small", {}, "copies under way")),
        h("p", { class: "big" }, bytes(health.repair.bytes_per_s), h("small", {}, "/s")))),
    card("s8", "The last hour", "chunks at risk and out of reach",
      chart(samples, [["warn", "at_risk"], ["bad", "lost"]]), axis(samples),
      h("div", { class: "legend" }, h("span", {}, h("i", { class: "dot warn" }), "at risk"), h("span", {}, h("i", { class: "dot bad" }), "lost or out of reach"))),
    card("s4", "What happened", h("a", { href: "#/events" }, "all"),
      events.length === 0 ? h("p", { class: "faint" }, "Nothing since this master began to look.")
        : h("ul", { class: "events" }, events.slice(0, 6).map((event) => h("li", {},
          h("time", {}, clock(event.at_ms)), h("span", { class: "wrap" }, event.what))))));
}
