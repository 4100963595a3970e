// sampleEvery is how often the status is read, in seconds, and maxSamples how many of
// them a chart can show: an hour.
const sampleEvery = 5;
const maxSamples = 3600 / sampleEvery;

// samples are what the page has seen of the status since it was opened, the oldest first.
const samples = [];

// taken returns how many events came since the daemon's start. The journal would not do: it
// also loses events, the old ones.
function taken(s) {
  const of = (source, name) => (source ? source[name] : 0);
  return of(s.webhook, "accepted") + of(s.catchup, "found") + of(s.stream, "events") + of(s.file, "events") + of(s.signals, "accepted");
}

// reads is how many reads of rules succeeded so far, when that was counted, and how many a
// minute that is; null: not known yet.
const reads = { at: 0, count: null, rate: null };

// countReads counts reads again, twice a minute: the answer has all rules.
async function countReads() {
  if (reads.rate !== null && Date.now() - reads.at < 30_000) return;
  try {
    const all = await get("/rules?gone=true");
    const now = Date.now(), count = all.rules.reduce((sum, r) => sum + r.read, 0);
    if (reads.count !== null && now > reads.at) reads.rate = Math.max(0, ((count - reads.count) / (now - reads.at)) * 60_000);
    reads.at = now;
    reads.count = count;
  } catch (e) {
    if (!(e instanceof Refusal)) throw e;
    reads.rate = null; // the status says what is wrong
  }
}

function sample(status) {
  if (status.unknown) return; // the store did not answer: its counts are not known
  const actions = status.actions || {};
  samples.push({
    at: Date.now(),
    events: taken(status), reads: reads.rate,
    waiting: (actions.waiting || 0) + (actions.sent || 0), pending: status.pending + (status.early || 0),
    learned: status.calls.learned_rate || null, ceiling: status.calls.ceiling || null,
    missed: status.missed,
  });
  if (samples.length > maxSamples) samples.shift();
}

// perMinute returns how fast a counter grows, at each sample, over half a minute or what
// there is of it. A counter that shrinks, as the daemon was started again, counts as still.
function perMinute(of) {
  return samples.map((s, i) => {
    let from = i;
    while (from > 0 && s.at - samples[from].at < 30_000) from--;
    if (from === i) return null;
    const minutes = (s.at - samples[from].at) / 60_000;
    return Math.max(0, (of(s) - of(samples[from])) / minutes);
  });
}

// chart draws what a number was since the page was opened. It has the numbers in words for
// those who can't see the drawing.
function chart(title, values, { unit = "", whole = true, second } = {}) {
  const known = values.filter((v) => v !== null);
  const show = (v) => (whole ? number(Math.round(v)) : String(Math.round(v * 10) / 10)) + unit;
  const now = known.length ? show(known[known.length - 1]) : "–";
  const top = Math.max(...known, ...(second ? second.values.filter((v) => v !== null) : []), whole ? 4 : 1);
  const span = samples.length > 1 ? (samples[samples.length - 1].at - samples[0].at) / 60_000 : 0;
  const over = span < 1 ? "the last minute" : "the last " + count(Math.round(span), "minute");
  let words = title + ": no numbers yet";
  if (known.length) words = title + ": now " + now + ", lowest " + show(Math.min(...known)) + ", highest " + show(Math.max(...known)) + ", over " + over;
  if (second) words += ". " + second.name + ": now " + second.now;
  return el("figure", { class: "card" },
    el("figcaption", null, el("span", { class: "soft small" }, title), el("span", { class: "now" }, now)),
    svg("svg", { viewBox: "0 0 300 84", preserveAspectRatio: "none", role: "img", "aria-label": words },
      svg("line", { class: "axis", x1: 0, x2: 300, y1: 82, y2: 82 }),
      svg("line", { class: "axis", x1: 0, x2: 300, y1: 4, y2: 4 }),
      area(values, top), curve(values, top, "curve"), second && curve(second.values, top, "curve second")),
    known.length < 2 ? el("p", { class: "soft small" }, "Drawn from now on.") : el("div", { class: "scale", "aria-hidden": "true" }, el("span", null, span < 1 ? "just now" : duration(Math.round(span) * 60) + " ago"), el("span", null, "scale to " + show(top)), el("span", null, "now")),
    second && el("div", { class: "row" }, el("span", { class: "key" }, "learned"), el("span", { class: "key second" }, second.name)));
}

// points returns where the values of the samples are in a drawing, by their time. Where
// nothing was sampled, as the daemon did not answer or nobody looked, there is a gap.
function points(values, top) {
  const runs = [];
  let run = null;
  const began = samples.length ? samples[0].at : 0;
  const length = samples.length > 1 ? samples[samples.length - 1].at - began : 1;
  values.forEach((v, i) => {
    const { at } = samples[i];
    if (v === null) { run = null; return; }
    if (!run || at - samples[i - 1].at > 4000 * sampleEvery) runs.push((run = []));
    run.push([(((at - began) / length) * 300).toFixed(1), (82 - (v / top) * 78).toFixed(1)]);
  });
  return runs;
}

function curve(values, top, kind) {
  return points(values, top).map((run) => svg("polyline", { class: kind, points: run.map((p) => p.join(",")).join(" ") }));
}

function area(values, top) {
  return points(values, top).filter((run) => run.length > 1).map((run) =>
    svg("polygon", { class: "area", points: [run[0][0] + ",82", ...run.map((p) => p.join(",")), run[run.length - 1][0] + ",82"].join(" ") }));
}

// charts are those of the status: what people would rather look at than read.
function charts() {
  const learned = samples.map((s) => s.learned);
  const ceiling = samples.map((s) => s.ceiling);
  const last = samples[samples.length - 1];
  return el("div", { class: "grid four" },
    chart("Events a minute", perMinute((s) => s.events)),
    chart("Reads a minute", samples.map((s) => s.reads)),
    chart("Actions waiting", samples.map((s) => s.waiting)),
    learned.some((v) => v !== null)
      ? chart("Learned rate, calls a second", learned, { whole: false, second: { name: "ceiling", values: ceiling, now: last && last.ceiling ? last.ceiling + " a second" : "none" } })
      : chart("Events not handled yet", samples.map((s) => s.pending)));
}
