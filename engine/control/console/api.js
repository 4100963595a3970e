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

// send sends a request and returns the answer, whatever it is.
async function send(method, path, body, signal) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = "Bearer " + token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, {
      method, headers, signal, cache: "no-store", credentials: "omit", redirect: "error",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Refusal(0, "chertd does not answer", "check that it runs, and that this address still leads to it");
  }
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
  const answer = await send(method, "/api/v1" + path, body, signal);
  if (!answer.ok) throw await refusalOf(answer);
  return answer.json();
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
  const answer = await send("GET", "/-/ready?calls");
  return answer.json();
}

// lines calls each with the lines of a tail, until it ends or the signal comes.
async function tailLines(parameters, signal, opened, each) {
  const answer = await send("GET", "/api/v1/tail" + query(parameters), undefined, signal);
  if (!answer.ok) throw await refusalOf(answer);
  opened();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part.trim()) each(JSON.parse(part));
  }
}
