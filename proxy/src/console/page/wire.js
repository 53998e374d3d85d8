// SIP and TwiML as highlighted text.
import { h } from "/dom.js";

const CUSTOM = /^(x-|user-to-user$)/i;

/** Whether a header carries the application's own data. */
export function isCustom(name) {
  return CUSTOM.test(name);
}

/** The reason phrase (or method) in the start line. */
export function startLine(message) {
  return message.split("\n", 1)[0];
}

/** A SIP message: start line, header names, X- headers and body told apart. */
export function sip(message) {
  const end = message.indexOf("\n\n");
  const head = end < 0 ? message : message.slice(0, end);
  const body = end < 0 ? "" : message.slice(end + 2);
  let custom = false;
  const lines = head.replace(/\n$/, "").split("\n").map((line, at) => {
    if (at === 0) return h("span", { class: "line start" }, line, "\n");
    const folded = /^[ \t]/.test(line);
    const colon = folded ? -1 : line.indexOf(":");
    if (!folded) custom = colon > 0 && isCustom(line.slice(0, colon).trim());
    const parts = colon < 0 ? [line] : [h("span", { class: "name" }, line.slice(0, colon + 1)), line.slice(colon + 1)];
    return h("span", { class: custom ? "line custom" : "line" }, parts, "\n");
  });
  const rest = body.trim() ? h("span", { class: "body" }, "\n", body.replace(/\n+$/, "")) : null;
  return h("pre", { class: "wire sip", tabindex: "0" }, h("code", {}, lines, rest));
}

const XML = /(<!--[\s\S]*?(?:-->|$)|<\?[\s\S]*?(?:\?>|$)|<!\[CDATA\[[\s\S]*?(?:\]\]>|$)|<[^>]*>?)/;

/** An XML document with line numbers; `marked` lines carry a warning. */
export function xml(text, marked = new Set()) {
  const lines = [[]];
  const add = (kind, part) => part.split("\n").forEach((piece, at) => {
    if (at > 0) lines.push([]);
    if (piece) lines.at(-1).push(kind ? h("span", { class: kind }, piece) : piece);
  });
  for (const token of text.replace(/\n+$/, "").split(XML)) {
    if (/^<(!--|\?|!)/.test(token)) add("comment", token);
    else if (token.startsWith("<")) tag(token, add);
    else add("", token);
  }
  return h("pre", { class: "wire xml", tabindex: "0" }, h("code", {}, lines.map((parts, at) =>
    h("span", { class: marked.has(at + 1) ? "line marked" : "line", "data-line": at + 1 }, parts, "\n"))));
}

function tag(token, add) {
  const match = /^(<\/?[^\s/>]*)([\s\S]*?)(\/?>?)$/.exec(token);
  if (!match) return add("", token);
  add("tag", match[1]);
  for (const part of match[2].split(/("[^"]*"?|'[^']*'?)/)) {
    add(/^["']/.test(part) ? "value" : "attribute", part);
  }
  add("tag", match[3]);
}

/** Puts a document of one line on several; null if it has several already. */
export function formatted(text) {
  const trimmed = text.trim();
  if (trimmed.includes("\n") || (trimmed.match(/</g) ?? []).length < 4) return null;
  const tokens = trimmed.split(XML).filter((token) => token.trim());
  const lines = [];
  let depth = 0;
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token.startsWith("</")) depth = Math.max(0, depth - 1);
    let line = token;
    const opens = /^<[^/!?]/.test(token) && !token.endsWith("/>");
    if (opens && tokens[at + 1]?.startsWith("</")) line += tokens[++at];
    else if (opens && !tokens[at + 1]?.startsWith("<") && tokens[at + 2]?.startsWith("</")) line += tokens[++at] + tokens[++at];
    lines.push("  ".repeat(depth) + line);
    if (opens && line === token) depth += 1;
  }
  return lines.join("\n");
}

/** The verbs of a document, in order. */
export function verbs(text) {
  const found = [];
  let depth = 0;
  for (const token of text.split(XML)) {
    if (/^<[^/!?]/.test(token)) {
      if (depth === 1) found.push(/^<([^\s/>]*)/.exec(token)[1]);
      if (!token.endsWith("/>")) depth += 1;
    } else if (token.startsWith("</")) depth -= 1;
  }
  return found;
}
