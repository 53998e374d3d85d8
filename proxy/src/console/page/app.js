// The page: asks for what changed each second, keeps the list, shows one call.
import { badge, clock, copyButton, h, party, plural, seconds } from "/dom.js";
import { renderCall } from "/call.js";

const POLL_MS = 1000;
const REGISTERED_TURNS = 5; // polls between two looks at the number of registrations
const calls = new Map(); // id → summary
const items = new Map(); // id → list item
const $ = (id) => document.getElementById(id);

let cursor = 0;
let instance = null;
let info = null;
let shown = { id: null, revision: null };
let query = "";
let turn = 0;

async function get(path) {
  const response = await fetch(path, { headers: { accept: "application/json" } });
  if (!response.ok) throw Object.assign(new Error(`${path}: ${response.status}`), { status: response.status });
  return response.json();
}

async function poll() {
  try {
    if (!info) showInfo(await get("/api/info"));
    const changed = await get(`/api/calls?after=${cursor}`);
    if (instance !== null && changed.instance !== instance) return restart();
    instance = changed.instance;
    cursor = changed.cursor;
    for (const call of changed.calls) calls.set(call.id, call);
    for (const id of calls.keys()) if (id < changed.oldest) calls.delete(id);
    if (changed.calls.length) showList();
    await showRegistered();
    await showDetail();
    showStatus("live", "live");
  } catch (error) {
    showStatus("offline", "no connection");
    console.warn(error.message);
  } finally {
    setTimeout(poll, document.hidden ? POLL_MS * 5 : POLL_MS);
  }
}

/** Another process answers: everything begins again. */
function restart() {
  [cursor, instance, info] = [0, null, null];
  shown = { id: null, revision: null };
  calls.clear();
  showList();
}

function showStatus(state, text) {
  const status = $("status");
  if (status.dataset.state !== state) {
    status.dataset.state = state;
    status.textContent = text;
  }
}

function showInfo(newer) {
  info = newer;
  $("node").textContent = [info.node, info.version && `v${info.version}`].filter(Boolean).join(" · ");
  $("listeners").replaceChildren(...info.listeners.map((listener) =>
    h("li", { title: `${listener.name}: ${listener.trust}, chain ${listener.chain}` }, listener.socket)));
}

// ---- the list ----

function showList() {
  const newestFirst = [...calls.values()].sort((a, b) => b.id - a.id);
  for (const [id, item] of items) {
    if (!calls.has(id)) {
      item.remove();
      items.delete(id);
    }
  }
  let visible = 0;
  newestFirst.forEach((call, at) => {
    const item = listItem(call);
    item.hidden = !matches(call);
    visible += item.hidden ? 0 : 1;
    const list = $("calls");
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
  });
  $("count").textContent = query ? `${visible} of ${calls.size}` : plural(calls.size, "call");
  $("nothing").hidden = visible > 0 || calls.size === 0;
}

function matches(call) {
  const text = [call.from, call.to, call.call_id, call.call_sid, call.trunk, call.domain, call.status, call.state];
  return !query || text.some((part) => String(part ?? "").toLowerCase().includes(query));
}

function listItem(call) {
  let item = items.get(call.id);
  if (!item) {
    item = h("li", {}, h("a", { class: "call", href: `#/calls/${call.id}` }));
    items.set(call.id, item);
  }
  const link = item.firstChild;
  if (link.dataset.revision !== String(call.revision)) {
    Object.assign(link.dataset, { id: call.id, state: call.state, status: call.status, revision: call.revision });
    link.replaceChildren(...listEntry(call));
  }
  link.toggleAttribute("aria-current", call.id === shown.id);
  return item;
}

function listEntry(call) {
  const place = call.domain ?? call.trunk;
  return [
    h("span", { class: "parties", title: `${call.from} → ${call.to}` },
      h("span", { class: "party" }, party(call.from)),
      h("span", { class: "to", "aria-label": "to" }, "→"),
      h("span", { class: "party" }, party(call.to))),
    badge(call),
    h("span", { class: "meta" },
      h("time", { datetime: new Date(call.started_ms).toISOString() }, clock(call.started_ms)),
      h("span", {}, standing(call)),
      place ? h("span", { class: "chip" }, place) : null,
      call.errors ? h("span", { class: "chip error" }, plural(call.errors, "error")) : null,
      call.warnings ? h("span", { class: "chip warning" }, plural(call.warnings, "warning")) : null),
  ];
}

function standing(call) {
  if (call.state === "completed") return `ended after ${seconds((call.duration_ms ?? 0) / 1000)}`;
  if (call.state === "answered") return "in progress";
  return call.status >= 200 || call.state === "calling" ? call.state : "not answered yet";
}

// ---- registrations ----

/** How many phones are registered, and which where that is asked for. */
async function showRegistered() {
  const link = $("registered");
  link.hidden = !info.registrar;
  const open = location.hash === "#/registrations";
  if (link.hidden) return;
  if (!open && turn++ % REGISTERED_TURNS) return;
  const { users, bindings, registrations } = await get("/api/registrations");
  link.textContent = `${bindings} registered`;
  link.title = `${plural(users, "user")} at ${plural(bindings, "place")}`;
  if (!open) return;
  document.body.dataset.view = "call";
  shown = { id: undefined, revision: null };
  const row = (place) => h("tr", {},
    ...[place.user, place.contact, place.source, place.q, seconds(place.expires_s), place.agent].map((text) => h("td", {}, text)));
  const head = ["User", "Contact", "Reached at", "q", "Ends in", "Phone"].map((text) => h("th", { scope: "col" }, text));
  $("detail").replaceChildren(
    h("h1", {}, bindings ? `${plural(users, "user")}, ${plural(bindings, "registration")}` : "Nobody is registered"),
    h("div", { class: "registrations" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, registrations.map(row)))),
    registrations.length < bindings ? h("p", { class: "quiet" }, `The first ${registrations.length} of ${bindings} are shown.`) : "");
}

// ---- one call ----

/** The call in the address, or the newest. */
function wanted() {
  const match = /^#\/calls\/(\d+)$/.exec(location.hash);
  if (match) return Number(match[1]);
  return calls.size ? Math.max(...calls.keys()) : null;
}

/** The call that dialled this one, and those that it dialled. */
function relativesOf(call) {
  const others = [...calls.values()];
  return {
    parent: call?.parent ? others.find((other) => other.call_sid === call.parent) : null,
    children: call?.call_sid ? others.filter((other) => other.parent === call.call_sid) : [],
  };
}

async function showDetail() {
  if (location.hash === "#/registrations") return;
  const id = wanted();
  document.body.dataset.view = /^#\/(calls\/\d+|latest)$/.test(location.hash) && id !== null ? "call" : "list";
  const relatives = relativesOf(calls.get(id));
  const revision = [calls.get(id), ...relatives.children].map((call) => call?.revision).join();
  if (id === shown.id && revision === shown.revision && (id !== null || $("empty"))) return;
  const isOther = id !== shown.id;
  shown = { id, revision };
  showList();
  if (id === null) return $("detail").replaceChildren(emptyState());
  try {
    const story = await get(`/api/calls/${id}`);
    if (shown.id === id) replaceDetail(renderCall(story, relatives), isOther);
  } catch (error) {
    if (error.status !== 404) throw error;
    replaceDetail(h("p", { class: "gone" }, "This call is no longer in the log: newer ones took its place."), true);
  }
}

/** Puts a new rendering in place; what was unfolded stays so if it is the same call. */
function replaceDetail(content, isOther) {
  const detail = $("detail");
  if (isOther) {
    detail.replaceChildren(content);
    detail.scrollTo(0, 0);
    return;
  }
  const open = new Set([...detail.querySelectorAll("details[open][data-key]")].map((part) => part.dataset.key));
  const focused = detail.contains(document.activeElement) ? document.activeElement.closest("[data-key]")?.dataset.key : null;
  detail.replaceChildren(content);
  for (const part of detail.querySelectorAll("details[data-key]")) if (open.has(part.dataset.key)) part.open = true;
  if (focused) detail.querySelector(`[data-key="${CSS.escape(focused)}"] > summary`)?.focus();
}

/** Who reads a call does not want it replaced by the newest. */
function pin() {
  if (shown.id !== null && !/^#\/calls\//.test(location.hash)) history.replaceState(null, "", `#/calls/${shown.id}`);
}

function emptyState() {
  const examples = (info?.examples ?? []).map(({ label, command }) =>
    h("li", { class: "example" }, h("span", { class: "label" }, label),
      h("div", { class: "command" }, h("code", {}, command), copyButton(command))));
  return h("div", { id: "empty" },
    h("h1", {}, "No call yet"),
    h("p", {}, "Place one, and its story appears here: the INVITE, what each filter changed, the webhook request, the TwiML, the answer."),
    examples.length ? h("ul", {}, examples) : null);
}

// ---- keys ----

document.addEventListener("keydown", (event) => {
  const typing = event.target === $("search");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !typing) {
    event.preventDefault();
    $("search").focus();
  } else if (event.key === "Escape" && typing) {
    $("search").value = "";
    search();
    $("search").blur();
  } else if (["j", "k"].includes(event.key) && !typing) {
    step(event.key === "j" ? 1 : -1);
  } else if (["ArrowDown", "ArrowUp"].includes(event.key) && event.target.closest(".list")) {
    event.preventDefault();
    step(event.key === "ArrowDown" ? 1 : -1);
  }
});

/** Goes to the next or previous visible call. */
function step(by) {
  const links = [...document.querySelectorAll("#calls > li:not([hidden]) > .call")];
  const at = links.findIndex((link) => Number(link.dataset.id) === shown.id);
  const link = links[Math.min(Math.max(at + by, 0), links.length - 1)];
  if (!link) return;
  link.focus();
  location.hash = link.getAttribute("href");
}

function search() {
  query = $("search").value.trim().toLowerCase();
  showList();
}

for (const kind of ["pointerdown", "wheel", "keydown"]) $("detail").addEventListener(kind, pin, { passive: true });
$("search").addEventListener("input", search);
window.addEventListener("hashchange", () => (info ? showRegistered() : Promise.resolve()).then(showDetail).catch(() => showStatus("offline", "no connection")));
poll();
