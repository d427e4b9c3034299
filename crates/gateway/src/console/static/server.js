// Asking the cluster.

export const me = { user: localStorage.getItem("distrifs-user") ?? "", cluster: "", superuser: null };

export function become(user) {
  me.user = user;
  localStorage.setItem("distrifs-user", user);
}

/** A path of the file system in a path of a URL. */
export const inUrl = (path) => path.split("/").map(encodeURIComponent).join("/");

/** Asks the API; an answer that is none is an error with its words. */
export async function api(method, path, body) {
  const headers = { "X-Distrifs-User": me.user };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(`/api/v1/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  let told = null;
  try { told = text ? JSON.parse(text) : null; } catch { /* it is told below */ }
  if (!answer.ok) throw new Error(told?.error?.message ?? text ?? answer.statusText);
  return told;
}

export async function introduce() {
  const told = await api("GET", "me");
  Object.assign(me, { cluster: told.cluster, superuser: told.superuser, version: told.version });
  if (!me.user) me.user = told.superuser ?? told.user;
}

const named = (more = {}) => new URLSearchParams({ "user.name": me.user, ...more }).toString();

export const downloadUrl = (path) => `/api/v1/files${inUrl(path)}?${named({ download: "true" })}`;

/** Sends a file to a datanode; `progress` is told the bytes that are sent. A promise, with a way to stop it. */
export function upload(path, file, keep, progress) {
  const request = new XMLHttpRequest();
  const done = (async () => {
    const more = { where: "true", cluster: me.cluster, ...(keep ? { keep: "true" } : {}) };
    const asked = await fetch(`/api/v1/files${inUrl(path)}?${named(more)}`, { method: "PUT" });
    const told = await asked.json();
    if (!asked.ok) throw new Error(told.error.message);
    await new Promise((good, bad) => {
      request.open("PUT", told.location);
      request.upload.onprogress = (event) => progress(event.loaded);
      request.onload = () => {
        if (request.status < 300) return good();
        let why = request.responseText;
        try { why = JSON.parse(why).error.message; } catch { /* as it is */ }
        return bad(new Error(why || `it is refused with ${request.status}`));
      };
      const host = new URL(told.location).host;
      request.onerror = () => bad(new Error(`the datanode at ${host} can not be reached from this browser, or broke off`));
      request.onabort = () => bad(new Error("it was stopped"));
      request.send(file);
    });
  })();
  return { done, stop: () => request.abort() };
}

/** Calls `tell` with every state of the cluster that comes; with nothing while none does. */
export function watch(tell) {
  const source = new EventSource("/api/v1/live");
  let last = Date.now();
  source.onmessage = (event) => {
    last = Date.now();
    tell(JSON.parse(event.data));
  };
  setInterval(() => { if (Date.now() - last > 6000) tell(null); }, 2000);
}
