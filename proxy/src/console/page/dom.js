// Elements and formats. Data enters the page as text nodes and attributes only, never as markup.

/** An element with attributes and children; strings become text nodes, null and false nothing. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false).map(node));
  return element;
}

function node(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** Nanoseconds in the unit that fits. */
export function nanos(value) {
  if (value < 1000) return `${value} ns`;
  return micros(value / 1000);
}

/** Microseconds in the unit that fits. */
export function micros(value) {
  if (value < 1000) return `${digits(value)} µs`;
  if (value < 1e6) return `${digits(value / 1000)} ms`;
  return seconds(value / 1e6);
}

export function seconds(value) {
  if (value < 60) return `${digits(value)} s`;
  const whole = Math.round(value);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${rest} s`;
}

function digits(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1).replace(/\.0$/, "") : value.toFixed(2).replace(/\.?0+$/, "");
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

/** A SIP URI for people: the user in front, the host behind it, no parameters. */
export function party(uri) {
  const match = /^(?:sips?:|tel:)?([^@;?]*)(?:@([^;?]*))?/i.exec(uri);
  const [, first = "", host] = match ?? [];
  if (!first && !host) return [h("span", { class: "user" }, uri || "unknown")];
  if (host === undefined) return [h("span", { class: "user" }, first)];
  return [h("span", { class: "user" }, first || host), first ? h("span", { class: "host" }, `@${host}`) : null];
}

/** The status of a call, or how it stands before it has one. */
export function badge(call) {
  const text = call.status >= 200 ? call.status : call.state;
  return h("span", { class: "badge", "data-state": call.state, "data-class": Math.floor(call.status / 100) }, text);
}

/** A button that copies text. */
export function copyButton(text) {
  const button = h("button", { class: "copy", type: "button", onclick: async () => {
    await navigator.clipboard?.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1200);
  } }, "Copy");
  return button;
}
