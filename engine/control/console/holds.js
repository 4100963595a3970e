// holdsView shows chats and lines that are held or postponed.
function holdsView(view) {
  view.head("Holds", "Chats and lines that stay unread for a time, whichever pack requests a read.",
    el("div", { class: "row" }, holdButton(view, ""), actButton("Hold a line …", "hold line", () => ({
      title: "Hold a line", go: "Hold the line", danger: true,
      text: [el("p", null, "All chats of the line stay unread, also those that come later. Their waiting reads are dropped and do not return.")],
      fields: [
        { name: "line", label: "Phone line", placeholder: "+14155550100", required: true },
        { name: "for", label: "For how long", value: "2h" }, { name: "reason", label: "Reason, for records" }, { name: "by", label: "Your name, for records" },
      ],
      check: async (v) => {
        const h = await post("/hold", { ...lineHold(v), dry_run: true });
        return "It would hold " + count(h.known_chats, "known chat") + " until " + new Date(h.until).toLocaleString() + ", and drop what waits in " + number(h.waiting_chats) + " of them.";
      },
      run: async (v) => {
        const h = await post("/hold", lineHold(v));
        return "Held: " + h.where + ". " + count(h.known_chats, "known chat") + ", reads were waiting in " + number(h.waiting_chats) + ".";
      }, done: view.now,
    }))));
  view.onStatus((s) => {
    const held = s.holds || { total: 0, first: [] }, late = s.postponed || { total: 0, first: [] }, selections = s.held_selections || [];
    return [el("div", { class: "stack" }, noToken(),
      selections.length > 0 && [el("h2", null, "Held lines and selections"), table({
        label: "Held selections", rows: selections, columns: [
          { name: "Selection", head: true, cell: (h) => h.where },
          { name: "Until", time: true, cell: (h) => moment(h.until) },
          { name: "By", cell: (h) => h.by }, { name: "Reason", cell: (h) => h.reason },
          ...(mayChange() ? [{ name: "Actions", wide: true, cell: (h) => actButton("Release …", "release " + h.id, () => ({
            title: "End this hold?", go: "Release", text: [el("p", null, "Chats of " + h.where + " can be read again. Dropped reads do not return.")],
            run: async () => { const r = await post("/release", { id: h.id }); return count(r.ended.length, "hold") + " ended."; }, done: view.now,
          })) }] : []),
        ],
      })],
      el("h2", null, "Held chats", held.total > 0 && el("span", { class: "soft" }, " " + number(held.total))),
      held.first.length ? table({
        label: "Held chats", rows: held.first, key: (h) => h.chat, columns: [
          { name: "Chat", head: true, cell: (h) => chatLink(h.chat) },
          { name: "Until", time: true, cell: (h) => moment(h.until) },
          { name: "By", cell: (h) => h.by }, { name: "Reason", cell: (h) => h.reason },
          ...(mayChange() ? [{ name: "Actions", wide: true, cell: (h) => releaseButton(view, h.chat, h) }] : []),
        ],
      }) : empty("No chat is held."),
      held.total > held.first.length && el("p", { class: "soft" }, "and " + number(held.total - held.first.length) + " more, whose holds end before these"),
      late.first.length > 0 && [el("h2", null, "Postponed reads", el("span", { class: "soft" }, " " + number(late.total))), table({
        label: "Chats with postponed reads", rows: late.first, columns: [
          { name: "Chat", head: true, cell: (h) => chatLink(h.chat) }, { name: "Until", time: true, cell: (h) => moment(h.until) },
          { name: "By", cell: (h) => h.by }, { name: "Reason", cell: (h) => h.reason },
        ],
      })])];
  });
}

// lineHold is the request for a hold of a line.
function lineHold(v) { return { where: ["line=" + v.line], for: v.for || undefined, reason: v.reason || undefined, by: v.by || undefined }; }

// holdButton holds a chat; chat is "" where it is still to be named.
function holdButton(view, chat) {
  return actButton(chat ? "Hold …" : "Hold a chat …", "hold", () => ({
    title: chat ? "Hold chat " + chat + "?" : "Hold a chat", go: "Hold",
    text: [el("p", null, "The chat stays unread until the hold ends. Its waiting reads are dropped and do not return.")],
    fields: [
      ...(chat ? [] : [{ name: "chat", label: "Chat", required: true }]),
      { name: "for", label: "For how long", value: "24h", hint: "such as 2h or 3d" }, { name: "reason", label: "Reason, for records" },
    ],
    run: async (v) => {
      const h = await post("/hold", { chat: chat || v.chat, for: v.for || undefined, reason: v.reason || undefined });
      return "Chat " + h.chat + " is held until " + new Date(h.until).toLocaleString() + (h.longer ? ", by a hold that ends later" : "") + ". " + count(h.dropped_reads, "waiting read") + " dropped." + (h.in_flight ? " A call was in flight already." : "");
    }, done: view.now,
  }));
}

function releaseButton(view, chat, h) {
  return actButton("Release …", "release " + chat, () => ({
    title: "Release the chat?", go: "Release", text: [el("p", null, "The hold of chat " + chat + " by " + h.by + " ends. Dropped reads do not return.")],
    run: async () => {
      const r = await post("/release", { chat });
      return (r.held ? "Chat " + chat + " is released." : "Chat " + chat + " was not held.") + (r.still_held ? " It is still held with its line." : "");
    }, done: view.now,
  }));
}
