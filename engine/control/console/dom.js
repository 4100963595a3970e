// hidden are the characters that could hide, reverse or break a text. The daemon's own
// lists and logs escape the same ones.
const hidden = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

// visible returns a text with its hidden characters as escapes; keep are those to keep.
function visible(text, keep = "") {
  return String(text).replace(hidden, (c) => {
    if (c === "\ufe0e" || c === "\ufe0f" || keep.includes(c)) return c;
    if (c === "\n") return "\\n";
    if (c === "\r") return "\\r";
    if (c === "\t") return "\\t";
    const code = c.codePointAt(0);
    const hex = (width) => code.toString(16).padStart(width, "0");
    if (code < 0x80) return "\\x" + hex(2);
    return code > 0xffff ? "\\U" + hex(8) : "\\u" + hex(4);
  });
}

// el makes an element. Children are nodes, texts and lists of these; what is null,
// undefined or false is left out. Every text is escaped by visible, and becomes a text
// node: nothing that the daemon answers is ever read as HTML.
function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// svg is el for the elements of a drawing.
function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else if (name === "checked" || name === "selected" || name === "open") node[name] = value;
    else node.setAttribute(name, value === true ? "" : visible(value));
  }
  append(node, children, node.classList.contains("lines") || node.classList.contains("hint") || node.classList.contains("block") ? "\n\t" : "");
  return node;
}

function append(node, children, keep) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(node, child, keep);
    else node.append(child instanceof Node ? child : visible(child, keep));
  }
}

// renew replaces what is in a container, and keeps the focus, what is unfolded and how far
// tables are scrolled.
function renew(container, ...nodes) {
  const shown = nodes.flat(Infinity);
  if (shown.length === 1 && container.childNodes.length === 1 && container.firstChild === shown[0]) return; // it has renewed itself
  const active = document.activeElement;
  const focus = active && active !== container && container.contains(active) ? keyOf(active) : "";
  const unfolded = new Map([...container.querySelectorAll("details")].map((d) => [keyOf(d), d.open]));
  const scrolled = [...container.querySelectorAll(".scroll")].map((s) => s.scrollLeft);
  container.replaceChildren();
  append(container, nodes, "");
  for (const d of container.querySelectorAll("details")) if (unfolded.has(keyOf(d))) d.open = unfolded.get(keyOf(d));
  container.querySelectorAll(".scroll").forEach((s, i) => { s.scrollLeft = scrolled[i] || 0; });
  if (!focus) return;
  for (const node of container.querySelectorAll("a, button, input, select, summary, [tabindex]")) {
    if (keyOf(node) === focus) { node.focus({ preventScroll: true }); return; }
  }
}

// fit makes nodes the children of a container. It touches only those that come, go or move.
function fit(container, nodes) {
  const active = document.activeElement;
  const stay = new Set(nodes);
  for (const node of [...container.childNodes]) if (!stay.has(node)) node.remove();
  nodes.forEach((node, i) => { if (container.childNodes[i] !== node) container.insertBefore(node, container.childNodes[i] || null); });
  if (active !== document.activeElement && container.contains(active)) active.focus({ preventScroll: true }); // it was moved
}

// keyOf names an element, for the one that takes its place.
function keyOf(node) {
  if (node.dataset.key) return node.dataset.key;
  if (node.tagName === "SUMMARY") return "summary " + keyOf(node.parentElement);
  return node.id || node.getAttribute("href") || node.tagName + " " + node.textContent.slice(0, 80);
}

// badge shows a word of the daemon, with its meaning.
function badge(word, tone, meaning) {
  return el("span", { class: "badge " + (tone || tones[word] || ""), title: meaning || meanings[word] }, word);
}

const numbers = new Intl.NumberFormat("en-US");

// number returns a number with its thousands apart.
function number(n) { return numbers.format(n || 0); }

// count returns a number of things.
function count(n, one, many) { return number(n) + " " + (n === 1 ? one : many || one + "s"); }

// bytes returns a size on disk.
function bytes(n) {
  for (const unit of ["bytes", "KiB", "MiB", "GiB", "TiB"]) {
    if (n < 1024 || unit === "TiB") return (unit === "bytes" ? number(n) : n.toFixed(1)) + " " + unit;
    n /= 1024;
  }
}

// timed reports whether a time is set.
function timed(text) { return Boolean(text) && !text.startsWith("0001-"); }

// moment shows a time in the browser's zone: of today without its day.
function moment(text, seconds) {
  if (!timed(text)) return null;
  const t = new Date(text);
  if (Number.isNaN(t.getTime())) return el("span", null, text);
  const two = (n) => String(n).padStart(2, "0");
  const day = (d) => d.getFullYear() + "-" + two(d.getMonth() + 1) + "-" + two(d.getDate());
  const clock = two(t.getHours()) + ":" + two(t.getMinutes()) + (seconds ? ":" + two(t.getSeconds()) : "");
  return el("time", { datetime: text, title: t.toString() }, day(t) === day(new Date(Date.now() + ahead)) ? clock : day(t) + " " + clock);
}

// since returns how long ago a time was, or how far it is ahead.
function since(text) { return duration(Math.round(Math.abs(Date.now() + ahead - new Date(text).getTime()) / 1000)); }

// duration returns a number of seconds as the texts of the daemon have it: 74ms, 5.3s, and in
// its two largest units above a minute, 12m5s or 3d4h.
function duration(seconds) {
  if (seconds < 0.0005) return "0s";
  if (seconds < 0.9995) return Math.round(seconds * 1000) + "ms";
  if (seconds < 59.95) return Math.round(seconds * 10) / 10 + "s";
  let rest = Math.round(seconds);
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const first = units.findIndex(([, length]) => rest >= length);
  return units.slice(first, first + 2).map(([unit, length], i) => {
    const n = Math.floor(rest / length);
    rest -= n * length;
    return n || !i ? n + unit : "";
  }).join("");
}

// chatLink leads to the story of a chat, an event or an action.
function chatLink(id, short) {
  if (!id) return null;
  return el("a", { class: "mono", href: "#/chat/" + encodeURIComponent(id), title: short ? id : null }, short && id.length > 14 ? id.slice(0, 8) + "…" + id.slice(-4) : id);
}

// rule shows which rule of which pack, and where it stands.
function ruleName(pack, rule, place) {
  return [el("span", null, pack ? (rule ? pack + "/" + rule : pack) : rule || "operator"), place && el("span", { class: "soft small" }, " ", place)];
}

function facts(...pairs) {
  return el("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value]) => [el("dt", null, name), el("dd", null, value)]));
}

function tile(name, value, more) {
  return el("dl", { class: "card tile" }, el("dt", null, name), el("dd", null, value, more && el("small", null, more)));
}

function card(title, ...children) {
  return el("section", { class: "card" }, title && el("h2", null, title), children);
}

function notice(tone, title, ...children) {
  return el("div", { class: "notice " + tone }, title && el("h2", null, title), children);
}

function empty(text) { return el("p", { class: "card empty" }, text); }

// hints shows an error of the daemon: its message, the fix, and what is wrong where.
function problem(error) {
  return el("div", { class: "notice bad", role: "alert" },
    el("p", { class: "lines" }, error.message),
    error.hint && el("p", { class: "hint" }, "hint: " + error.hint),
    error.diagnostics && diagnosed(error.diagnostics));
}

// diagnosed lists diagnostics of files.
function diagnosed(all) {
  return el("ul", { class: "plainlist" }, all.map((d) => el("li", null,
    badge(d.severity || "error"), " ",
    el("code", null, d.file + (d.line ? ":" + d.line : "") + (d.line && d.col ? ":" + d.col : "")), " ",
    el("span", { class: "lines" }, d.message), " ",
    d.code && el("span", { class: "soft small" }, d.code),
    d.hint && el("p", { class: "hint small" }, "hint: " + d.hint))));
}

// announce shows a result, and screen readers read it out.
function announce(text) {
  const region = document.getElementById("said");
  region.replaceChildren(el("div", null, el("span", null, text),
    el("button", { type: "button", click: () => region.replaceChildren() }, "Close")));
}
