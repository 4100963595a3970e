// quarantineView shows deliveries with a valid signature that could not be understood.
function quarantineView(view, args) {
  const bodies = el("input", { type: "checkbox", id: "quarantine-bodies", checked: args.get("bodies") === "1", change: () => { view.remember({ bodies: bodies.checked ? "1" : "" }); view.now(); } });
  view.head("Quarantine", "Deliveries with a valid signature that could not be understood. None is lost.");
  view.fixed(el("p", { class: "row" }, el("label", { class: "check" }, bodies, "Show what they contain")));
  view.poll(10, (signal) => get("/quarantine" + query({ limit: 50, bodies: bodies.checked ? "1" : "" }), signal), (q) => {
    if (!q.total) return [empty("The quarantine is empty.")];
    return [el("div", { class: "stack" },
      el("section", { class: "card head" }, el("p", null, el("strong", null, count(q.total, "delivery", "deliveries"))),
        el("div", { class: "row" }, retry({ all: true }, q.total, "Retry all …", "retry all"), drop({ all: true }, q.total, "Drop all …", "drop all"), noToken())),
      table({
        label: "Deliveries in quarantine, the newest first", rows: q.quarantine, key: (d) => d.id, columns: [
          { name: "Received", time: true, cell: (d) => moment(d.received, true) },
          { name: "Source", cell: (d) => d.source },
          { name: "Reason", head: true, cell: (d) => [el("span", { class: "lines" }, d.reason), d.body !== undefined && el("div", { class: "block" }, d.body), d.body_base64 && el("div", { class: "block" }, "base64: " + d.body_base64)] },
          { name: "Size", number: true, cell: (d) => bytes(d.bytes) + (d.truncated ? ", cut" : "") },
          ...(mayChange() ? [{ name: "Actions", wide: true, cell: (d) => el("div", { class: "row" }, retry({ ids: [d.id] }, 1, "Retry …", "retry " + d.id), drop({ ids: [d.id] }, 1, "Drop …", "drop " + d.id)) }] : []),
        ],
      }),
      q.total > q.quarantine.length && el("p", { class: "soft" }, "and " + number(q.total - q.quarantine.length) + " older ones"))];
  });

  function retry(what, n, label, key) {
    return actButton(label, key, () => ({
      title: "Take " + count(n, "delivery", "deliveries") + " in again?", go: "Retry",
      text: [el("p", null, "What is understood now is handled as an event, once. The rest stays in quarantine.")],
      run: async () => {
        const r = await post("/quarantine/retry", what);
        return count(r.events, "delivery is an event", "deliveries are events") + " now, " + number(r.known) + " were known, " + number(r.stay) + " stay." + ((r.still || []).length ? " " + r.still[0].reason : "");
      }, done: view.now,
    }));
  }

  function drop(what, n, label, key) {
    return actButton(label, key, () => ({
      title: "Drop " + count(n, "delivery", "deliveries") + "?", go: "Drop", danger: true,
      text: [el("p", null, "What they contain is deleted, and no rule sees it.")],
      run: async () => { const r = await post("/quarantine/drop", what); return count(r.dropped, "delivery", "deliveries") + " dropped."; }, done: view.now,
    }));
  }
}
