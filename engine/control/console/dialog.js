// act asks for a confirmation that names what happens, and then does it. The dialog stays
// open with the daemon's error and its hint if that fails.
//
//   title, text  what happens, and to how many
//   fields       inputs: name, label, type, value, placeholder, options, hint
//   go           the word on the button; danger colours it
//   check        if set, is asked first: it returns what would happen with the values of the
//                fields, and only a second confirmation of these does it
//   run          does it with the values of the fields, and returns what to announce
//   done         is called after that
function act({ title, text, fields = [], go, danger, check, run, done }) {
  const opener = document.activeElement;
  const inputs = new Map();
  let checked = ""; // the values that check was asked about
  const answer = el("div", { "aria-live": "assertive" });
  const yes = el("button", { type: "submit", class: danger ? "danger" : "first" }, go);
  const no = el("button", { type: "button", click: () => dialog.close() }, "Cancel");
  const form = el("form", { submit },
    el("h2", { id: "dialog-title" }, title),
    el("div", { id: "dialog-text", class: "stack tight" }, text),
    fields.map((f) => field(f, inputs)),
    answer,
    el("div", { class: "row" }, no, yes));
  const dialog = el("dialog", { "aria-labelledby": "dialog-title", "aria-describedby": "dialog-text", close: closed }, form);
  document.body.append(dialog);
  dialog.showModal();
  (inputs.size ? inputs.values().next().value : no).focus();

  async function submit(event) {
    event.preventDefault();
    const values = {};
    for (const [name, input] of inputs) values[name] = input.type === "checkbox" ? input.checked : input.value.trim();
    yes.disabled = true;
    answer.replaceChildren(el("p", { class: "soft" }, "Waiting for chertd …"));
    try {
      if (check && checked !== JSON.stringify(values)) {
        const would = await check(values);
        checked = JSON.stringify(values);
        answer.replaceChildren(el("p", { class: "notice wait" }, would));
        yes.textContent = "Confirm: " + go;
        yes.disabled = false;
        return;
      }
      const said = await run(values);
      dialog.close();
      announce(said);
      if (done) done();
    } catch (e) {
      if (e.status === 401) return void askForToken(e);
      yes.disabled = false;
      answer.replaceChildren(problem(e));
    }
  }

  function closed() {
    dialog.remove();
    if (opener && opener.isConnected) opener.focus();
    else document.getElementById("main").focus();
  }
}

// field makes an input with its label, and adds it to inputs under its name.
function field(f, inputs) {
  let input;
  if (f.options) {
    input = el("select", { id: "field-" + f.name }, f.options.map(([value, label]) => el("option", { value, selected: value === f.value }, label)));
  } else {
    input = el("input", {
      id: "field-" + f.name, type: f.type || "text", placeholder: f.placeholder, required: f.required, autocomplete: "off", spellcheck: "false",
      checked: f.type === "checkbox" && Boolean(f.value), list: f.list, min: f.min,
    });
    if (f.type !== "checkbox") input.value = f.value || "";
  }
  inputs.set(f.name, input);
  if (f.type === "checkbox") return el("label", { class: "check" }, input, f.label);
  return el("label", { class: "field" }, el("span", null, f.label), input, f.hint && el("span", { class: "small" }, f.hint));
}

// actButton opens act with what make returns; without a token there is none.
function actButton(label, key, make, kind) {
  if (!mayChange()) return null;
  return el("button", { type: "button", class: kind, "data-key": key, click: () => act(make()) }, label);
}

// noToken says why there are no buttons.
function noToken() {
  return mayChange() ? null : el("p", { class: "soft small" }, "Read-only: enter the token to change something.");
}

// droppedText says what a command dropped.
function droppedText(d) {
  if (!d) return "";
  const parts = [d.reads && count(d.reads, "read"), d.timers && count(d.timers, "timer"), d.calls && count(d.calls, "other call"), d.postponed && count(d.postponed, "postponement")].filter(Boolean);
  return parts.length ? " Dropped: " + parts.join(", ") + "." : " Nothing was pending.";
}
