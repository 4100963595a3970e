// maxLines is how many lines the view of decisions keeps.
const maxLines = 300;

// decisionsView shows what happens as it happens: the tail of the daemon, with filters.
function decisionsView(view, args) {
  // An address may have other outcomes than those that are offered.
  const known = args.getAll("outcome").filter((o) => o in meanings);
  const offered = [...tailOutcomes, ...known.filter((o) => !tailOutcomes.includes(o))];
  const filter = {
    pack: args.get("pack") || "", rule: args.get("rule") || "", chat: args.get("chat") || "",
    outcome: known, text: args.get("text") === "1",
  };
  const state = el("p", { class: "soft", id: "tail-state" }, "Connecting …");
  const hold = el("button", { type: "button", "aria-pressed": "false", id: "tail-pause", click: togglePause }, "Pause the list");
  view.head("Decisions", "Each event once rules have handled it, each action once it has ended, each call that failed.", el("div", { class: "row" }, state, hold));

  const input = (name, label, placeholder) => {
    const i = el("input", { id: "filter-" + name, type: "search", placeholder, autocomplete: "off", spellcheck: "false", change: apply });
    i.value = filter[name];
    return [i, el("label", { class: "field" }, el("span", null, label), i)];
  };
  const [pack, packField] = input("pack", "Pack", "all");
  const [rule, ruleField] = input("rule", "Rule", "PACK/RULE");
  const [chat, chatField] = input("chat", "Chat, number or address", "all");
  const boxes = offered.map((o) => el("input", { type: "checkbox", value: o, id: "outcome-" + o, checked: filter.outcome.includes(o), change: apply }));
  const text = el("input", { type: "checkbox", id: "filter-text", checked: filter.text, change: apply });
  view.filters(apply,
    packField, ruleField, chatField,
    el("fieldset", null, el("legend", null, "Outcomes (none chosen: all)"), el("div", { class: "chips" },
      boxes.map((b) => el("label", { class: "check", title: meanings[b.value] }, b, b.value)))),
    el("label", { class: "check" }, text, "Show senders and texts"));

  const body = el("tbody", { id: "lines" });
  const none = el("p", { class: "card empty" }, "No line yet.");
  const frame = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Decisions, the newest first", hidden: true },
    el("table", { class: "cards feed" }, el("caption", { class: "unseen" }, "Decisions, the newest first"),
      el("thead", null, el("tr", null, ["Time", "Outcome", "Chat", "What happened"].map((h) => el("th", { scope: "col" }, h)))), body));
  view.put(none, frame);

  const outcomes = new Map(); // of the newest events, by their seq
  let through = 0, paused = false, missed = 0, queue = [], timer = 0, run = new AbortController();
  view.signal.addEventListener("abort", () => { run.abort(); clearTimeout(timer); });
  follow(run.signal);

  function apply() {
    Object.assign(filter, { pack: pack.value.trim(), rule: rule.value.trim(), chat: chat.value.trim(), outcome: boxes.filter((b) => b.checked).map((b) => b.value), text: text.checked });
    view.remember({ pack: filter.pack, rule: filter.rule, chat: filter.chat, outcome: filter.outcome, text: filter.text ? "1" : "" });
    run.abort();
    run = new AbortController();
    through = 0;
    outcomes.clear();
    queue = [];
    body.replaceChildren();
    frame.hidden = true;
    none.hidden = false;
    none.textContent = "No line yet.";
    follow(run.signal);
  }

  async function follow(signal) {
    for (let wait = 1; !signal.aborted; wait = Math.min(wait * 2, 30)) {
      try {
        await tailLines({
          lines: through ? 1000 : 50, after: through || "", pack: filter.pack, rule: filter.rule, chat: filter.chat, outcome: filter.outcome, text: filter.text ? "1" : "",
        }, signal, () => { say("Following"); wait = 1; }, take);
        say("The connection ended; trying again …");
      } catch (e) {
        if (signal.aborted) return;
        say(e instanceof Refusal ? e.message : "The connection was lost; trying again …");
        if (e instanceof Refusal && e.status >= 400 && e.status < 500) {
          none.replaceChildren(problem(e));
          none.hidden = false;
          if (e.status === 401) view.signIn(e);
          return;
        }
      }
      await pauseFor(wait * 1000, signal);
    }
  }

  function take(line) {
    if (line.through) through = Math.max(through, line.through);
    if (line.kind === "mark" || line.kind === "end" || again(line)) return;
    queue.push(line);
    if (queue.length > maxLines) queue.shift();
    if (paused) {
      missed++;
      say(count(missed, "new line"));
    } else if (!timer) {
      timer = setTimeout(flush, 150);
    }
  }

  // again reports whether an event has been shown with this outcome. After a connection was
  // lost, some come again.
  function again(line) {
    if (line.kind !== "event" || line.rerun || !line.seq) return false;
    if (outcomes.get(line.seq) === line.outcome) return true;
    outcomes.set(line.seq, line.outcome);
    if (outcomes.size > 4 * maxLines) outcomes.delete(outcomes.keys().next().value);
    return false;
  }

  function flush() {
    timer = 0;
    const rows = queue.filter((line) => !(line.kind === "action" && (line.actions || []).length === 1 && line.actions[0].why === "replaced" && !filter.outcome.length)).map(lineRow).reverse();
    queue = [];
    body.prepend(...rows);
    while (body.rows.length > maxLines) body.lastElementChild.remove();
    frame.hidden = !body.rows.length;
    none.hidden = body.rows.length > 0;
  }

  function togglePause() {
    paused = !paused;
    missed = 0;
    hold.setAttribute("aria-pressed", String(paused));
    hold.textContent = paused ? "Continue" : "Pause the list";
    say(paused ? "The list is paused" : "Following");
    if (!paused) flush();
  }

  function say(text) { state.textContent = visible(text); }
}

// pauseFor waits, or until the signal comes.
function pauseFor(ms, signal) {
  return new Promise((resolve) => {
    const t = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(t); resolve(); }, { once: true });
  });
}

// lineRow shows a line of a tail.
function lineRow(line) {
  if (line.kind === "gap" || line.kind === "note") {
    return el("tr", null, el("td", { class: "wide soft", colspan: "4" }, line.kind === "gap" ? count(line.dropped, "line") + " not shown: they came faster than they could be shown" : line.summary));
  }
  const outcome = line.failed && (line.outcome === "not_read" || line.outcome === "none") ? "failed" : line.outcome || line.kind;
  return el("tr", null,
    el("td", { class: "time", "data-label": "Time" }, moment(line.at, true)),
    el("td", { "data-label": "Outcome" }, badge(outcome, line.failed ? "bad" : null)),
    el("td", { "data-label": "Chat" }, line.chat ? chatLink(line.chat, true) : el("span", { class: "soft" }, "–")),
    el("td", { class: "wide" },
      el("div", null, (line.rerun ? "run again: " : "") + (line.summary || line.type || "")),
      (line.from || line.text) && el("div", { class: "message" }, el("span", { class: "mono small" }, line.from || "unknown sender"), ": ", line.text || ""),
      more(line)));
}

// more unfolds what rules and actions of a line did.
function more(line) {
  const parts = [(line.rules || []).length && count(line.rules.length, "rule"), (line.actions || []).length && count(line.actions.length, "action")].filter(Boolean);
  if (!parts.length && !line.event) return null;
  let made = false;
  const inside = el("div", { class: "stack tight" });
  return el("details", { toggle: () => {
    if (made) return;
    made = true;
    append(inside, [
      line.event && el("p", { class: "small" }, line.type ? line.type + " " : "", el("a", { href: "#/chat/" + encodeURIComponent(line.event) }, "Explain the event"), " ", el("code", { class: "soft" }, line.event)),
      (line.rules || []).map((r) => el("div", { class: "small" }, ruleName(r.pack, r.rule, r.place),
        r.skipped && [" ", badge(r.skipped)],
        el("ul", { class: "points" }, (r.asked || []).map((a) => el("li", null, a)), (r.refused || []).map((a) => el("li", null, "refused: " + a))),
        r.error && el("p", { class: "block" }, r.error))),
      (line.actions || []).map((a) => el("div", { class: "small" }, badge(a.status), " " + a.kind + " ", a.why && a.why !== a.status && badge(a.why), " ", ruleName(a.pack, a.rule), a.ended_by && " ended by " + a.ended_by, timed(a.due) && a.status === "waiting" && [" due ", moment(a.due, true)])),
      line.call && el("p", { class: "small" }, "attempt " + line.call.attempt + ": " + (line.call.http ? "HTTP " + line.call.http : "no answer") + (line.call.code ? ", code " + line.call.code : "") + (line.call.trace_id ? ", trace " + line.call.trace_id : "") + (line.call.error ? ": " + line.call.error : "")),
    ], "");
  } }, el("summary", null, parts.join(", ") || "event"), inside);
}
