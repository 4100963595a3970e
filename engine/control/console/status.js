// statusView shows whether chertd works, and what somebody must look at.
function statusView(view) {
  view.head("Status", "What chertd does now, and what needs somebody.");
  view.onStatus((s) => {
    const actions = s.actions || {};
    return [
      el("div", { class: "stack" },
        attention(s),
        el("div", { class: "tiles" },
          tile("Events", number(s.events), s.pending + (s.early || 0) > 0 ? number(s.pending + (s.early || 0)) + " not handled yet" : "all are handled"),
          tile("Waiting", number((actions.waiting || 0) + (actions.sent || 0)), el("a", { href: "#/waiting" }, "what for")),
          tile("Done", number(actions.done)),
          tile("Dead", number(actions.dead), actions.dead ? el("a", { href: "#/dead" }, "retry or drop") : "none"),
          tile("Blocked reads", number(actions.blocked), actions.blocked ? el("a", { href: "#/packs" }, "see packs") : "none"),
          tile("Quarantine", number(s.quarantined), s.quarantined ? el("a", { href: "#/quarantine" }, "look at them") : "empty")),
        charts(),
        notes(s),
        el("div", { class: "grid" }, intake(s), daemon(s), statuses(actions))),
    ];
  });
}

// attention lists what somebody must do, the worst first.
function attention(s) {
  const all = [];
  for (const why of s.not_ready || []) all.push(notice("bad", "Not ready", el("p", { class: "lines" }, why)));
  if (s.unknown) all.push(notice("bad", "The store does not answer", el("p", { class: "lines" }, s.unknown)));
  for (const b of s.blocked || []) {
    all.push(notice("bad", "Pack " + b.pack + " blocks reads",
      el("p", { class: "lines" }, b.why + " (since ", moment(b.since), "; " + count(b.events, "event") + " missed, " + count(b.reads, "read") + " blocked)"),
      el("ul", { class: "points small" }, (b.fix || []).map((f) => el("li", null, f)))));
  }
  const [state, tone] = callStates[s.calls.state] || [s.calls.state, ""];
  if (s.calls.state !== "going_out") {
    all.push(notice(tone, state, (s.no_calls || []).map((why) => el("p", { class: "lines" }, why)), s.calls.fix && el("p", { class: "hint" }, "hint: " + s.calls.fix), el("p", { class: "small" }, el("a", { href: "#/calls" }, "Calls"))));
  }
  if (s.intake === "slowed") all.push(notice("wait", "Acknowledgements are slowed down", el("p", null, "Events arrive faster than rules handle them.")));
  if (s.intake === "full") all.push(notice("bad", "Deliveries are answered 503", el("p", null, "Too many events wait to be handled.")));
  if (s.not_live) all.push(notice("wait", count(s.not_live, "pack has an edit that is not live", "packs have edits that are not live"), el("p", null, "The last good versions stay live. ", el("a", { href: "#/packs" }, "See why"))));
  if (!all.length) all.push(notice("good", "Events are accepted, calls go out, and all files are live"));
  return el("div", { class: "stack tight" }, all);
}

// notes lists what needs attention but does not affect readiness.
function notes(s) {
  const all = s.notes || [];
  if (!all.length) return null;
  return el("section", { class: "card" }, el("h2", null, "Notes"), el("ul", { class: "plainlist small" }, all.map((n) => el("li", { class: "lines" }, n))));
}

function lag(l) { return l.last_event ? [moment(l.last_event, true), el("span", { class: "soft small" }, " median delay " + duration(l.lag_median_seconds || 0))] : "none since the start"; }

// intake shows where events come from.
function intake(s) {
  const w = s.webhook, c = s.catchup, t = s.stream, f = s.file;
  const refused = Object.entries((w && w.refused) || {});
  return card("Events in",
    w && facts(["Webhook", number(w.accepted) + " accepted, " + number(w.duplicates) + " known"], ["Last event", lag(w)],
      w.unavailable > 0 && ["Answered 503", number(w.unavailable)],
      refused.length > 0 && ["Refused", refused.map(([why, n]) => why + " " + number(n)).join(", ")]),
    c && facts(["Events log", c.state + (c.error ? ": " + c.error : "")], ["Found in it", number(c.found) + " of " + count(c.rows, "row")], c.passed && ["Read to its end", moment(c.passed, true)]),
    t && facts(["Stream", timed(t.connected) ? ["connected since ", moment(t.connected)] : "not connected" + (t.error ? ": " + t.error : "")], ["Last event", lag(t)]),
    f && facts(["File", f.name + ", line " + number(f.line) + (f.error ? ": " + f.error : "")]),
    s.signals && facts(["Signals", number(s.signals.accepted) + " since the start"]),
    !w && !c && !t && !f && el("p", { class: "soft" }, "There is no source of events."));
}

function daemon(s) {
  return card("Daemon", facts(
    ["Version", s.version], ["Runs since", [moment(s.since), el("span", { class: "soft" }, " (" + since(s.since) + ")")]],
    ["Packs", [el("a", { href: "#/packs" }, number(s.packs)), s.not_live ? ", " + number(s.not_live) + " not live" : ""]],
    ["Chats", number(s.chats)], ["Store", bytes(s.bytes || 0)],
    s.missed > 0 && ["Missed", count(s.missed, "event") + " by packs that failed"],
    s.retrying && ["Run again", s.retrying.pack + ": " + number(s.retrying.done) + " of " + number(s.retrying.events)],
    (s.ignored || []).length > 0 && ["Ignored", el("details", { "data-key": "ignored" }, el("summary", null, count(s.ignored.length, "file")),
      el("ul", { class: "plainlist small" }, s.ignored.map((i) => el("li", null, el("code", null, i.file), " " + i.why, el("p", { class: "hint" }, "hint: " + i.hint)))))]));
}

function statuses(actions) {
  const all = Object.entries(actions).sort((a, b) => b[1] - a[1]);
  if (!all.length) return card("Actions", el("p", { class: "soft" }, "Rules have requested nothing yet."));
  return card("Actions by status", el("dl", { class: "facts" }, all.map(([status, n]) => [
    el("dt", null, badge(status)), el("dd", null, number(n), el("span", { class: "soft small" }, " " + (meanings[status] || "")))])));
}
