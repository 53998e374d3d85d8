// One call as a story: what came in, what was changed, what was asked, what was answered.
import { badge, clock, copyButton, h, micros, nanos, party, plural, seconds } from "/dom.js";
import { cutNote, ladder } from "/ladder.js";
import { formatted, isCustom, sip, startLine, verbs, xml } from "/wire.js";

export function renderCall(story, relatives) {
  const { call, events } = story;
  const parts = chapters(events);
  const isCallback = ({ webhook }) => webhook?.purpose === "status callback";
  const callbacks = parts.exchanges.filter(isCallback);
  parts.exchanges = parts.exchanges.filter((exchange) => !isCallback(exchange));
  return h("article", { "data-id": call.id },
    header(call, relatives),
    steps(parts),
    problems(parts),
    ladder(events, call),
    story.dropped ? h("p", { class: "cut" }, `${plural(story.dropped, "event")} in the middle of this call were dropped.`) : null,
    inviteCard(parts.invite),
    filtersCard(parts.passes),
    parts.exchanges.map((exchange, at) => exchangeCards(exchange, at ? `-${at + 1}` : "", at ? ` ${at + 1}` : "")),
    answerCard(parts.answer, call),
    callbacks.length ? h("details", { class: "callbacks", "data-key": "callbacks" }, h("summary", {}, plural(callbacks.length, "status callback")),
      callbacks.map((exchange, at) => exchangeCards(exchange, `-callback-${at + 1}`, ""))) : null);
}

/** The events by what they tell. */
function chapters(events) {
  const invite = events.find((event) => event.kind === "received" && event.method === "INVITE");
  const answers = events.filter((event) => event.kind === "answered" && event.method === "INVITE");
  const final = answers.find((event) => event.status >= 200 && event.status !== 401 && event.status !== 407);
  const passes = [];
  const exchanges = [];
  let message = null;
  for (const event of events) {
    if (event.kind === "received") message = event.method;
    if (event.kind === "response") message = `${event.status} to ${event.method}`;
    if (event.kind === "filters") passes.push({ ...event, message });
    if (event.kind === "webhook") exchanges.push({ webhook: event, twiml: null, notices: [] });
    if (event.kind === "twiml") {
      const open = exchanges.find(({ webhook, twiml }) => webhook?.id === event.id && !twiml);
      if (open) open.twiml = event;
      else exchanges.push({ webhook: null, twiml: event, notices: [] });
    }
    // The executor reads a document at once: its notices follow the answer.
    if (event.kind === "error") exchanges.findLast(({ twiml }) => twiml)?.notices.push(event);
  }
  return { invite, passes, exchanges, answer: final ?? answers.at(-1), errors: events.filter((event) => event.kind === "error") };
}

function header(call, { parent, children }) {
  const facts = [
    ["Started", clock(call.started_ms)],
    ["Duration", call.duration_ms === null ? null : seconds(call.duration_ms / 1000)],
    ["Domain", call.domain],
    ["Trunk", call.trunk],
    ["CallSid", call.call_sid],
    ["Call-ID", call.call_id],
    ["Dialled by", parent ? legLink(parent) : call.parent],
    ["Dialled", children.length ? children.map(legLink) : null],
  ].filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("header", { class: "call-header" },
    h("a", { class: "back", href: "#/" }, "← Calls"),
    h("h1", {}, h("span", { class: "party" }, party(call.from)), h("span", { class: "to", "aria-label": "to" }, "→"),
      h("span", { class: "party" }, party(call.to)), badge(call)),
    h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))));
}

function legLink(call) {
  return h("a", { href: `#/calls/${call.id}` }, party(call.parent ? call.to : call.from), " ", badge(call));
}

// ---- the strip of steps ----

function steps({ invite, passes, exchanges, answer }) {
  const changed = passes.reduce((sum, pass) => sum + changesIn(pass), 0);
  const verdict = passes.flatMap((pass) => pass.steps).find((step) => step.verdict);
  const first = exchanges[0] ?? {};
  const list = [
    invite && ["invite", "INVITE", `from ${invite.from.name ?? invite.from.address}`],
    passes.length && ["filters", "Filters", verdict?.verdict ?? (changed ? plural(changed, "change") : "no change")],
    first.webhook && ["webhook", "Webhook", `${first.webhook.method} ${hostAndPath(first.webhook.url)}`],
    first.twiml && ["twiml", "TwiML", verbs(first.twiml.body).join(", ") || first.twiml.error || `status ${first.twiml.status}`],
    answer && ["answer", "Answer", startLine(answer.message).replace(/^SIP\/2\.0\s+/i, "")],
  ].filter(Boolean);
  return h("ol", { id: "story", "aria-label": "The call in short" }, list.map(([id, title, text]) =>
    h("li", {}, h("button", { type: "button", onclick: () => goTo(id) }, h("b", {}, title), h("span", {}, text)))));
}

function goTo(id) {
  const card = document.getElementById(id);
  card?.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth", block: "start" });
  card?.focus({ preventScroll: true });
}

function hostAndPath(url) {
  try {
    const { host, pathname } = new URL(url);
    return host + pathname;
  } catch {
    return url;
  }
}

// ---- the cards ----

function card(id, title, aside, ...content) {
  return h("section", { id, class: "card", tabindex: "-1", "aria-label": title },
    h("h2", {}, title, h("span", { class: "aside" }, aside)), content);
}

function problems({ errors }) {
  if (!errors.length) return null;
  return h("ul", { id: "errors", "aria-label": "Errors and warnings" }, errors.map((event) =>
    h("li", { class: event.level }, h("b", {}, event.code), h("span", {}, event.text))));
}

function inviteCard(invite) {
  if (!invite) return null;
  const custom = invite.message.split("\n").filter((line) => isCustom(line.split(":", 1)[0].trim())).length;
  const aside = [`${invite.from.transport} from ${invite.from.address}`, custom ? plural(custom, "custom header") : null];
  return card("invite", "INVITE as received", aside.filter(Boolean).join(" · "), sip(invite.message), cutNote(invite), tools(invite.message));
}

const HOOKS = { request: "on its way in", branch: "on the branch that leaves", response: "on its way back" };

function filtersCard(passes) {
  if (!passes.length) return null;
  const setup = passes.filter((pass) => pass.message?.endsWith("INVITE"));
  const main = setup.filter((pass, at) => at === 0 || changesIn(pass) || pass.steps.some((step) => step.verdict));
  const rest = passes.filter((pass) => !main.includes(pass));
  const ran = passes.reduce((sum, pass) => sum + pass.steps.reduce((nanos, step) => nanos + step.nanos, 0), 0);
  return card("filters", "What each filter changed", `${nanos(ran)} altogether`, main.map(pass),
    rest.length ? h("details", { class: "more", "data-key": "filters-rest" },
      h("summary", {}, `${plural(rest.length, "other pass", "other passes")} of this call`, quietNote(rest)), rest.map(pass)) : null);
}

function quietNote(passes) {
  const count = passes.reduce((sum, pass) => sum + changesIn(pass), 0);
  return h("span", { class: "quiet" }, count ? ` · ${plural(count, "change")}` : " · no change");
}

function changesIn(pass) {
  return pass.steps.reduce((sum, step) => sum + step.changes.length, 0);
}

function pass(event) {
  const rows = [];
  let quiet = [];
  const flush = () => {
    if (quiet.length) rows.push(unchanged(quiet));
    quiet = [];
  };
  for (const step of event.steps) {
    if (step.changes.length || step.verdict) {
      flush();
      rows.push(filter(step));
    } else quiet.push(step);
  }
  flush();
  return h("div", { class: "pass", "data-hook": event.hook },
    h("h3", {}, `${event.message ?? "Message"} ${HOOKS[event.hook]}`, h("span", { class: "quiet" }, `chain ${event.chain}`)), rows);
}

/** Filters in a row that changed nothing take one line together. */
function unchanged(steps) {
  return h("div", { class: "filter-line" }, steps.map((step) =>
    h("span", { class: "filter none", "data-name": step.name }, h("b", {}, step.name), h("span", { class: "nanos" }, nanos(step.nanos)))),
    h("span", { class: "no-change" }, "no change"));
}

function filter(step) {
  return h("div", { class: "filter", "data-name": step.name },
    h("div", { class: "filter-head" }, h("b", {}, step.name), step.verdict ? h("span", { class: "verdict" }, step.verdict) : null,
      h("span", { class: "nanos" }, nanos(step.nanos))),
    step.changes.length ? h("ul", { class: "changes" }, step.changes.map(change)) : null);
}

const SIGNS = { added: "+", removed: "−", changed: "~" };

function change({ kind, header, before, after }) {
  const value = kind === "changed"
    ? [h("del", {}, before), h("span", { class: "becomes", "aria-label": "becomes" }, "→"), h("ins", {}, after)]
    : [after ?? before];
  return h("li", { class: `change ${kind}`, "data-header": header },
    h("span", { class: "sign", "aria-label": kind }, SIGNS[kind]), h("span", { class: "header" }, `${header}:`), h("span", { class: "value" }, value));
}

function exchangeCards({ webhook, twiml, notices }, suffix, number) {
  return [webhook && webhookCard(webhook, twiml, suffix, number), twiml && twimlCard(twiml, notices, suffix, number)];
}

function webhookCard(event, twiml, suffix, number) {
  const parameters = twiml?.parameters.length ? twiml.parameters : event.parameters;
  const own = parameters.filter(([name]) => isSipHeader(name)).length;
  const rows = parameters.map(([name, value]) =>
    h("tr", { class: isSipHeader(name) ? "custom" : null, "data-name": name }, h("th", { scope: "row" }, name), h("td", {}, value)));
  const aside = [event.purpose, plural(parameters.length, "parameter"), own ? `${own} from SIP headers` : null, twiml ? null : "no answer yet"];
  return card(`webhook${suffix}`, `Webhook request${number}`, aside.filter(Boolean).join(" · "),
    h("p", { class: "request" }, h("b", {}, event.method), h("code", {}, event.url)),
    h("div", { class: "scroll" }, h("table", { class: "parameters" }, h("tbody", {}, rows))), cutNote(event));
}

function isSipHeader(name) {
  return /^(Dial)?SipHeader_/.test(name);
}

function twimlCard(event, notices, suffix, number) {
  const marked = new Set(notices.map(({ text }) => Number(/\((\d+):\d+\)$/.exec(text)?.[1])));
  const aside = [event.status ? `status ${event.status}` : null, event.content_type, `in ${micros(event.elapsed_us)}`];
  const title = event.error ? `No TwiML came back${number}` : `TwiML that came back${number}`;
  return card(`twiml${suffix}`, title, aside.filter(Boolean).join(" · "),
    event.error ? h("p", { class: "notice error" }, event.error) : null,
    event.body ? twimlBody(event.body, marked, suffix) : null, cutNote(event),
    event.error ? null : notices.map(({ code, level, text }) => h("p", { class: `notice ${level}` }, h("b", {}, code), " ", text)),
    event.body ? tools(event.body) : null);
}

/** The document as sent if it has lines of its own, otherwise on several lines and as sent. */
function twimlBody(body, marked, suffix) {
  const pretty = formatted(body);
  const asSent = xml(body, marked);
  return pretty === null ? asSent : [xml(pretty), h("details", { class: "more", "data-key": `twiml-sent${suffix}` }, h("summary", {}, "As sent"), asSent)];
}

function answerCard(answer, call) {
  if (!answer) return null;
  const status = startLine(answer.message).replace(/^SIP\/2\.0\s+/i, "");
  const aside = `after ${micros(answer.offset_us)}${answer.status < 200 ? ", so far" : ""}`;
  return card("answer", "SIP answer", aside,
    h("p", { class: "outcome", "data-state": call.state, "data-class": Math.floor(answer.status / 100) }, status),
    sip(answer.message), cutNote(answer), tools(answer.message));
}

function tools(text) {
  return h("div", { class: "tools-end" }, copyButton(text));
}
