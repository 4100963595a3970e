// waitingView shows what waits and for what, with the filters of chertd waiting.
function waitingView(view, args) {
  const where = el("input", { id: "waiting-where", type: "search", placeholder: "line=+14155550100 for=postponed", autocomplete: "off", spellcheck: "false", change: reload });
  where.value = args.getAll("where").join(" ");
  view.head("Waiting", "Reads and other actions that wait, and for what.");
  view.filters(reload,
    el("label", { class: "field" }, el("span", null, "Choose by KEY=VALUE: chat, line, pack, rule, kind, due, for"), where));
  view.poll(5, (signal) => get("/waiting" + query({ where: pairs(), limit: 100 }), signal), shown);

  function reload() { view.remember({ where: pairs() }); view.now(); }

  // pairs splits the filter before each KEY=, so that values may have spaces.
  function pairs() { return where.value.trim().split(/\s+(?=[a-z_]+=)/).filter(Boolean); }

  function shown(w) {
    const chosen = pairs();
    if (!w.matched) return [empty(chosen.length ? "Nothing that matches waits." : "Nothing waits.")];
    const counts = (title, all, link) => el("div", null, el("h2", { class: "small" }, title), el("ul", { class: "row" }, all.map((c) => el("li", null, link(c), " ", el("span", { class: "soft small" }, number(c.count))))));
    return [el("div", { class: "stack" },
      el("section", { class: "card stack tight" },
        el("div", { class: "head" },
          el("p", null, el("strong", null, count(w.matched, "action") + " in " + count(w.chats, "chat")), w.partial && el("span", { class: "soft" }, ", of the " + number(w.examined_chats) + " chats whose calls are due next")),
          chosen.length > 0 && el("div", { class: "row" }, change("now", "Make all due …", { where: chosen }, w), change("cancel", "Cancel all …", { where: chosen }, w))),
        counts("For", w.for, (c) => el("span", { class: "badge wait", title: meanings[c.name] }, c.name)),
        counts("By pack", w.packs, (c) => el("a", { href: "#/waiting" + query({ where: "pack=" + c.name }) }, c.name || "operator")),
        noToken()),
      table({
        label: "What waits, due first", rows: w.waiting, key: (a) => a.id, columns: [
          { name: "Due", time: true, cell: (a) => moment(a.due, true) },
          { name: "Chat", head: true, cell: (a) => [chatLink(a.chat, true), a.line && el("div", { class: "soft small whole" }, a.line)] },
          { name: "Action", cell: (a) => a.kind },
          { name: "Waits for", cell: (a) => [el("span", { class: "badge wait", title: meanings[a.for] }, a.for), timed(a.until) && [" until ", moment(a.until, true)], a.by && el("div", { class: "soft small" }, "by " + a.by)] },
          { name: "Rule", cell: (a) => [ruleName(a.pack, a.rule, a.place), a.reason && el("div", { class: "soft small" }, a.reason)] },
          { name: "Attempts", number: true, cell: (a) => number(a.attempts) },
          ...(mayChange() ? [{ name: "Actions", wide: true, cell: (a) => el("div", { class: "row" }, change("now", "Now …", { ids: [a.id] }, w, a), change("cancel", "Cancel …", { ids: [a.id] }, w, a)) }] : []),
        ],
      }),
      w.matched > w.waiting.length && el("p", { class: "soft" }, "and " + count(w.matched - w.waiting.length, "other") + ", due later"))];
  }

  function change(verb, label, what, w, one) {
    const names = one ? one.kind + " of " + (one.pack ? one.pack + "/" : "") + one.rule + " in chat " + one.chat : count(w.matched, "action") + " in " + count(w.chats, "chat") + " that match " + pairs().join(" ");
    return actButton(label, verb + " " + (one ? one.id : "all"), () => ({
      title: verb === "now" ? "Make it due now?" : "Cancel it?", danger: verb === "cancel", go: verb === "now" ? "Make due" : "Cancel the " + (one ? "action" : "actions"),
      text: [el("p", null, names + "."), el("p", { class: "soft" }, verb === "now" ? "Its delay or postponement ends. Vetoes, holds, pauses and the rate still apply. A read marks the whole chat as read." : "It is dropped as cancelled_by_operator, and does not return.")],
      run: async () => {
        const sum = { done: 0, too_late: 0, changed: 0, held: 0 };
        let after;
        do {
          const r = await post("/waiting/" + verb, { ...what, ...(what.where ? { through: w.through, ...(w.partial ? { confirm: true } : { expect: w.matched }) } : {}), after });
          for (const k of Object.keys(sum)) sum[k] += r[k];
          after = r.next;
        } while (after);
        return count(sum.done, "action") + (verb === "now" ? (sum.done === 1 ? " is due." : " are due.") : " cancelled.") + (sum.too_late ? " Too late for " + number(sum.too_late) + "." : "") + (sum.held ? " " + number(sum.held) + " held." : "") + (sum.changed ? " " + number(sum.changed) + " have changed meanwhile." : "");
      }, done: view.now,
    }));
  }
}
