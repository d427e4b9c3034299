// Racks, datanodes and their volumes.

import { ask, bar, bytes, close, confirm, count, date, fullness, h, open, plural, span, tag, toast } from "./page.js";
import { api } from "./server.js";
import { known } from "./app.js";

const full = (volume) => (volume.capacity ? (volume.capacity - volume.available) / volume.capacity : 0);

function state(node) {
  if (node.liveness === "dead") return tag("bad", "dead", `silent for ${span(node.silent_for_ms)}`);
  if (node.admin === "decommissioning") return tag("info", `draining, ${count(node.draining_left)} left`);
  if (node.admin === "decommissioned") return tag("info", "drained: may be switched off");
  if (node.admin === "maintenance") return tag("warn", `maintenance until ${date(node.maintenance_until_ms)}`);
  if (node.liveness !== "live" && node.liveness !== "late") return tag("warn", node.liveness);
  if (node.volumes.some((volume) => volume.failed)) return tag("bad", "disk failed");
  if (node.slow) return tag("warn", "slow", node.slow);
  return tag("good", "live");
}

function traffic(node) {
  const rates = known.now?.rates?.by_node?.[node.id];
  return rates ? `↓ ${bytes(rates.in_per_s)}/s  ↑ ${bytes(rates.out_per_s)}/s` : "";
}

function tile(node) {
  const hurt = node.volumes.some((volume) => volume.failed) ? " hurt" : "";
  const away = `${node.admin === "in-service" ? "" : " away"}${hurt}`;
  return h("button", { class: `node ${node.liveness}${away}`, "data-do": "node", "data-arg": node.id, "data-address": node.address },
    h("span", { class: "row" }, h("strong", {}, node.address), state(node)),
    h("span", { class: "row small faint" },
      h("span", {}, `${bytes(node.used)}, ${plural(node.replicas, "replica")}`),
      h("span", { class: "number" }, node.liveness === "live" || node.liveness === "late" ? traffic(node) : `silent ${span(node.silent_for_ms)}`)),
    h("span", { class: "volumes" }, node.volumes.map((volume) => {
      const one = bar([fullness(full(volume)), volume.failed ? 1 : full(volume)]);
      one.setAttribute("title", `${volume.directory}: ${volume.failed ?? `${bytes(volume.available)} of ${bytes(volume.capacity)} free`}`);
      if (volume.failed) one.classList.add("failed");
      return one;
    })));
}

export function nodes({ now }) {
  if (!now?.nodes) return h("p", { class: "empty" }, now?.error ?? "Asking the cluster…");
  const racks = Map.groupBy(now.nodes, (node) => node.rack);
  const sorted = [...racks].sort(([one], [other]) => one.localeCompare(other));
  const { chunks } = now.health;
  return [
    h("div", { class: "crumbs" }, h("h1", {}, "Datanodes"), h("span", { class: "faint small" },
      `${plural(now.nodes.length, "datanode")} in ${plural(sorted.length, "rack")} · ${plural(chunks.at_risk, "chunk")} at risk, ${count(chunks.lost + chunks.unavailable)} out of reach`)),
    h("div", { class: "racks" }, sorted.map(([rack, members]) => {
      const free = members.reduce((sum, node) => sum + node.available, 0);
      members.sort((one, other) => one.address.localeCompare(other.address));
      return h("section", { class: "rack" },
        h("header", {}, h("h2", {}, rack), h("span", { class: "faint small" }, `${bytes(free)} free`)), h("div", { class: "members" }, members.map(tile)));
    })),
  ];
}

function details(node) {
  const volumes = node.volumes.map((volume) => h("tr", {},
    h("td", { class: "wrap" }, volume.directory, volume.failed ? h("div", { class: "small" }, tag("bad", "failed"), " ", volume.failed) : ""),
    h("td", { class: "right" }, bytes(volume.used)), h("td", { class: "right" }, bytes(volume.available)),
    h("td", { class: "right wide" }, count(volume.replicas)), h("td", { class: "right wide" }, bytes(volume.quarantined)),
    h("td", { class: "right wide" }, volume.scrubbed === null ? "–" : `${Math.round(volume.scrubbed * 100)} %`)));
  const serves = node.admin === "in-service";
  const pairs = [
    ["State", state(node)], ["Heartbeat", `${span(node.silent_for_ms)} ago`], ["Rack", node.rack], ["Id", node.id],
    ["HTTP", node.http ?? "none"], ["Streams", `${node.streams}, ${node.copies} of them copies`], ["Traffic", traffic(node) || "–"],
    ["Slow", node.slow],
  ];
  open(h("h1", {}, node.address),
    h("dl", {}, pairs.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", {}, "Volume"), h("th", { class: "right" }, "Used"), h("th", { class: "right" }, "Free"),
        h("th", { class: "right wide" }, "Replicas"), h("th", { class: "right wide" }, "Resting"), h("th", { class: "right wide" }, "Scrubbed"))),
      h("tbody", {}, volumes))),
    h("div", { class: "tools" },
      h("button", { "data-do": "nodeWhy", "data-arg": node.id }, "Explain"),
      serves ? h("button", { "data-do": "nodeMaintain", "data-arg": node.id }, "Maintenance…") : null,
      serves ? h("button", { class: "danger", "data-do": "nodeDrain", "data-arg": node.id }, "Decommission…") : null,
      serves ? null : h("button", { class: "main", "data-do": "nodeServe", "data-arg": node.id }, "Put in service"),
      node.liveness === "dead" ? h("button", { class: "danger", "data-do": "nodeForget", "data-arg": node.id }, "Remove…") : null,
      h("button", { "data-do": "close" }, "Close")));
}

const find = (id) => {
  const node = known.now?.nodes?.find((one) => one.id === id);
  if (!node) throw new Error("this datanode is not there any more");
  return node;
};

const change = (id, body) => api("PUT", `nodes/${encodeURIComponent(id)}`, body);

export const nodeActions = {
  node: (id) => details(find(id)),
  async nodeWhy(id) {
    const told = await api("GET", `explain?node=${encodeURIComponent(id)}`);
    open(h("h1", {}, told.subject), told.paragraphs.map((part) => [h("h2", {}, part.title), h("p", { class: "lines faint" }, part.lines.join("\n"), "\n\n")]),
      h("div", { class: "tools" }, h("button", { "data-do": "close" }, "Close")));
  },
  async nodeDrain(id) {
    const { address, replicas } = find(id);
    const text = `Its ${plural(replicas, "replica")} are copied elsewhere; it takes no new ones. When all are copied it may be switched off. `
      + "It can be put back in service at any time.";
    if (!await confirm(`Decommission ${address}?`, text, "Decommission")) return;
    await change(id, { state: "decommission" });
    toast(`${address} is being drained`);
  },
  async nodeMaintain(id) {
    const { address } = find(id);
    const told = await ask(`Maintenance of ${address}`, [
      h("p", {}, "While it lasts, what is on it is not copied elsewhere when it is away, unless it is the last copy."),
      h("label", {}, "Minutes", h("input", { name: "minutes", type: "number", min: "1", max: "43200", value: "30", required: true })),
    ], "Begin");
    if (!told) return;
    await change(id, { state: "maintenance", for_ms: Number(told.minutes) * 60000 });
    toast(`${address} is in maintenance for ${told.minutes} minutes`);
  },
  async nodeServe(id) {
    const { address } = find(id);
    await change(id, { state: "in-service" });
    close();
    toast(`${address} is in service`);
  },
  async nodeForget(id) {
    const { address } = find(id);
    const text = "It is forgotten. When it comes back with its disks it is a new datanode, with what is on them.";
    if (!await confirm(`Remove ${address}?`, text, "Remove")) return;
    const forget = (force) => api("DELETE", `nodes/${encodeURIComponent(id)}${force ? "?force=true" : ""}`);
    try {
      await forget(false);
    } catch (refused) {
      if (!/only copy/.test(refused.message)) throw refused;
      const told = await ask(`Give up what only ${address} has?`, [
        h("p", { class: "lines" }, `${refused.message}\n\nWhat only it has is lost then, for good.`),
        h("label", {}, `To confirm, type ${address}`, h("input", { name: "typed", autocomplete: "off", required: true })),
      ], "Give it up and remove", true);
      if (!told) return;
      if (told.typed !== address) throw new Error("that is another name: nothing was removed");
      await forget(true);
    }
    toast(`${address} is removed`);
  },
};
