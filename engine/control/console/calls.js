// callsView shows whether calls go out, how fast they may, and what stops them.
function callsView(view) {
  view.head("Calls", "What goes out to Chert: whether, how fast, and which lines have stopped.");
  view.onStatus((s) => {
    const c = s.calls, [state, tone] = callStates[c.state] || [c.state, ""];
    return [el("div", { class: "stack" },
      el("section", { class: "card stack tight" },
        el("div", { class: "head" },
          el("div", null, el("div", { class: "row" }, el("h2", null, state), badge(c.state, tone)),
            timed(c.since) && el("p", { class: "soft small" }, "since ", moment(c.since, true), timed(c.until) && [", until ", moment(c.until, true)])),
          el("div", { class: "row" }, s.paused ? resumeButton(view) : pauseButton(view, s))),
        (s.no_calls || []).map((why) => el("p", { class: "lines" }, why)),
        c.fix && el("p", { class: "hint" }, "hint: " + c.fix),
        facts(
          ["Last confirmed", timed(c.last_confirmed) ? [moment(c.last_confirmed, true), el("span", { class: "soft" }, " (" + since(c.last_confirmed) + " ago)")] : "none since the start"],
          ["In flight", number(s.in_flight)],
          ["Ceiling", c.ceiling ? c.ceiling + " calls a second" : "none"],
          ["Learned rate", c.learned_rate ? (Math.round(c.learned_rate * 10) / 10) + " calls a second, as 429s have shown" : "no limit below the ceiling seen"],
          (c.answer || c.http) && ["Last answer", (c.http ? "HTTP " + c.http + " " : "") + (c.code ? "code " + c.code + " " : "") + (c.answer || "") + (c.trace_id ? " (trace " + c.trace_id + ")" : "")]),
        noToken()),
      charts(),
      (c.lines || []).length > 0 && el("h2", null, "Lines whose calls have stopped"),
      (c.lines || []).length > 0 && table({
        label: "Lines whose calls have stopped", rows: c.lines, columns: [
          { name: "Line", head: true, cell: (l) => l.line || "not known" },
          { name: "Stopped since", time: true, cell: (l) => moment(l.since, true) },
          { name: "Answer", cell: (l) => (l.http ? "HTTP " + l.http : "none") + (l.code ? ", code " + l.code : "") },
          { name: "Error", cell: (l) => [el("span", { class: "lines" }, l.error), l.trace_id && el("span", { class: "soft small" }, " trace " + l.trace_id)] },
          { name: "Waiting", cell: (l) => el("a", { href: "#/waiting" + query({ where: "line=" + (l.line || "unknown") }) }, "what waits") },
        ],
      }),
      (s.notify || []).length > 0 && el("h2", null, "Targets of notifications"),
      (s.notify || []).length > 0 && table({
        label: "Targets of notifications", rows: s.notify, columns: [
          { name: "Target", head: true, cell: (t) => t.target },
          { name: "Waiting", number: true, cell: (t) => number(t.waiting) },
          { name: "Failing since", time: true, cell: (t) => moment(t.failing_since, true) },
          { name: "Error", cell: (t) => t.error },
        ],
      }),
      !(c.lines || []).length && el("p", { class: "soft" }, "No line has stopped."))];
  });
}

function pauseButton(view, s) {
  const waiting = ((s.actions || {}).waiting || 0);
  return actButton("Pause all calls …", "pause", () => ({
    title: "Pause all calls?", go: "Pause", danger: true,
    text: [el("p", null, "No call goes out until you resume, also after a restart. Events are still received and rules still run: " + count(waiting, "action waits", "actions wait") + " now, and more will. Calls in flight end.")],
    run: async () => { await post("/pause"); return "Calls are paused."; }, done: view.now,
  }));
}

function resumeButton(view) {
  return actButton("Resume calls …", "resume", () => ({
    title: "Resume calls?", go: "Resume", text: [el("p", null, "What is due goes out, as fast as the rate allows. Vetoes and holds apply.")],
    run: async () => {
      await post("/resume");
      const { state } = (await get("/status")).calls; // something else may still stop them
      return state === "going_out" ? "Calls go out again." : "Calls are resumed. Now: " + (callStates[state] || [state])[0] + ".";
    }, done: view.now,
  }), "first");
}
