// packsView shows the packs: versions, edits that are not live with their diagnostics, and
// how what runs in shadow compares.
function packsView(view) {
  const found = new Map(); // differences by pack, once they were asked for
  const cards = new Map(); // card by pack, and what it shows
  const list = el("div", { class: "stack" });
  const readOnly = noToken();
  view.head("Packs", "Which version of each pack is live, and which edits are not.",
    el("div", { class: "row" }, actButton("Reload …", "reload", () => ({
      title: "Reload the rules directory?", text: [el("p", null, "chertd reads all files now. What passes its checks and specs goes live.")], go: "Reload",
      run: async () => {
        const r = await post("/reload");
        const live = (r.live || []).map((e) => e.pack + " " + e.version.slice(0, 8));
        return live.length ? "Live now: " + live.join(", ") : "Nothing has changed.";
      }, done: view.now,
    }))));
  view.poll(5, (signal) => get("/packs", signal), shown);

  function shown({ packs }) {
    if (!packs.length) return [empty("No pack is loaded.")];
    for (const name of cards.keys()) if (!packs.some((p) => p.name === name)) cards.delete(name);
    fit(list, [readOnly, ...[...packs].sort((a, b) => urgency(b) - urgency(a)).map(packCard)].filter(Boolean));
    return [list];
  }

  // packCard returns the card of a pack. One in which nothing has changed stays as it is: to
  // make hundreds of them would take a browser a second, every few seconds.
  function packCard(p) {
    const card = cards.get(p.name) || { article: el("article", { class: "card stack tight pack", id: "pack-" + p.name, "data-pack": p.name }) };
    const shows = JSON.stringify([p, found.get(p.name), new Date(Date.now() + ahead).toDateString()]); // times of today have no day
    if (card.shows !== shows) renew(card.article, ...packParts(p));
    card.shows = shows;
    cards.set(p.name, card);
    return card.article;
  }

  // urgency puts first what somebody must look at, and leaves the order of the others.
  function urgency(p) {
    return p.blocked ? 3 : p.not_live || p.unread || p.unknown ? 2 : (p.suspended || []).length || p.missed || p.gone ? 1 : 0;
  }

  function packParts(p) {
    const bad = p.blocked || p.not_live || p.unread || p.unknown || (p.suspended || []).length > 0 || (p.diagnostics || []).length > 0 || p.missed > 0;
    return [
      el("div", { class: "head" },
        el("div", { class: "row" }, el("h2", null, p.name), badge(p.mode + (p.share ? " " + p.share : ""), tones[p.mode], meanings[p.mode]),
          p.blocked && badge("blocks reads", "bad"), p.not_live && badge("edit not live", "bad"), p.pinned && badge("pinned", "wait", "Edits do not go live until the pin ends"), p.gone && badge("files are gone", "wait"), p.candidate && badge("candidate", "info")),
        el("div", { class: "row" }, packActions(p))),
      el("div", { class: "row small soft" },
        el("code", null, p.path || "no files"),
        p.version ? el("span", null, "version ", el("code", null, p.version.slice(0, 8)), " live since ", moment(p.since)) : el("span", null, "no version is live"),
        el("a", { href: "#/rules" + query({ pack: p.name }) }, count(p.rules, "rule")),
        el("span", null, count(p.events, "event")),
        p.failures > 0 && badge(count(p.failures, "failure"), "bad"),
        el("span", null, "mode by " + p.mode_by), p.mode_hint && el("span", null, p.mode_hint)),
      bad && trouble(p),
      (p.switches || []).length > 0 && el("ul", { class: "plainlist small" }, p.switches.map((s) => el("li", null, badge(s.mode), " " + (s.rule ? "rule " + s.rule : "the pack") + " by command", s.by && " of " + s.by, timed(s.until) && [", until ", moment(s.until)], s.reason && ": " + s.reason, s.no_rule && " (the live version has no such rule)"))),
      p.comparison && compared(p),
      p.change && changed(p.change),
      (p.versions || []).length > 0 && versions(p),
    ];
  }

  function trouble(p) {
    return el("div", { class: "stack tight" },
      p.blocked && notice("bad", "It blocks reads", el("p", { class: "lines" }, "Since ", moment(p.blocked.since), ": " + p.blocked.why + ". " + count(p.blocked.reads, "read") + " blocked, " + count(p.blocked.events, "event") + " missed."), el("ul", { class: "points small" }, (p.blocked.fix || []).map((f) => el("li", null, f)))),
      p.not_live && el("div", { class: "notice bad", "data-not-live": p.name }, el("h3", null, "The files are not live: " + p.not_live),
        el("p", { class: "soft small" }, p.version ? "Version " + p.version.slice(0, 8) + " stays live." : "No earlier version is live."),
        (p.diagnostics || []).length > 0 && diagnosed(p.diagnostics),
        p.edit && edited(p)),
      !p.not_live && (p.diagnostics || []).length > 0 && notice("wait", "Findings", diagnosed(p.diagnostics)),
      p.unread && notice("bad", "The rules directory can't be read", el("p", null, "The live version stays live.")),
      p.unknown && notice("bad", "Not all is known", el("p", { class: "lines" }, p.unknown)),
      (p.suspended || []).length > 0 && notice("bad", "Suspended", el("ul", { class: "plainlist small" }, p.suspended.map((s) => el("li", null, el("strong", null, s.rule || "all rules"), s.scope === "one_chat" ? [" in chat ", chatLink(s.chat, true)] : s.scope === "no_chat" ? " for events without a chat" : " in all chats", s.probing ? ", the next event tries it" : [" until ", moment(s.until, true)], ": ", el("span", { class: "lines" }, s.why)))), p.suspended_hint && el("p", { class: "hint" }, "hint: " + p.suspended_hint)),
      p.missed > 0 && el("p", { class: "small" }, "It missed " + count(p.missed, "event") + (p.missed_earlier ? ", " + number(p.missed_earlier) + " of them more than an hour ago: these run only by retry-errors" : "") + "."));
  }

  function compared(p) {
    const c = p.comparison;
    const kinds = [["failed_live", "only the live version failed"], ["failed_candidate", "only the version in shadow failed"], ["veto", "a veto differs"], ["read_live", "only the live version reads"], ["read_candidate", "only the version in shadow reads"], ["time", "the same, at another time"], ["other", "something else differs"]].filter(([k]) => c[k] > 0);
    const d = found.get(p.name);
    return el("div", { class: "notice" }, el("h3", null, "In shadow: " + c.version.slice(0, 8) + " against " + (c.against ? c.against.slice(0, 8) : "what became of the chats")),
      el("p", null, count(c.events, "event") + (timed(c.since) ? " since " : ""), timed(c.since) && moment(c.since), ": " + number(c.agreed) + " agree, " + number(c.differ) + " differ"),
      kinds.length > 0 && el("ul", { class: "points small" }, kinds.map(([k, words]) => el("li", null, words + ": " + number(c[k])))),
      p.candidate && el("p", { class: "small" }, "The candidate has " + count(p.candidate.rules, "rule") + " and ran on " + count(p.candidate.events, "event") + ", with " + count(p.candidate.failures, "failure") + "." + (p.candidate.not_running ? " It does not run: " + p.candidate.not_running : "")),
      c.differ > 0 && el("button", { type: "button", "data-key": "differences " + p.name, click: () => differences(p.name) }, d ? "Refresh the differences" : "Show the differences"),
      d && differing(d));
  }

  async function differences(pack) {
    try {
      found.set(pack, await get("/packs/" + encodeURIComponent(pack) + "/differences?limit=20"));
    } catch (e) {
      announce(e.message + (e.hint ? ". " + e.hint : ""));
    }
    view.now();
  }

  function differing(d) {
    if (!d.events.length) return el("p", { class: "soft small" }, "The store keeps none of these events any more.");
    const asked = (all) => el("ul", { class: "points" }, all.map((r) => [r.asked && r.asked.length ? r.asked : [r.error ? "failed: " + r.error : r.skipped ? "did not run: " + r.skipped : "nothing"]].flat().map((a) => el("li", null, r.rule + ": " + a))));
    return table({
      label: "Differences of pack " + d.pack, rows: d.events, columns: [
        { name: "Time", time: true, cell: (e) => moment(e.at, true) },
        { name: "Event", head: true, cell: (e) => [el("a", { href: "#/chat/" + encodeURIComponent(e.event) }, e.type), " ", chatLink(e.chat, true)] },
        { name: "Difference", cell: (e) => badge(e.result) },
        { name: "Live", cell: (e) => (e.live && e.live.length ? asked(e.live) : (e.reads || []).join(", ") || "nothing") },
        { name: "In shadow", cell: (e) => (e.candidate && e.candidate.length ? asked(e.candidate) : "nothing") },
      ],
    });
  }

  function packActions(p) {
    const path = "/packs/" + encodeURIComponent(p.name);
    return [
      actButton("Mode …", "mode " + p.name, () => ({
        title: "Mode of pack " + p.name, go: "Set the mode",
        text: [el("p", null, "It is " + p.mode + " now. Off and shadow cancel what the pack has pending, unless you keep it.")],
        fields: [
          { name: "mode", label: "Mode", value: p.mode, options: [["live", "live: " + meanings.live], ["shadow", "shadow: recorded only"], ["off", "off: it does not run"], ["reset", "reset: as the files say"]] },
          { name: "for", label: "For how long", placeholder: "until another command", hint: "such as 1h or 2d" },
          { name: "reason", label: "Reason, for records" },
          { name: "keep", label: "Keep what is pending", type: "checkbox" },
        ],
        run: async (v) => {
          const body = v.mode === "reset" ? { reset: true } : { mode: v.mode, for: v.for || undefined };
          const r = await post(path + "/mode", { ...body, reason: v.reason || undefined, keep_pending: v.keep || undefined });
          return "Pack " + p.name + " is " + r.mode + "." + droppedText(r.dropped);
        }, done: view.now,
      })),
      ((p.versions || []).length > 1 || p.pinned) && actButton("Roll back …", "rollback " + p.name, () => ({
        title: "Roll back pack " + p.name + "?", go: "Roll back", danger: true,
        text: [el("p", null, "The version that you choose is live immediately, without checks and specs. What the live version has pending is cancelled, unless you keep it.")],
        fields: [
          { name: "version", label: "Version", value: "", options: [...(p.pinned ? [["undo", "undo: make the files live again"]] : []), ["", "the one before the live one"], ...(p.versions || []).filter((v) => v.version !== p.version).map((v) => [v.version, v.version.slice(0, 8) + ", last live " + v.last.slice(0, 16).replace("T", " ") + " UTC"])] },
          { name: "pin", label: "Stay on it, even when the files change", type: "checkbox" },
          { name: "keep", label: "Keep what is pending", type: "checkbox" },
        ],
        run: async (v) => {
          const r = await post(path + "/rollback", v.version === "undo" ? { undo: true } : { version: v.version || undefined, pin: v.pin || undefined, keep_pending: v.keep || undefined });
          return "Pack " + p.name + ": version " + (r.version || "none").slice(0, 8) + " is live." + droppedText(r.dropped);
        }, done: view.now,
      })),
      p.missed > 0 && actButton("Run missed events …", "retry " + p.name, () => ({
        title: "Run events through pack " + p.name + " again?", go: "Run them",
        text: [el("p", null, "Events that the pack failed on or missed run through it: " + number(p.missed) + " are missed now. Reads that were blocked because of them go out or are vetoed.")],
        fields: [{ name: "since", label: "Not older than", value: "24h" }],
        check: async (v) => {
          const r = await post(path + "/retry-errors", { since: v.since || undefined, dry_run: true });
          return count(r.events, "event") + (r.more ? " (and more)" : "") + " would run, " + number(r.older) + " are older and stay.";
        },
        run: async (v) => {
            let r = await post(path + "/retry-errors", { since: v.since || undefined });
            if (!r.ended) r = await get(path + "/retry-errors?wait=5s");
            return (r.error ? "Ended early: " + r.error + ". " : r.ended ? "Done: " : "Running: ") + number(r.ran) + " of " + count(r.events, "event") + " ran, " + number(r.failed) + " failed again.";
        }, done: view.now,
      })),
      p.candidate && actButton("End the candidate …", "candidate " + p.name, () => ({
        title: "End the candidate of pack " + p.name + "?", go: "End it", text: [el("p", null, "Version " + p.candidate.version.slice(0, 8) + " no longer runs beside the live one.")],
        run: async () => { const r = await ask("DELETE", path + "/candidate"); return "The candidate has ended." + droppedText(r.dropped); }, done: view.now,
      })),
      p.gone && actButton("Remove …", "remove " + p.name, () => ({
        title: "Remove pack " + p.name + "?", go: "Remove", danger: true, text: [el("p", null, "Its files are gone. Its rules stop, and what it has pending is cancelled.")],
        run: async () => { const r = await ask("DELETE", path); return "Pack " + p.name + " is removed." + droppedText(r.dropped); }, done: view.now,
      })),
    ];
  }
}

// own reports whether an object of the daemon's answer has a name.
function own(object, name) { return Boolean(object) && Object.hasOwn(object, name); }

const diffNotes = { __proto__: null, not_text: "It is not text.", too_large: "It is too large to compare.", cut: "There are more lines." };

// edited shows the lines that an edit which is not live changes.
function edited(p) {
  return el("details", { "data-key": "edit " + p.name, open: true }, el("summary", null, "What the files change"),
    el("div", { class: "stack tight" }, p.edit.files.map((f) => [
      el("p", { class: "small" }, el("code", null, f.file), " ", badge(f.change)),
      (f.diff || []).length > 0 && el("div", { class: "block diff", tabindex: "0", role: "group", "aria-label": "Changes of " + f.file, "data-key": "diff " + p.name + " " + f.file },
        f.diff.map((line) => el("div", { class: { "+": "plus", "-": "minus", "@": "soft" }[line[0]] }, line.replaceAll("\t", "    ") || " "))),
      f.note && el("p", { class: "soft small" }, diffNotes[f.note] || f.note)]),
    p.edit.more > 0 && el("p", { class: "soft small" }, "and " + count(p.edit.more, "other file"))));
}

// changed lists what an edit changed, by rule.
function changed(c) {
  const lines = [
    ...(c.added || []).map((r) => el("li", { class: "plus" }, "+ " + r)),
    ...(c.removed || []).map((r) => el("li", { class: "minus" }, "− " + r)),
    ...(c.changed || []).map((r) => el("li", null, "~ " + r, own(c.parts, r) && el("span", { class: "soft" }, " (" + c.parts[r].join(", ") + ")"))),
    ...(c.files || []).map((f) => el("li", null, "file " + f, own(c.uses, f) && el("span", { class: "soft" }, " used by " + c.uses[f].join(", ")))),
    ...(c.settings || []).map((s) => el("li", null, "setting " + s)),
  ];
  return lines.length ? el("details", null, el("summary", null, "What the last live edit changed"), el("ul", { class: "plainlist small mono" }, lines)) : null;
}

function versions(p) {
  return el("details", { "data-key": "versions " + p.name }, el("summary", null, count(p.versions.length, "version")), table({
    label: "Versions of pack " + p.name, rows: p.versions, columns: [
      { name: "Version", head: true, cell: (v) => [el("code", null, v.version.slice(0, 8)), " ", v.version === p.version && badge("live"), v.rolled_back && badge("rolled back", "wait"), v.candidate && badge("candidate")] },
      { name: "First live", time: true, cell: (v) => moment(v.since) },
      { name: "Last live", time: true, cell: (v) => moment(v.last) },
      { name: "Events", number: true, cell: (v) => number(v.events) },
      { name: "Failures", number: true, cell: (v) => number(v.failures) },
    ],
  }));
}
