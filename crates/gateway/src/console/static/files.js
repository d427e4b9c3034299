// Files and directories: in, out, names, and where their chunks are.

import { ask, bar, bytes, close, confirm, count, date, h, open, plural, sized, tag, toast } from "./page.js";
import { api, downloadUrl, inUrl, upload } from "./server.js";
import { show } from "./app.js";

/** The directory that is shown, and what is in it. */
const here = { path: null, entries: [], next: null, error: null };

const wanted = () => {
  const rest = decodeURIComponent(location.hash.replace(/^#\/files/, ""));
  return rest === "" ? "/" : rest;
};

const join = (path, name) => (path === "/" ? `/${name}` : `${path}/${name}`);

const link = (path) => `#/files${path === "/" ? "" : inUrl(path)}`;

async function load(path, after) {
  const query = after ? `?after=${encodeURIComponent(after)}` : "";
  try {
    const told = await api("GET", `names${inUrl(path)}${query}`);
    const entries = told.entries ?? [];
    if (wanted() !== path) return;
    Object.assign(here, { path, entries: after ? [...here.entries, ...entries] : entries, next: told.next ?? null, error: null });
    if (!told.entries) properties(path);
  } catch (error) {
    Object.assign(here, { path, entries: [], next: null, error: error.message });
  }
  show();
}

const refresh = () => (here.path === null ? undefined : load(here.path));

function row(entry) {
  const path = join(here.path, entry.name);
  const folder = entry.kind === "directory";
  const name = folder
    ? h("a", { class: "name", href: link(path) }, h("span", { class: "glyph", "aria-hidden": "true" }, "▸"), entry.name)
    : h("button", { class: "name", "data-do": "properties", "data-arg": path }, h("span", { class: "glyph", "aria-hidden": "true" }, "·"), entry.name);
  return h("tr", { "data-name": entry.name },
    h("td", {}, name, entry.being_written ? [" ", tag("info", "being written")] : null),
    h("td", { class: "right" }, folder ? plural(entry.children, "entry").replace("entrys", "entries") : bytes(entry.len)),
    h("td", { class: "wide" }, entry.owner, h("span", { class: "faint" }, ` ${entry.mode}`)),
    h("td", { class: "wide" }, folder ? "" : `${entry.replication} ×`),
    h("td", { class: "wide" }, date(entry.modified_ms)),
    h("td", { class: "fit end" },
      folder ? null : h("a", { class: "button", href: downloadUrl(path), download: entry.name, title: `Download ${entry.name}` }, "↓"),
      " ", h("button", { "data-do": "more", "data-arg": path, title: `More of ${entry.name}` }, "⋯")));
}

function crumbs() {
  const parts = here.path.split("/").filter(Boolean);
  const steps = parts.map((part, place) => [h("span", { class: "faint" }, "/"), h("a", { href: link(`/${parts.slice(0, place + 1).join("/")}`) }, part)]);
  return h("div", { class: "crumbs" }, h("a", { href: "#/files", title: "The root" }, "root"), steps);
}

export function files() {
  const path = wanted();
  if (here.path !== path) {
    here.path = path;
    here.entries = [];
    load(path);
  }
  return h("section", { class: "card", id: "files" },
    h("header", {}, crumbs(),
      h("div", { class: "tools" },
        h("button", { class: "main", "data-do": "chooseFiles" }, "Upload"),
        h("button", { "data-do": "newFolder" }, "New folder"))),
    here.error ? h("p", { class: "empty wrap" }, here.error)
      : here.entries.length === 0 ? h("p", { class: "empty" }, "Nothing is here. Drop files to upload them.")
        : h("div", { class: "scroll" }, h("table", {},
          h("thead", {}, h("tr", {}, h("th", {}, "Name"), h("th", { class: "right" }, "Size"), h("th", { class: "wide" }, "Owner"),
            h("th", { class: "wide" }, "Copies"), h("th", { class: "wide" }, "Changed"), h("th", {}, ""))),
          h("tbody", {}, here.entries.map(row)))),
    here.next ? h("div", { class: "tools" }, h("button", { "data-do": "moreEntries" }, "More entries")) : null);
}

function place(chunk, index, of) {
  const tone = (replica) => (!replica.usable ? "bad" : replica.standing === "valid" ? "good" : "warn");
  return h("div", { class: "chunk" },
    h("div", {}, h("b", {}, `Chunk ${index + 1}`), h("span", { class: "faint small" }, ` of ${count(of)} · ${bytes(chunk.len)} · ${chunk.condition} · id ${chunk.id}, generation ${chunk.generation}`)),
    h("div", { class: "replicas" }, chunk.replicas.length === 0 ? tag("bad", "no replica is known") : chunk.replicas.map((replica) =>
      tag(tone(replica), `${replica.datanode}${replica.usable ? "" : " away"}${replica.standing === "valid" ? "" : ` ${replica.standing}`}`, replica.rack))));
}

async function properties(path) {
  const told = await api("GET", `names${inUrl(path)}?itself=true`);
  const entry = told.itself;
  const pairs = [
    ["Path", path], ["Size", `${bytes(entry.len)} (${count(entry.len)} bytes)`], ["Owner", `${entry.owner}, group ${entry.group}`],
    ["Permissions", entry.mode], ["Changed", date(entry.modified_ms)],
  ];
  let parts = [];
  if (entry.kind === "file") {
    pairs.push(["Copies", entry.replication], ["Chunk size", bytes(entry.chunk_size)]);
    const checked = await api("GET", `fsck?show=all&replicas=true&path=${encodeURIComponent(path)}`);
    const file = checked.files[0];
    if (file) {
      pairs.push(["Condition", tag(file.condition === "healthy" ? "good" : file.condition.startsWith("at risk") ? "warn" : "info", file.condition)]);
      parts = file.chunks.map((chunk, index) => place(chunk, index, file.chunk_count));
    }
  } else {
    const usage = await api("GET", `usage?path=${encodeURIComponent(path)}`);
    pairs[1] = ["Below it", `${plural(usage.files, "file")}, ${bytes(usage.len)}, with copies ${bytes(usage.space)}`];
  }
  open(h("h1", {}, entry.name || "/"),
    h("dl", {}, pairs.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])), parts,
    h("div", { class: "tools" },
      entry.kind === "file" ? h("a", { class: "button", href: downloadUrl(path), download: entry.name }, "Download") : null,
      h("button", { "data-do": "attributes", "data-arg": path }, "Change…"),
      path === "/" ? null : h("button", { "data-do": "rename", "data-arg": path }, "Rename…"),
      path === "/" ? null : h("button", { class: "danger", "data-do": "remove", "data-arg": path }, "Delete…"),
      h("button", { "data-do": "close" }, "Close")));
}

const list = () => document.getElementById("uploads");

function send(file, path, keep = true) {
  const filled = h("i", { "data-width": "0%" });
  const said = h("span", { class: "faint number" }, "0 %");
  const stop = h("button", { class: "quiet", title: "Stop" }, "✕");
  const item = h("div", { class: "upload" }, h("div", { class: "row" }, h("span", { class: "wrap" }, file.name), h("span", {}, said, stop)), h("div", { class: "bar" }, filled));
  list().hidden = false;
  list().append(item);
  sized(item);
  const sending = upload(path, file, keep, (sent) => {
    const share = file.size ? sent / file.size : 1;
    filled.style.width = `${share * 100}%`;
    said.textContent = share < 1 ? `${Math.round(share * 100)} %` : "to disk…";
  });
  stop.addEventListener("click", sending.stop);
  return sending.done.then(() => {
    filled.className = "good";
    filled.style.width = "100%";
    said.textContent = "done";
    setTimeout(() => gone(item), 2500);
  }, async (error) => {
    gone(item);
    if (keep && /exists/.test(error.message) && await confirm(`Replace ${file.name}?`, "There is a file of this name. It stays until the new one is whole.", "Replace")) {
      return send(file, path, false);
    }
    toast(`${file.name}: ${error.message}`, true);
  });
}

function gone(item) {
  item.remove();
  list().hidden = list().children.length === 0;
}

/** A few at a time, in their order. */
async function sendAll(all) {
  const directory = here.path;
  const waiting = [...all];
  const worker = async () => {
    while (waiting.length > 0) {
      const [file, name] = waiting.shift();
      await send(file, join(directory, name));
      refresh();
    }
  };
  await Promise.all([worker(), worker(), worker()]);
}

/** All files of what was dropped, with their names below it. */
async function dropped(items) {
  const found = [];
  const walk = async (entry, above) => {
    const name = above ? `${above}/${entry.name}` : entry.name;
    if (entry.isFile) found.push([await new Promise((good, bad) => entry.file(good, bad)), name]);
    else {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((good, bad) => reader.readEntries(good, bad));
        if (some.length === 0) return;
        for (const child of some) await walk(child, name);
      }
    }
  };
  for (const entry of items) await walk(entry, "");
  return found;
}

export const fileActions = {
  refresh,
  properties,
  more: properties,
  moreEntries: () => load(here.path, here.next),
  chooseFiles() {
    const input = h("input", { type: "file", multiple: true, id: "chooser", hidden: true });
    document.getElementById("chooser")?.remove();
    document.body.append(input);
    input.addEventListener("change", () => sendAll([...input.files].map((file) => [file, file.name])));
    input.click();
  },
  async newFolder() {
    const told = await ask("New folder", h("label", {}, "Name", h("input", { name: "name", required: true, autocomplete: "off" })), "Make it");
    if (!told) return;
    await api("POST", `names${inUrl(join(here.path, told.name))}`, { do: "mkdir" });
    refresh();
  },
  async rename(path) {
    const told = await ask("Rename", h("label", {}, "Whole path", h("input", { name: "to", value: path, required: true, autocomplete: "off" })), "Rename");
    if (!told || told.to === path) return;
    await api("POST", `names${inUrl(path)}`, { do: "rename", to: told.to });
    toast(`It is ${told.to} now`);
    refresh();
  },
  async attributes(path) {
    const { itself } = await api("GET", `names${inUrl(path)}?itself=true`);
    const field = (name, label, value) => h("label", {}, label, h("input", { name, value, autocomplete: "off" }));
    const told = await ask(`Change ${path}`, [field("mode", "Permissions (octal)", itself.mode), field("owner", "Owner", itself.owner), field("group", "Group", itself.group),
      itself.kind === "file" ? field("replication", "Copies", itself.replication) : null], "Change");
    if (!told) return;
    const body = { do: "attributes" };
    for (const name of ["mode", "owner", "group"]) if (told[name] !== itself[name]) body[name] = told[name];
    if (told.replication && Number(told.replication) !== itself.replication) body.replication = Number(told.replication);
    await api("POST", `names${inUrl(path)}`, body);
    toast("It is changed");
    refresh();
  },
  async remove(path) {
    const { itself } = await api("GET", `names${inUrl(path)}?itself=true`);
    const folder = itself.kind === "directory";
    let text = "This can not be undone.";
    if (folder) {
      const usage = await api("GET", `usage?path=${encodeURIComponent(path)}`);
      text = `With everything in it: ${plural(usage.files, "file")}, ${bytes(usage.len)}. This can not be undone.`;
    }
    if (!await confirm(`Delete ${path}?`, text, "Delete")) return;
    await api("DELETE", `names${inUrl(path)}${folder ? "?recursive=true" : ""}`);
    close();
    toast(`${path} is deleted`);
    refresh();
  },
};

const target = (event) => event.target.closest?.("#files");
document.addEventListener("dragover", (event) => {
  if (!target(event)) return;
  event.preventDefault();
  target(event).classList.add("drop");
});
document.addEventListener("dragleave", (event) => target(event)?.classList.remove("drop"));
document.addEventListener("drop", async (event) => {
  const card = target(event);
  if (!card) return;
  event.preventDefault();
  card.classList.remove("drop");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...event.dataTransfer.files].map((file) => [file, file.name]);
  sendAll(entries.length > 0 ? await dropped(entries) : plain);
});
