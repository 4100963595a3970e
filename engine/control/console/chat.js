// chatView tells the story of a chat, or of one event: what came, what the rules did, and
// what became of it.
function chatView(view, args, id) {
  const all = el("input", { type: "checkbox", id: "explain-all", checked: args.get("all") === "1", change: () => { view.remember({ all: all.checked ? "1" : "" }); view.now(); } });
  view.head("Why was it read, or not?", "What came, what the rules did with it, and what became of that; the newest first.");
  if (!id) {
    view.put(empty("Enter the id of an event, a chat, a message or an action, a phone number or an email address above."));
    return;
  }
  // All that is shown is read again each time: it may have changed or been forgotten since.
  const page = 20, most = 500; // most is what one answer has
  let limit = page;
  view.fixed(el("div", { class: "row between" }, el("p", null, "Of ", el("strong", { class: "mono" }, id)), el("label", { class: "check" }, all, "Also rules that did not match")));
  view.poll(10, (signal) => get("/explain" + query({ of: id, limit, all: all.checked ? "true" : "" }), signal), shown);

  function shown(e) {
    const newest = [...e.events].reverse();
    return [el("div", { class: "stack" },
      e.chat && chatCard(e.chat),
      !newest.length && empty("chertd keeps no event of it."),
      el("ol", { class: "story" }, newest.map((x) => el("li", { class: tones[x.outcome] || null }, storyEvent(x)))),
      e.older && (limit < most
        ? el("div", null, el("button", { type: "button", "data-key": "older", click: () => { limit = Math.min(limit + page, most); view.now(); } }, "Show older events"))
        : el("p", { class: "soft" }, "and older ones: chertd explain " + id + " --before " + e.events[0].seq)))];
  }

  function chatCard(c) {
    return el("section", { class: "card stack tight" },
      el("div", { class: "head" }, el("div", null, el("h2", null, "Chat ", el("span", { class: "mono" }, c.id)), c.line && el("p", { class: "soft" }, "line " + c.line)),
        el("div", { class: "row" },
          holdButton(view, c.id), c.hold && releaseButton(view, c.id, c.hold),
          actButton("Mark as read …", "read", () => ({
            title: "Mark the chat as read?", go: "Mark as read", danger: true,
            text: [el("p", null, "Chat " + c.id + " is marked as read for its sender. A read receipt can't be taken back. A veto or a hold of the chat still applies.")],
            fields: [{ name: "reason", label: "Reason, for records" }],
            run: async (v) => {
              const r = await post("/read", { chat: c.id, reason: v.reason || undefined });
              return r.read ? "The read is " + r.read.status + (r.read.why ? ": " + r.read.why : "") + "." : "The read is requested.";
            }, done: view.now,
          })))),
      c.hold && notice("wait", null, "Held until ", moment(c.hold.until), " by " + c.hold.by + (c.hold.reason ? ": " + c.hold.reason : "")),
      c.postponed && notice("wait", null, "Reads wait until ", moment(c.postponed.until), " by " + c.postponed.by + (c.postponed.reason ? ": " + c.postponed.reason : "")),
      (c.timers || []).length > 0 && el("p", { class: "small" }, "Timers: ", c.timers.map((t, i) => [i > 0 && ", ", t.pack + "/" + t.name + " at ", moment(t.due, true)])),
      noToken());
  }
}

// storyRule shows what a rule did.
function storyRule(r) {
  return el("li", null,
    ruleName(r.pack, r.rule, r.place), " ", r.shadow && badge("shadow"), r.candidate && badge("candidate"),
    r.skipped && [" did not run: ", badge(r.skipped), r.skipped_why && " " + r.skipped_why],
    el("ul", { class: "points" }, (r.asked || []).map((a) => el("li", null, a)), (r.refused || []).map((a) => el("li", null, "refused: " + a)),
      (r.logs || []).map((l) => el("li", { class: "soft" }, l.level + ": " + l.msg))),
    timed(r.rerun) && el("p", { class: "soft" }, "It ran again at ", moment(r.rerun, true)),
    r.note && el("p", { class: "soft" }, r.note),
    r.error && el("p", { class: "block" }, r.error));
}

// storyEvent shows an event, what the rules did with it, and what became of that.
function storyEvent(x) {
  const quiet = (r) => !(r.asked || []).length && !(r.logs || []).length && !r.error;
  const spoke = (x.rules || []).filter((r) => !quiet(r)), rest = (x.rules || []).filter(quiet);
  return el("article", { class: "card stack tight" },
    el("div", { class: "row" }, badge(x.outcome), el("h3", null, x.direction ? x.direction + " " + x.type : x.type), el("span", { class: "soft small" }, moment(timed(x.at) ? x.at : x.received, true))),
    el("p", null, x.summary),
    (x.from || x.text || x.no_text) && el("div", { class: "message" }, x.from && el("span", { class: "mono small" }, x.from + ": "), x.no_text ? el("em", null, "the text was removed") : x.text),
    x.data && el("p", { class: "block" }, x.data),
    x.requested_by && el("p", { class: "small" }, "Requested by " + x.requested_by.by + ": " + x.requested_by.asked),
    x.note && el("p", { class: "small soft" }, x.note),
    spoke.length > 0 && el("ul", { class: "plainlist small" }, spoke.map(storyRule)),
    rest.length > 0 && el("details", { "data-key": "rest " + x.seq }, el("summary", null, count(rest.length, "rule") + " did not run, or requested nothing"), el("ul", { class: "plainlist small" }, rest.map(storyRule))),
    (x.actions || []).length > 0 && el("ul", { class: "plainlist small" }, x.actions.map((a) => el("li", null,
      badge(a.status), " ", a.why && a.why !== a.status && [badge(a.why), " "], a.kind + " by ", ruleName(a.pack, a.rule), a.reason && el("span", { class: "soft" }, " " + a.reason),
      a.ended_by && el("span", null, ", ended by " + (a.ended_by.by || a.ended_by.cause || "an event") + (a.ended_by.asked ? ": " + a.ended_by.asked : "")),
      a.waits_for && el("span", null, ", waits " + a.waits_for), timed(a.called) && [", called ", moment(a.called, true)],
      a.attempts > 1 && ", " + count(a.attempts, "attempt"), a.error && el("p", { class: "block" }, (a.http ? "HTTP " + a.http + (a.code ? ", code " + a.code : "") + ": " : "") + a.error)))),
    (x.elsewhere || []).length > 0 && el("ul", { class: "plainlist small" }, x.elsewhere.map((o) => el("li", null, "in chat ", chatLink(o.chat, true), ": " + o.asked + " by " + o.by + ": ", badge(o.outcome)))),
    (x.waits || []).map((w) => el("p", { class: "small" }, w)),
    (x.did_not_match || []).length > 0 && el("details", { "data-key": "not " + x.seq }, el("summary", null, count(x.did_not_match_total, "rule") + " did not match"),
      el("ul", { class: "plainlist small" }, x.did_not_match.map((o) => el("li", null, ruleName(o.pack, o.rule, o.place), el("ul", { class: "points" }, (o.why || []).map((w) => el("li", null, w))))))),
    el("p", { class: "soft small" }, "event ", el("a", { class: "mono", href: "#/chat/" + encodeURIComponent(x.id) }, x.id), " by " + x.source, timed(x.handled) && [", handled in " + number(x.took_us) + " µs"]));
}
