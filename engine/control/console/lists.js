// listsView shows the lists that rules look senders and chats up in.
function listsView(view, args, name) {
  if (name) {
    view.head("List " + name, null);
    view.fixed(el("p", null, el("a", { href: "#/lists" }, "All lists")));
    view.poll(10, async (signal) => {
      const path = "/lists/" + encodeURIComponent(name);
      return { list: await get(path + "?limit=200", signal), history: await get(path + "/history?limit=20", signal) };
    }, ({ list, history }) => [el("div", { class: "stack" },
      el("p", { class: "soft" }, count(list.members, "member") + ", version " + number(list.version) + (list.writable ? "" : ", changed in chertd.yaml only")),
      list.shown.length ? table({ label: "Members of " + name, rows: list.shown, columns: [
        { name: "Member", head: true, cell: (m) => m.member }, { name: "Since", time: true, cell: (m) => moment(m.since) }, { name: "Until", time: true, cell: (m) => moment(m.until) },
        { name: "By", cell: (m) => m.by }, { name: "Reason", cell: (m) => m.reason },
      ] }) : empty("The list has no members."),
      list.more && el("p", { class: "soft" }, "and more: see chertd list " + name),
      (history.changes || []).length > 0 && [el("h2", null, "Newest changes"), table({ label: "Changes of " + name, rows: history.changes, columns: [
        { name: "Time", time: true, cell: (c) => moment(c.at) }, { name: "Member", head: true, cell: (c) => c.member }, { name: "Change", cell: (c) => c.action }, { name: "By", cell: (c) => c.by }, { name: "Reason", cell: (c) => c.reason },
      ] })])]);
    return;
  }
  view.head("Lists", "Lists that rules look senders and chats up in.");
  view.poll(10, (signal) => get("/lists", signal), ({ lists }) => [(lists || []).length ? table({ label: "Lists", rows: lists, columns: [
    { name: "List", head: true, cell: (l) => el("a", { href: "#/lists/" + encodeURIComponent(l.name) }, l.name) },
    { name: "Members", number: true, cell: (l) => number(l.members) }, { name: "Version", number: true, cell: (l) => number(l.version) },
    { name: "Changed by", cell: (l) => (l.writable ? "commands" : "nobody: it is not writable") },
  ] }) : empty("There are no lists.")]);
}
