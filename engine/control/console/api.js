// Refusal is an answer of the daemon that is an error.
class Refusal extends Error {
  constructor(status, message, hint, diagnostics) {
    super(message);
    this.status = status;
    this.hint = hint;
    this.diagnostics = diagnostics;
  }
}

const tokenKey = "chertd.token";

// token is what control.token has; "": the page can change nothing. It lasts as long as
// the tab of the browser.
let token = stored();

function stored() {
  try {
    return sessionStorage.getItem(tokenKey) || "";
  } catch {
    return ""; // the browser keeps nothing
  }
}

function setToken(text) {
  token = text;
  try {
    if (text) sessionStorage.setItem(tokenKey, text);
    else sessionStorage.removeItem(tokenKey);
  } catch {
    // it lasts until the page is left
  }
}

// mayChange reports whether the page may offer what changes something.
function mayChange() { return token !== ""; }

// patience returns how long the page waits for what it shows, and for a command, in
// milliseconds. A command may take two minutes. quiet is how long a tail may be silent: the
// daemon writes something every 15 seconds.
const patience = (method) => method === "GET" ? 10_000 : 150_000;
const quiet = 40_000;

// ahead is by how much the daemon's clock is ahead of the browser's, in milliseconds; 0: by
// next to nothing.
let ahead = 0;

// noteClock compares the clocks. The header has whole seconds.
function noteClock(answer) {
  const date = Date.parse(answer.headers.get("Date"));
  if (Number.isNaN(date)) return;
  const by = date + 500 - Date.now();
  ahead = Math.abs(by) < 3000 ? 0 : by;
}

// unanswered returns the error for a request without an answer, or without all of it.
function unanswered(e, method) {
  if (e.name === "AbortError") return e; // nobody waits for it any more
  if (e.name === "SyntaxError") return new Refusal(0, "the answer is not one of chertd", "check that this address still leads to it, and what a proxy in between does");
  if (e.name === "TimeoutError") return new Refusal(0, "chertd has not answered for " + patience(method) / 1000 + " seconds", "check that it runs, and chertd status on its machine");
  return new Refusal(0, "chertd does not answer", "check that it runs, and that this address still leads to it");
}

// send sends a request and returns the answer, whatever it is. It waits as long as signal
// lets it.
async function send(method, path, body, signal) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = "Bearer " + token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const answer = await fetch(path, {
      method, headers, signal, cache: "no-store", credentials: "omit", redirect: "error",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    noteClock(answer);
    return answer;
  } catch (e) {
    throw unanswered(e, method);
  }
}

// limited returns a signal that also comes when a request has taken too long.
function limited(method, signal) {
  const late = AbortSignal.timeout(patience(method));
  return signal ? AbortSignal.any([signal, late]) : late;
}

// refusalOf returns the error in an answer.
async function refusalOf(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    // not one of chertd
  }
  const e = body.error || {};
  return new Refusal(answer.status, e.message || "the answer is HTTP " + answer.status + ", and not one of chertd", e.hint, body.diagnostics);
}

// ask returns the JSON of an answer. The error is a Refusal.
async function ask(method, path, body, signal) {
  const answer = await send(method, "/api/v1" + path, body, limited(method, signal));
  if (!answer.ok) throw await refusalOf(answer);
  try {
    return await answer.json();
  } catch (e) {
    throw unanswered(e, method);
  }
}

const get = (path, signal) => ask("GET", path, undefined, signal);
const post = (path, body) => ask("POST", path, body || {});

// query returns the parameters that are set, as a URL has them.
function query(values) {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const v of [value].flat()) if (v !== "" && v !== undefined && v !== null && v !== false) q.append(name, v);
  }
  const text = q.toString();
  return text ? "?" + text : "";
}

// ready returns what the probes answer to anyone.
async function ready() {
  const answer = await send("GET", "/-/ready?calls", undefined, limited("GET"));
  try {
    return await answer.json();
  } catch (e) {
    throw unanswered(e, "GET");
  }
}

// tailLines calls each with the lines of a tail, until it ends, is silent for too long, or
// the signal comes.
async function tailLines(parameters, signal, opened, each) {
  const silent = new AbortController();
  let timer = 0;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silent.abort(), quiet);
  };
  heard();
  try {
    const answer = await send("GET", "/api/v1/tail" + query(parameters), undefined, AbortSignal.any([signal, silent.signal]));
    if (!answer.ok) throw await refusalOf(answer);
    opened();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const part of parts) if (part.trim()) each(JSON.parse(part));
    }
  } finally {
    clearTimeout(timer);
  }
}
