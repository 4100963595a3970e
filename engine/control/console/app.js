// views are the pages of the console, by the first part of the hash of the address.
const views = new Map([
  ["status", ["Status", statusView]],
  ["decisions", ["Decisions", decisionsView]],
  ["rules", ["Rules", rulesView]],
  ["packs", ["Packs", packsView]],
  ["calls", ["Calls", callsView]],
  ["waiting", ["Waiting", waitingView]],
  ["holds", ["Holds", holdsView]],
  ["dead", ["Dead letters", deadView]],
  ["quarantine", ["Quarantine", quarantineView]],
  ["lists", ["Lists", listsView]],
  ["chat", ["", chatView]],
]);

const main = document.getElementById("main");
let current = null; // the View that is shown
let status = null; // the last status
let statusProblem = null;

// View is what one page does with the main part. What it starts ends with it.
class View {
  constructor(name) {
    this.name = name;
    this.ends = new AbortController();
    this.signal = this.ends.signal;
    this.top = el("div");
    this.still = el("div");
    this.wrong = el("div");
    this.body = el("div");
    main.replaceChildren(this.top, this.still, this.wrong, this.body);
    this.now = () => {};
    this.read = 0; // when what is shown was read
    this.trouble = ""; // the error that is shown
  }

  // head sets the heading, and what is beside it.
  head(title, lead, beside) {
    this.title = title;
    document.title = title + " · chertd";
    renew(this.top, el("div", { class: "head" }, el("div", null, el("h1", { tabindex: "-1" }, title), lead && el("p", { class: "lead" }, lead)), beside));
  }

  // fixed adds what stays as it is while the rest is renewed: filters.
  fixed(...nodes) { this.still.append(...nodes); }

  // filters adds a form that chooses what is shown. Where it is narrow it is folded up.
  filters(apply, ...nodes) {
    const wide = matchMedia("(min-width: 44rem)");
    const frame = el("details", { class: "filters", open: wide.matches }, el("summary", null, "Filters"),
      el("form", { "aria-label": "Filters", submit: (e) => { e.preventDefault(); apply(); } }, nodes, el("button", { type: "submit", class: "unseen", tabindex: "-1" }, "Apply")));
    wide.addEventListener("change", () => { frame.open = wide.matches; }, { signal: this.signal });
    this.still.append(frame);
  }

  // put sets what is shown, for a view that renews it on its own.
  put(...nodes) { this.body.replaceChildren(...nodes); }

  render(nodes) {
    if (this.signal.aborted) return;
    this.read = Date.now();
    this.body.classList.remove("stale");
    renew(this.body, nodes);
  }

  // well takes away the error that is shown.
  well() {
    this.trouble = "";
    renew(this.wrong);
  }

  // fails shows an error once, and marks what was shown before as old.
  fails(e) {
    if (this.trouble === e.message) return; // screen readers would read it again
    this.trouble = e.message;
    if (!this.read) renew(this.body); // it says that it loads
    this.body.classList.toggle("stale", Boolean(this.read));
    renew(this.wrong, problem(e), this.read > 0 && el("p", { class: "soft old" }, "What is below is old: it was read at ", moment(new Date(this.read).toISOString(), true), "."));
  }

  // remember keeps filters in the address, so that it can be sent to somebody.
  remember(values) {
    const [path] = location.hash.split("?");
    history.replaceState(null, "", path + query(values));
  }

  // poll loads and shows something every few seconds. Nothing is renewed while a dialog is
  // open, or a text is selected.
  poll(seconds, load, show) {
    let timer = 0, running = null;
    const round = async () => {
      clearTimeout(timer);
      if (running) running.abort();
      const own = (running = new AbortController());
      const stop = () => own.abort();
      this.signal.addEventListener("abort", stop, { once: true });
      try {
        const data = await load(own.signal);
        if (own.signal.aborted) return;
        this.well();
        if (!busy()) this.render(show(data));
      } catch (e) {
        if (own.signal.aborted) return;
        if (e.status === 401) return this.signIn(e);
        if (!(e instanceof Refusal)) throw e;
        if (e.status >= 400 && e.status < 500) {
          this.read = 0;
          renew(this.body);
        }
        this.fails(e);
      } finally {
        this.signal.removeEventListener("abort", stop);
        if (!this.signal.aborted && running === own) timer = setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", round, { once: true, signal: this.signal }) : round()), seconds * 1000);
      }
    };
    this.signal.addEventListener("abort", () => clearTimeout(timer));
    this.now = round;
    this.put(loading());
    round();
  }

  // onStatus shows something of the status, whenever a new one is there.
  onStatus(show) {
    this.show = () => {
      if (statusProblem) this.fails(statusProblem);
      else this.well();
      if (status && !statusProblem && !busy()) this.render(show(status));
    };
    this.now = readStatus;
    if (status || statusProblem) this.show();
    else this.put(loading());
  }

  signIn(e) { askForToken(e); }

  end() { this.ends.abort(); }
}

// loading is shown until there is an answer.
function loading() { return el("p", { class: "soft" }, "Loading …"); }

// busy reports whether what is shown must stay as it is.
function busy() {
  return Boolean(document.querySelector("dialog[open]")) || selected();
}

// selected reports whether a text of the main part is selected.
function selected() {
  const chosen = getSelection();
  return Boolean(chosen && !chosen.isCollapsed && main.contains(chosen.anchorNode));
}

let statusTimer = 0;

// takeStatus reads the status, and returns false if that needs a token.
async function takeStatus() {
  try {
    status = await get("/status");
    statusProblem = null;
    await countReads();
    sample(status);
  } catch (e) {
    if (!(e instanceof Refusal)) throw e;
    if (e.status === 401 || e.status === 403) { askForToken(e); return false; }
    statusProblem = e;
  }
  return true;
}

// readStatus reads the status, and again in some seconds.
async function readStatus() {
  clearTimeout(statusTimer);
  if (!await takeStatus()) return;
  showState();
  if (current && current.show) current.show();
  statusTimer = setTimeout(readStatus, sampleEvery * 1000);
}

// showState shows in the head of the page how chertd is, and counts in the navigation.
function showState() {
  const all = [];
  if (statusProblem) all.push(badge(statusProblem.status === 503 ? "not ready" : "does not answer", "bad", statusProblem.message));
  else {
    const [words, tone] = callStates[status.calls.state] || [status.calls.state, ""];
    all.push(status.draining ? badge("stopping", "wait") : status.ready ? badge("ready", "good", "Events are accepted and handled") : badge("not ready", "bad"));
    if (status.calls.state !== "going_out") all.push(badge(words, tone));
    if ((status.blocked || []).length) all.push(badge("reads are blocked", "bad"));
  }
  if (selected()) all.push(badge("not renewed while text is selected", "wait"));
  renew(document.getElementById("state"), all);
  showNav();
  showClock();
}

// showClock says which times the page shows, and whether its clock is wrong.
function showClock() {
  const wrong = ahead !== 0 && " The clock of this browser is " + duration(Math.abs(ahead) / 1000) + (ahead < 0 ? " ahead of" : " behind") + " chertd's.";
  renew(document.getElementById("foot"), "Times are in the zone of this browser: " + Intl.DateTimeFormat().resolvedOptions().timeZone + ". Those that end in Z are UTC.", wrong);
}

// showCurrent scrolls the navigation until the current view is in it, on a phone.
function showCurrent() {
  const link = document.querySelector("#nav a[aria-current]");
  if (!link) return;
  const list = link.closest("ul");
  list.scrollLeft = link.offsetLeft - (list.clientWidth - link.offsetWidth) / 2;
}

function showNav() {
  const nav = document.getElementById("nav");
  const s = (!statusProblem && status) || {}, a = s.actions || {}; // old counts would pass for new ones
  const counts = {
    packs: [(s.not_live || 0) + (s.blocked || []).length, "bad", "need attention"], waiting: [(a.waiting || 0) + (a.sent || 0) + (a.blocked || 0), "", "wait"], dead: [a.dead || 0, "bad", "dead"],
    quarantine: [s.quarantined || 0, "wait", "in quarantine"], holds: [((s.holds || {}).total || 0) + (s.held_selections || []).length, "", "in force"],
  };
  const scrolled = nav.firstElementChild ? nav.firstElementChild.scrollLeft : 0;
  renew(nav, el("ul", null, [...views].filter(([, [title]]) => title).map(([name, [title]]) => {
    const [n, tone, words] = counts[name] || [0];
    return el("li", null, el("a", { href: "#/" + name, "aria-current": current && current.name === name ? "page" : null }, title,
      n > 0 && el("span", { class: "many " + tone }, number(n), el("span", { class: "unseen" }, " " + words))));
  })));
  nav.hidden = false;
  nav.firstElementChild.scrollLeft = scrolled;
  document.getElementById("find").hidden = false;
}

// showAccess shows whether the page can change something.
function showAccess() {
  renew(document.getElementById("access"), mayChange()
    ? el("button", { type: "button", id: "forget", title: "This tab of the browser keeps the token until then", click: () => { setToken(""); location.reload(); } }, "Forget token")
    : [el("span", null, "read-only"), el("button", { type: "button", id: "enter", click: () => askForToken(null) }, "Enter token")]);
}

// askForToken asks for the token. Without it, only what the probes answer is shown.
async function askForToken(refusal) {
  clearTimeout(statusTimer);
  if (current) current.end();
  current = null;
  const wrong = refusal && refusal.status === 401 && token;
  if (refusal && refusal.status === 401) setToken("");
  document.querySelectorAll("dialog").forEach((dialog) => dialog.remove()); // it would cover the question, and shows data
  document.getElementById("nav").hidden = true;
  document.getElementById("find").hidden = true;
  document.title = "chertd";
  renew(document.getElementById("access"));
  const open = el("div", { class: "stack tight" });
  const said = el("div", { "aria-live": "assertive" }, wrong && el("p", { class: "notice bad" }, "The token is wrong."));
  const input = el("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  main.replaceChildren(el("section", { class: "card sign" },
    el("h1", null, "chertd"),
    refusal && refusal.status === 403
      ? [el("p", null, refusal.message), el("p", { class: "hint" }, "hint: " + refusal.hint)]
      : el("form", { submit: enter },
        el("label", { class: "field" }, el("span", null, "Token (control.token of chertd.yaml)"), input),
        said,
        el("div", { class: "row" }, el("button", { type: "submit", class: "first" }, "Open the console"), refusal ? null : el("button", { type: "button", click: () => start() }, "Cancel")),
        el("p", { class: "soft small" }, "This tab of the browser keeps it until you close the tab or choose Forget token."))),
  el("section", { class: "sign card" }, el("h2", null, "Open to anyone"), open));
  input.focus();
  try {
    const r = await ready();
    renew(document.getElementById("state"), badge(r.status, r.status === "ready" ? "good" : "bad"));
    renew(open, el("p", null, "chertd is ", badge(r.status, r.status === "ready" ? "good" : "bad"), r.why ? ":" : "."), el("ul", { class: "points small" }, [...new Set(r.why)].map((w) => el("li", { class: "lines" }, w))));
  } catch (e) {
    renew(open, problem(e));
  }

  async function enter(event) {
    event.preventDefault();
    const text = input.value.trim();
    if (!/^[\x21-\x7e]+$/.test(text)) {
      renew(said, el("p", { class: "notice bad" }, "A token has letters, digits and signs of ASCII, without spaces."));
      return;
    }
    setToken(text);
    await start();
    if (current) focusHeading();
  }
}

// route shows the view that the address names.
function route() {
  const [path, args = ""] = location.hash.replace(/^#\/?/, "").split("?");
  let [name, rest = ""] = split(path);
  if (!views.has(name)) {
    name = "status";
    history.replaceState(null, "", "#/status");
  }
  const before = current;
  if (before) before.end();
  current = new View(name);
  views.get(name)[1](current, new URLSearchParams(args), rest);
  showNav();
  showCurrent();
  if (before) {
    focusHeading();
    scrollTo(0, 0);
  }
}

// focusHeading puts the focus where a view begins, so that screen readers read its name.
function focusHeading() { main.querySelector("h1").focus({ preventScroll: true }); }

// split returns the parts of a path: the view, and what it is about.
function split(path) {
  const at = path.indexOf("/");
  if (at < 0) return [path];
  let rest = path.slice(at + 1);
  try {
    rest = decodeURIComponent(rest);
  } catch {
    // it is taken as it is
  }
  return [path.slice(0, at), rest];
}

// start opens the console, once the daemon accepts the token, or needs none.
async function start() {
  if (!await takeStatus()) return;
  showAccess();
  route();
  if (statusProblem) current.fails(statusProblem);
  showState();
  clearTimeout(statusTimer);
  statusTimer = setTimeout(readStatus, sampleEvery * 1000);
}

document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
document.getElementById("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const of = document.getElementById("find-of").value.trim();
  if (of) location.hash = "#/chat/" + encodeURIComponent(of);
});
addEventListener("hashchange", () => { if (current && location.hash.startsWith("#/")) route(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden && current) readStatus(); });
showClock();
start();
