// The messages of a call as arrows between those who sent them.
import { h, micros, plural } from "/dom.js";
import { sip, startLine } from "/wire.js";

const PROXY = "proxy";
const WEBHOOK = "webhook";
const EXECUTOR = "executor";

export function ladder(events, call) {
  const names = findNames(events, call);
  const actors = findActors(events, names);
  const rows = events.map((event, at) => row(event, at, actors, names)).filter(Boolean);
  const grid = h("div", { class: "rows" }, h("div", { class: "actors" }, h("span", { class: "when" }), actors.map(heading)), rows);
  grid.style.setProperty("--actors", actors.length);
  return h("section", { id: "ladder", class: "card", "aria-label": "Messages in order" },
    h("h2", {}, "Messages", h("span", { class: "aside" }, "unfold one to read it")),
    h("div", { class: "scroll" }, grid));
}

/** Names by address: a peer is named where a message goes to it, seldom where one comes from. */
function findNames(events, call) {
  const names = new Map();
  const first = events.find((event) => event.kind === "received");
  if (first && call.parent) names.set(first.from.address, EXECUTOR);
  for (const { from, to } of events) {
    const peer = from ?? to;
    if (peer?.name) names.set(peer.address, peer.name);
  }
  return (peer) => peer.name ?? names.get(peer.address);
}

/** Caller, proxy, then the others in order of appearance, the webhook last. */
function findActors(events, names) {
  const first = events.find((event) => event.kind === "received");
  const actors = new Map();
  const add = (key, title, detail) => { if (!actors.has(key)) actors.set(key, { key, title, detail }); };
  const addPeer = (peer, title) => peer && add(keyOf(peer, names), names(peer) ?? title, `${peer.transport} ${peer.address}`);
  addPeer(first?.from, "caller");
  add(PROXY, "Hookswitch", "proxy");
  for (const event of events) addPeer(event.from ?? event.to, "callee");
  const webhook = events.find((event) => event.kind === "webhook");
  if (webhook || events.some((event) => event.kind === "twiml")) {
    add(EXECUTOR, "executor", "TwiML");
    add(WEBHOOK, "webhook", host(webhook?.url ?? ""));
  }
  return [...actors.values()];
}

function keyOf(peer, names) {
  return names(peer) ?? peer.address;
}

function host(url) {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}

function heading(actor) {
  return h("span", { class: "actor", title: actor.detail }, h("b", {}, actor.title), h("span", {}, actor.detail));
}

function row(event, at, actors, names) {
  const place = (key) => actors.findIndex((actor) => actor.key === key);
  const proxy = place(PROXY);
  switch (event.kind) {
    case "received":
      return arrow(event, at, place(keyOf(event.from, names)), proxy, event.method);
    case "forwarded":
      return arrow(event, at, proxy, place(keyOf(event.to, names)), event.method);
    case "response":
      return arrow(event, at, place(keyOf(event.from, names)), proxy, reason(event));
    case "answered":
      return arrow(event, at, proxy, place(keyOf(event.to, names)), reason(event));
    case "webhook":
      return arrow(event, at, place(EXECUTOR), place(WEBHOOK), `${event.method} ${path(event.url)}`);
    case "twiml":
      return arrow(event, at, place(WEBHOOK), place(EXECUTOR), `${event.status || event.error} in ${micros(event.elapsed_us)}`);
    case "filters":
      return filterMark(event, proxy);
    case "error":
      return line(event, `${event.code} ${event.text}`, event.level);
    case "note":
      return line(event, event.text, "note", place(EXECUTOR));
    case "ended":
      return line(event, `Call ended with ${event.status}`, "note");
    default:
      return null;
  }
}

function reason(event) {
  return startLine(event.message).replace(/^SIP\/2\.0\s+/i, "");
}

function path(url) {
  try {
    return new URL(url).pathname;
  } catch {
    return url;
  }
}

function arrow(event, at, from, to, label) {
  const [left, right] = [Math.min(from, to), Math.max(from, to)];
  const shaft = h("span", { class: `arrow ${event.kind}`, "data-direction": to >= from ? "right" : "left", "data-class": event.status ? Math.floor(event.status / 100) : null },
    h("span", { class: "label" }, label));
  // From the middle of one column to the middle of the other, in half columns; the first is the time.
  shaft.style.gridColumn = `${2 * left + 3} / ${2 * right + 3}`;
  const lanes = h("span", { class: "lanes" }, when(event), shaft);
  if (!event.message) return h("div", { class: "row" }, lanes);
  return h("details", { class: "row", "data-key": `message-${at}` }, h("summary", {}, lanes),
    h("div", { class: "unfolded" }, sip(event.message), cutNote(event)));
}

function filterMark(event, proxy) {
  const count = event.steps.reduce((sum, step) => sum + step.changes.length, 0);
  const verdict = event.steps.find((step) => step.verdict);
  if (!count && !verdict) return null;
  const mark = h("span", { class: "mark" }, verdict ? verdict.verdict : plural(count, "change"));
  mark.style.gridColumn = `${2 * proxy + 2} / ${2 * proxy + 4}`;
  return h("div", { class: "row filtered", title: `chain ${event.chain}` }, h("span", { class: "lanes" }, when(event), mark));
}

/** A line of text, at one of the actors if it is about that one. */
function line(event, text, level, place = -1) {
  const content = h("span", { class: "text", title: text }, text);
  if (place > 0) content.style.gridColumn = `${2 * place} / ${2 * place + 6}`;
  return h("div", { class: `row line ${level}` }, h("span", { class: "lanes" }, when(event), content));
}

function when(event) {
  return h("span", { class: "when" }, event.offset_us === 0 ? "0" : `+${micros(event.offset_us)}`);
}

export function cutNote(event) {
  return event.cut ? h("p", { class: "cut" }, `${plural(event.cut, "byte")} more were not recorded.`) : null;
}
