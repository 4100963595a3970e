// deadView shows actions that Chert refused or that failed for a day, to retry or drop.
function deadView(view, args) {
  const input = (name, label) => {
    const i = el("input", { id: "dead-" + name, type: "search", placeholder: "all", autocomplete: "off", spellcheck: "false", change: reload });
    i.value = args.get(name) || "";
    return [i, el("label", { class: "field" }, el("span", null, label), i)];
  };
  const [chat, chatField] = input("chat", "Chat"), [pack, packField] = input("pack", "Pack"), [code, codeField] = input("code", "Code");
  view.head("Dead letters", "Actions that Chert refused, or that failed for a day. They stay until they are retried or dropped.");
  view.filters(reload, chatField, packField, codeField);
  view.poll(10, (signal) => get("/dead" + query({ ...chosen(), limit: 100, attempts: 1 }), signal), shown);

  function chosen() { return { chat: chat.value.trim(), pack: pack.value.trim(), code: code.value.trim() }; }
  function reload() { view.remember(chosen()); view.now(); }

  function shown(d) {
    const c = chosen(), some = c.chat || c.pack || c.code;
    const what = some ? { chat: c.chat || undefined, pack: c.pack || undefined, code: c.code ? Number(c.code) : undefined } : { all: true };
    const missed = (d.missed || []).map((m) => notice("wait", null, "Pack " + m.pack + " missed " + count(m.events, "event") + " since ", moment(m.since), ". ", el("a", { href: "#/packs" }, "Packs")));
    if (!d.total) return [el("div", { class: "stack" }, missed, empty(some ? "No dead action matches." : "Nothing is dead."))];
    return [el("div", { class: "stack" }, missed,
      el("section", { class: "card stack tight" },
        el("div", { class: "head" }, el("p", null, el("strong", null, count(d.total, "dead action"))),
          el("div", { class: "row" }, retry(what, d.total, "Retry all …", "retry all"), drop(what, d.total, "Drop all …", "drop all"))),
        el("ul", { class: "plainlist small" }, d.groups.map((g) => el("li", null, (g.http ? "HTTP " + g.http : "no answer") + (g.code ? ", code " + g.code : "") + ": " + number(g.count)))),
        noToken()),
      table({
        label: "Dead actions, the newest first", rows: d.dead, key: (a) => a.id, columns: [
          { name: "Died", time: true, cell: (a) => moment(a.died) },
          { name: "Chat", head: true, cell: (a) => chatLink(a.chat, true) },
          { name: "Action", cell: (a) => [a.kind, " ", badge(a.why, "bad")] },
          { name: "Rule", cell: (a) => [ruleName(a.pack, a.rule, a.place), a.reason && el("div", { class: "soft small" }, a.reason)] },
          { name: "Last answer", cell: (a) => [el("div", null, (a.http ? "HTTP " + a.http : "none") + (a.code ? ", code " + a.code : "")), a.error && el("div", { class: "small lines" }, a.error), a.trace_id && !(a.error || "").includes(a.trace_id) && el("div", { class: "soft small" }, "trace " + a.trace_id), attempts(a)] },
          ...(mayChange() ? [{ name: "Actions", wide: true, cell: (a) => el("div", { class: "row" }, retry({ ids: [a.id] }, 1, "Retry …", "retry " + a.id, a), drop({ ids: [a.id] }, 1, "Drop …", "drop " + a.id, a)) }] : []),
        ],
      }),
      d.total > d.dead.length && el("p", { class: "soft" }, "and " + number(d.total - d.dead.length) + " older ones"))];
  }

  function attempts(a) {
    const all = a.failed_attempts || [];
    if (!all.length) return null;
    return el("details", { "data-key": "attempts " + a.id }, el("summary", null, count(a.attempts, "attempt")), el("ol", { class: "plainlist small" }, all.map((t) => el("li", null, t.n + ". ", moment(t.at, true), " " + (t.http ? "HTTP " + t.http : "no answer") + (t.code ? ", code " + t.code : "") + (t.error ? ": " + t.error : "")))));
  }

  function names(n, one) { return one ? "The " + one.kind + " of " + one.pack + "/" + one.rule + " in chat " + one.chat : count(n, "dead action"); }

  function retry(what, n, label, key, one) {
    return actButton(label, key, () => ({
      title: one ? "Retry it?" : "Retry " + count(n, "dead action") + "?", go: "Retry",
      text: [el("p", null, names(n, one) + " waits to be called again, unless what has happened since ends it: a veto, a hold, a newer message.")],
      check: one ? undefined : async () => {
        const r = await post("/dead/retry", { ...what, dry_run: true });
        return number(r.waiting) + " of " + count(n, "action") + " would wait to be called again." + rest(r);
      },
      run: async () => {
        const r = await post("/dead/retry", what);
        return count(r.waiting, "action waits", "actions wait") + " again." + rest(r);
      }, done: view.now,
    }));
  }

  // rest says what became of those that are not called again.
  function rest(r) {
    const all = [...Object.entries(r.dropped || {}), ...Object.entries(r.stay || {}).map(([k, v]) => ["stays dead, " + k, v])].map(([k, v]) => k + " " + number(v));
    return (r.blocked ? " Blocked: " + number(r.blocked) + "." : "") + (all.length ? " Not called: " + all.join(", ") + "." : "") + (r.not_dead ? " " + number(r.not_dead) + " not dead any more." : "");
  }

  function drop(what, n, label, key, one) {
    return actButton(label, key, () => ({
      title: one ? "Drop it?" : "Drop " + count(n, "dead action") + "?", go: "Drop", danger: true,
      text: [el("p", null, names(n, one) + " ends as discarded, and is never called.")],
      run: async () => { const r = await post("/dead/drop", what); return count(r.dropped, "action") + " dropped." + (r.not_dead ? " " + number(r.not_dead) + " not dead any more." : ""); }, done: view.now,
    }));
  }
}
