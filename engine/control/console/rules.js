const ruleTexts = ["Rule", "Mode"];

// maxPairs is how many pairs of rules that cancel each other are named.
const maxPairs = 50;

// rulesView shows what each rule did, over all versions of its pack: also those that never
// matched, and pairs of which one mostly cancels the other.
function rulesView(view, args) {
  let order = { by: args.get("sort") || "Matched", up: args.get("up") === "1" };
  const pack = el("input", { id: "rules-pack", type: "search", placeholder: "all", autocomplete: "off", spellcheck: "false", change: reload });
  pack.value = args.get("pack") || "";
  const stale = el("select", { id: "rules-stale", change: reload }, [["", "all rules"], ["1d", "not matched for a day"], ["7d", "not matched for 7 days"], ["30d", "not matched for 30 days"]].map(([v, t]) => el("option", { value: v, selected: v === (args.get("stale") || "") }, t)));
  const gone = el("input", { type: "checkbox", id: "rules-gone", checked: args.get("gone") === "1", change: reload });
  view.head("Rules", "What each rule did, by name and over all versions of its pack. An event counts once.");
  view.filters(reload,
    el("label", { class: "field" }, el("span", null, "Pack"), pack),
    el("label", { class: "field" }, el("span", null, "Show"), stale),
    el("label", { class: "check" }, gone, "Also rules that no pack has any more"));

  let last = null;
  view.poll(10, (signal) => get("/rules" + query({ pack: pack.value.trim(), stale: stale.value, gone: gone.checked ? "true" : "" }), signal), (all) => {
    last = all;
    return shown(all);
  });

  function reload() { keep(); view.now(); }
  function keep() { view.remember({ pack: pack.value.trim(), stale: stale.value, gone: gone.checked ? "1" : "", sort: order.by === "Matched" ? "" : order.by, up: order.up ? "1" : "" }); }

  function shown(all) {
    if (!all.rules.length) return [empty(stale.value ? "Every rule has matched in this time." : "There is no rule here.")];
    const pairs = all.rules.filter((r) => r.vetoed_mostly && r.vetoed_mostly.by.includes("/")); // not an operator
    const never = all.rules.filter((r) => !timed(r.last_matched) && r.mode !== "gone");
    const failed = all.rules.filter((r) => r.failed > 0);
    return [el("div", { class: "stack" },
      pairs.length > 0 && notice("wait", count(pairs.length, "pair of rules mostly cancels", "pairs of rules mostly cancel") + " each other",
        el("p", { class: "soft small" }, "Both do what they are written for; together they do nothing. Give one of them a narrower where, or remove it."),
        el("ul", { class: "points", id: "pairs" }, pairs.slice(0, maxPairs).map((r) => el("li", null,
          el("strong", null, r.pack + "/" + r.rule), " requested " + count(r.reads, "read") + ", " + number(r.vetoed_mostly.reads) + " vetoed by ",
          el("strong", null, r.vetoed_mostly.by), r.vetoed_mostly.place && el("span", { class: "soft small" }, " " + r.vetoed_mostly.place)))),
        pairs.length > maxPairs && el("p", { class: "soft small" }, "and " + number(pairs.length - maxPairs) + " more")),
      el("p", { class: "soft" }, count(all.rules.length, "rule") + ", " + (never.length ? number(never.length) + " never matched" : "all have matched") + (failed.length ? ", " + number(failed.length) + " failed" : "") + ". Counted since ", moment(all.since), "."),
      table({
        label: "Rules and what they did", rows: all.rules, order, key: (r) => r.pack + "/" + r.rule,
        onSort: (by) => { order = nextOrder(order, by, ruleTexts); keep(); view.render(shown(last)); },
        columns: [
          { name: "Rule", head: true, sort: (r) => r.pack + "/" + r.rule, cell: (r) => [ruleName(r.pack, r.rule), r.place && el("div", { class: "soft small mono" }, r.place), details(r)] },
          { name: "Mode", sort: (r) => r.mode, cell: (r) => badge(r.mode) },
          { name: "Last match", sort: (r) => (timed(r.last_matched) ? Date.parse(r.last_matched) : 0), cell: (r) => (timed(r.last_matched) ? moment(r.last_matched) : [badge("never", "wait", "It has not matched since it is counted"), el("div", { class: "soft small" }, "since ", moment(r.since))]) },
          { name: "Matched", number: true, sort: (r) => r.matched, cell: (r) => number(r.matched), title: "Events on which its where held" },
          { name: "Requested", number: true, sort: (r) => r.requested, cell: (r) => number(r.requested), title: "Requests of its handler, of every kind" },
          { name: "Read", number: true, sort: (r) => r.read, cell: (r) => number(r.read), title: "Its reads for which a call succeeded" },
          { name: "Vetoed", number: true, sort: (r) => r.vetoed, cell: (r) => number(r.vetoed), title: "Its reads that a veto or a hold dropped" },
          { name: "Superseded", number: true, sort: (r) => r.superseded, cell: (r) => number(r.superseded), title: meanings.superseded },
          { name: "Failed", number: true, sort: (r) => r.failed, cell: (r) => (r.failed ? el("span", { class: "badge bad" }, number(r.failed)) : "0"), title: "Events on which its handler failed, and has not succeeded since" },
          { name: "Cost, ms", number: true, sort: (r) => r.took_us, cell: (r) => cost(r), title: "Time of its runs in total, and of one run" },
        ],
      }))];
  }
}

// cost shows the time of a rule in total, and of one run.
function cost(r) {
  if (!r.ran) return "–";
  return [number(Math.round(r.took_us / 1000)), el("div", { class: "soft small" }, (r.took_us / r.ran / 1000).toFixed(2) + " a run")];
}

// details unfolds the rest of what is known of a rule.
function details(r) {
  const parts = [
    r.stopped > 0 && ["It vetoed", count(r.stopped, "read")],
    (r.vetoes || []).length > 0 && ["Vetoed by", el("ul", { class: "plainlist" }, r.vetoes.map((v) => el("li", null, v.by + ": " + number(v.reads), v.place && el("span", { class: "soft" }, " " + v.place))))],
    r.actions > 0 && ["Other actions", number(r.actions)],
    r.dead > 0 && ["Dead reads", number(r.dead)],
    r.ended > 0 && ["Dropped otherwise", number(r.ended)],
    r.shadow && ["In shadow", "matched " + number(r.shadow.matched) + ", requested " + number(r.shadow.requested) + ", failed " + number(r.shadow.failed)],
    r.ran > 0 && ["Lua steps a run", number(Math.round(r.steps / r.ran))],
    r.last_failure && ["Last failure", [moment(r.last_failure.at), r.last_failure.event && [" ", el("a", { href: "#/chat/" + encodeURIComponent(r.last_failure.event) }, "explain")], el("div", { class: "block" }, r.last_failure.error || "")]],
  ].filter(Boolean);
  if (!parts.length) return null;
  return el("details", { "data-key": "rule " + r.pack + "/" + r.rule }, el("summary", null, "more"), facts(...parts));
}
