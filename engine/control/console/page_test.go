package console_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

// open signs in to the console of a daemon.
func console(t *testing.T, d control.Daemon) *tab {
	t.Helper()
	p := open(t, serve(t, d))
	p.signIn(secret)
	p.until(`!document.getElementById("nav").hidden`)
	return p
}

// TestConsoleAsksForTheToken: without it the page shows what is open to anyone; with it,
// data, also after a reload, until it is forgotten.
func TestConsoleAsksForTheToken(t *testing.T) {
	t.Parallel()
	p := open(t, serve(t, newFake()))
	p.until(`document.activeElement.id === "token"`)
	p.shows("the store is locked") // why it is not ready
	if evaluate[bool](p, `document.body.innerText.includes("chat-held") || !document.getElementById("nav").hidden`) {
		t.Error("the page shows data without the token")
	}
	p.signIn("wrong")
	p.shows("The token is wrong.")
	p.signIn("two words")
	p.shows("without spaces")
	evaluate[chromedp.Void](p, `void (document.getElementById("token").value = "")`)
	p.signIn(secret)
	p.shows("1,204")
	p.must("reload", chromedp.Do(p.ctx, chromedp.Reload()))
	p.shows("1,204")
	if evaluate[bool](p, `document.cookie !== "" || localStorage.length > 0 || location.href.includes("sesame")`) {
		t.Error("the token is kept elsewhere than in the session of the tab")
	}
	p.click("#forget")
	p.until(`document.activeElement.id === "token" && sessionStorage.length === 0`)
}

// TestConsoleIsReadOnlyWithoutToken: where the socket is served without a token, the page
// shows everything, and offers nothing that changes something.
func TestConsoleIsReadOnlyWithoutToken(t *testing.T) {
	t.Parallel()
	d := newFake()
	p := open(t, serveOpen(t, d))
	p.shows("1,204")
	for _, v := range views {
		p.visit(v.hash, v.heading)
		p.shows(v.text)
		if names := evaluate[[]string](p, `[...document.querySelectorAll("main button")].map((b) => b.innerText).filter((n) => n.endsWith("…"))`); len(names) > 0 {
			t.Errorf("%s offers %q", v.hash, names)
		}
	}
	p.until(`document.getElementById("access").innerText.includes("read-only")`)
}

// views are all views, with what must be there of the fake daemon.
var views = []struct{ hash, heading, text string }{
	{"#/status", "Status", "1,180"},
	{"#/decisions", "Decisions", "No line yet"},
	{"#/rules", "Rules", "never"},
	{"#/packs", "Packs", "unexpected symbol near 'end'"},
	{"#/calls", "Calls", "bad gateway"},
	{"#/waiting", "Waiting", "3 actions in 2 chats"},
	{"#/holds", "Holds", "asked for quiet"},
	{"#/dead", "Dead letters", "no such chat"},
	{"#/quarantine", "Quarantine", "it is not JSON"},
	{"#/lists", "Lists", "vips"},
	{"#/lists/vips", "List vips", "+14155550123"},
	{"#/chat/7d1b2c9e", "Why was it read, or not?", "your code is 1"},
}

// TestRulesAreSortedAndFiltered: a rule that never matched is shown, a pair that mostly
// cancels each other is named, and columns sort.
func TestRulesAreSortedAndFiltered(t *testing.T) {
	t.Parallel()
	p := console(t, newFake())
	p.visit("#/rules", "Rules")
	order := func(want string) {
		t.Helper()
		p.until(fmt.Sprintf(`[...document.querySelectorAll("tbody tr")].map((r) => r.dataset.row).join(",") === %q`, want))
	}
	order("codes/read codes,vip/hold,vip/late,vip/old plan") // by matched
	p.until(`document.getElementById("pairs").innerText.includes("vip/late requested 412 reads, 409 vetoed by vip/hold rules/vip/10-hold.lua:3")`)
	p.until(`document.querySelector('[data-row="vip/old plan"]').innerText.includes("never")`)
	p.click(`[data-key="sort Cost, ms"]`)
	order("vip/late,codes/read codes,vip/hold,vip/old plan")
	p.until(`document.activeElement.dataset.key === "sort Cost, ms" && document.querySelector('th[aria-sort="descending"]').innerText === "Cost, ms"`)
	p.click(`[data-key="sort Cost, ms"]`)
	p.until(`document.querySelector('th[aria-sort="ascending"]').innerText === "Cost, ms"`)
	p.types("#rules-pack", "codes\r")
	order("codes/read codes")
	if hash := evaluate[string](p, `location.hash`); !strings.Contains(hash, "pack=codes") || !strings.Contains(hash, "sort=Cost") {
		t.Errorf("the address does not keep the filter: %s", hash)
	}
}

// TestManyRulesStayUsable: of ten thousand rules the first ones in the chosen order are
// shown, and how many there are besides.
func TestManyRulesStayUsable(t *testing.T) {
	t.Parallel()
	d := newFake()
	d.rules.Rules = nil
	for i := range int64(10_000) {
		d.rules.Rules = append(d.rules.Rules, control.Rule{Pack: "many", Rule: fmt.Sprint("rule ", i), Mode: "live", LastMatched: noon, RuleCounts: control.RuleCounts{Matched: 20_000 - i, Ran: 1, TookUS: i * 1000}})
	}
	p := console(t, d)
	p.visit("#/rules", "Rules")
	p.shows("and 9,500 more.")
	p.until(`document.querySelectorAll("tbody tr").length === 500 && document.querySelector("tbody tr").dataset.row === "many/rule 0"`)
	p.click(`[data-key="sort Cost, ms"]`)
	p.until(`document.querySelector("tbody tr").dataset.row === "many/rule 9999"`)
}

// TestDecisionsFollowAndFilter: lines appear as they come, the newest first, and a filter
// begins another tail.
func TestDecisionsFollowAndFilter(t *testing.T) {
	t.Parallel()
	d := newFake()
	d.tails = make(chan *tailed, 9)
	seq := int64(0)
	line := func(outcome, chat, text string) control.Tailed {
		seq++
		return control.Tailed{Kind: control.TailEvent, At: noon, Seq: seq, Event: "evt-1", Chat: chat, Outcome: outcome, Summary: "summary of " + chat, Text: text, Rules: []control.TailedRule{{Pack: "codes", Rule: "read codes", Asked: []string{"mark_read"}}}}
	}
	p := console(t, d)
	p.visit("#/decisions", "Decisions")
	tail := <-d.tails
	if len(tail.query.Outcomes) != 0 || tail.query.Text || tail.query.Lines == 0 {
		t.Errorf("the tail began with %+v", tail.query)
	}
	tail.lines <- line("read", "chat-1", "")
	p.shows("summary of chat-1")
	tail.lines <- line("dead", "chat-2", "")
	p.until(`document.querySelectorAll("#lines tr").length === 2 && document.querySelector("#lines tr").innerText.includes("summary of chat-2")`)
	p.click("#lines summary")
	p.until(`document.querySelector("#lines details").innerText.includes("mark_read")`)
	p.click("#outcome-dead")
	if tail = <-d.tails; len(tail.query.Outcomes) != 1 || tail.query.Outcomes[0] != "dead" {
		t.Errorf("the filter began the tail %+v", tail.query)
	}
	p.until(`document.querySelectorAll("#lines tr").length === 0`)
	tail.lines <- line("dead", "chat-3", "")
	p.shows("summary of chat-3")
	p.click("#filter-text")
	if tail = <-d.tails; !tail.query.Text {
		t.Errorf("the tail has no texts: %+v", tail.query)
	}
	tail.lines <- line("dead", "chat-4", "what they wrote")
	p.shows("what they wrote")
	p.click("#tail-pause")
	tail.lines <- line("dead", "chat-5", "")
	p.until(`document.getElementById("tail-state").innerText === "1 new line"`)
	p.click("#tail-pause")
	p.shows("summary of chat-5")
	if hash := evaluate[string](p, `location.hash`); hash != "#/decisions?outcome=dead&text=1" {
		t.Errorf("the address does not keep the filters: %s", hash)
	}
}

// TestTailContinuesAfterTheConnectionEnds: after a restart of the daemon, lines continue
// where they were.
func TestTailContinuesAfterTheConnectionEnds(t *testing.T) {
	t.Parallel()
	d := newFake()
	d.tails = make(chan *tailed, 9)
	p := console(t, d)
	p.visit("#/decisions", "Decisions")
	tail := <-d.tails
	tail.lines <- control.Tailed{Kind: control.TailEvent, At: noon, Seq: 7, Outcome: "read", Summary: "before", Through: 7}
	p.shows("before")
	close(tail.lines)
	if tail = <-d.tails; tail.query.After != 7 {
		t.Errorf("it continues with %+v, want after 7", tail.query)
	}
	tail.lines <- control.Tailed{Kind: control.TailEvent, At: noon, Seq: 7, Outcome: "read", Summary: "before"} // again
	tail.lines <- control.Tailed{Kind: control.TailEvent, At: noon, Seq: 8, Outcome: "read", Summary: "after"}
	p.shows("after")
	if n := evaluate[int](p, `document.querySelectorAll("#lines tr").length`); n != 2 {
		t.Errorf("%d lines are shown, want 2", n)
	}
}

// TestEditNotLiveIsShown: a pack whose edit is not live says why, with the place and the
// fix, and how what runs in shadow compares.
func TestEditNotLiveIsShown(t *testing.T) {
	t.Parallel()
	p := console(t, newFake())
	p.visit("#/packs", "Packs")
	for _, text := range []string{"The files are not live: it does not load", "rules/vip/10-hold.lua:12:3", "unexpected symbol near 'end'", "hint: close the call", "Version 3f786850 stays live.", "97 agree, 3 differ", "a veto differs: 3"} {
		p.shows(text)
	}
	p.until(`document.querySelector(".diff .minus").innerText === "-end)" && document.querySelector(".diff .plus").innerText === "+end"`)
	p.click(`[data-key="differences vip"]`)
	p.shows("hold: keep_unread")
	p.click(`[data-key="versions vip"] summary`)
	p.shows("a1b2c3d4")
}

// TestManyPacksStayCheap: of hundreds of packs, only the card of one that has changed is made
// again. What is open there and the focus stay.
func TestManyPacksStayCheap(t *testing.T) {
	t.Parallel()
	d := newFake()
	d.packs[0].Diagnostics, d.packs[0].Edit = nil, nil
	for i := range 200 {
		pack := d.packs[1]
		pack.Name, pack.Versions = fmt.Sprint("pack", i), slices.Repeat(d.packs[0].Versions, 10)
		d.packs = append(d.packs, pack)
	}
	p := console(t, d)
	p.visit("#/packs", "Packs")
	p.until(`document.querySelectorAll("article").length === 202`)
	const summary = `document.querySelector('[data-key="versions pack7"] summary')`
	evaluate[chromedp.Void](p, `void (`+summary+`.focus(), `+summary+`.click())`)
	evaluate[chromedp.Void](p, `void (() => {
		window.touched = new Set();
		const name = (node) => node.closest("article") ? node.closest("article").dataset.pack : node.tagName;
		new MutationObserver((all) => all.forEach((m) => window.touched.add(name(m.target)))).observe(document.getElementById("main"), { subtree: true, childList: true });
	})()`)
	d.set(func() {
		d.packs = slices.Clone(d.packs)
		d.packs[9].Events = 7777
	})
	p.until(`document.getElementById("pack-pack7").textContent.includes("7,777")`)
	if got := evaluate[[]string](p, `[...window.touched]`); !slices.Equal(got, []string{"pack7"}) {
		t.Errorf("made again: %q, want the card of pack7 alone", got)
	}
	if !evaluate[bool](p, summary+`.parentElement.open`) {
		t.Error("the versions are folded up")
	}
	if !evaluate[bool](p, `document.activeElement === `+summary) {
		t.Error("the focus is lost")
	}

	// What needs somebody comes first, and what is gone goes.
	d.set(func() {
		d.packs = slices.Clone(d.packs[:150])
		d.packs[100].NotLive = "its specs fail"
	})
	p.until(`document.querySelectorAll("article").length === 150 && document.querySelectorAll("article")[1].dataset.pack === "pack98"`)
	if !evaluate[bool](p, `document.activeElement === `+summary) {
		t.Error("the focus is lost when another card moves")
	}
}

// TestKeyboardAloneIsEnough: the skip link, the navigation and dialogs work with keys, and
// renewing a list does not lose the focus.
func TestKeyboardAloneIsEnough(t *testing.T) {
	t.Parallel()
	d := newFake()
	p := console(t, d)
	p.shows("1,204")
	p.until(`document.activeElement.tagName === "H1"`)
	p.must("reload", chromedp.Do(p.ctx, chromedp.Reload()))
	p.shows("1,204")
	p.press("\t")
	p.until(`document.activeElement.id === "skip" && document.activeElement.getBoundingClientRect().top >= 0`)
	p.press("\r")
	p.until(`document.activeElement.id === "main"`)
	evaluate[chromedp.Void](p, `void document.querySelector('nav a[href="#/dead"]').focus()`)
	p.press("\r")
	p.until(`document.activeElement.tagName === "H1" && document.activeElement.innerText === "Dead letters" && document.querySelector('nav a[aria-current="page"]').innerText.startsWith("Dead letters")`)
	p.until(`document.querySelector('[data-key="retry 32.0"]')`)
	evaluate[chromedp.Void](p, `void document.querySelector('[data-key="retry 32.0"]').focus()`)
	d.set(func() { d.dead.Dead[0].Error = "something else" })
	evaluate[chromedp.Void](p, `void document.getElementById("dead-chat").dispatchEvent(new Event("change"))`)
	p.shows("something else")
	p.until(`document.activeElement.dataset.key === "retry 32.0"`)
	p.press("\r")
	p.until(`document.querySelector("dialog").contains(document.activeElement)`)
	p.press("\t")
	p.until(`document.activeElement.type === "submit"`)
	p.press("\x1b")
	p.until(`document.activeElement.dataset.key === "retry 32.0"`)
}

// TestPhoneIsNotScrolledSideways: at 360 pixels no view is wider than the screen, whatever
// long words it has.
func TestPhoneIsNotScrolledSideways(t *testing.T) {
	t.Parallel()
	d := newFake()
	long := strings.Repeat("long", 60)
	d.packs[0].Name, d.rules.Rules[0].Rule, d.dead.Dead[0].Error = long, long, long
	d.status.Holds.First[0].Reason, d.waiting.Waiting[0].Rule, d.explained.Events[0].Text, d.quarantine.Quarantine[0].Reason = long, long, long, long
	d.status.Notes[0], d.lists[0].Name = long, long
	p := console(t, d)
	p.must("be a phone", chromedp.Do(p.ctx, chromedp.EmulateViewport(360, 740)))
	for _, v := range views {
		p.visit(v.hash, v.heading)
		p.until(`document.querySelector("main > div:last-child").innerText.length > 0`)
		p.until(`[...document.querySelectorAll("#nav a[aria-current]")].every((a) => a.getBoundingClientRect().left >= 0 && a.getBoundingClientRect().right <= innerWidth)`)
		if wider := evaluate[int](p, `document.documentElement.scrollWidth - innerWidth`); wider > 0 {
			t.Errorf("%s is %d pixels wider than a phone", v.hash, wider)
		}
	}
}

// TestStatusDrawsWithAnAlternative: each chart has its numbers in words.
func TestStatusDrawsWithAnAlternative(t *testing.T) {
	t.Parallel()
	d := newFake()
	p := console(t, d)
	p.shows("1,204")
	p.until(`[...document.querySelectorAll("figure svg")].some((s) => s.getAttribute("aria-label").startsWith("Learned rate, calls a second: now 6.5"))`)
	p.until(`[...document.querySelectorAll("figure svg")].some((s) => s.getAttribute("aria-label").startsWith("Actions waiting: now 3, lowest 3, highest 3"))`)
	// What comes and what is read since then is drawn.
	d.set(func() { d.status.Webhook = &control.Webhook{Accepted: 1300}; d.rules.Rules[0].Read += 100 })
	evaluate[chromedp.Void](p, `void document.dispatchEvent(new Event("visibilitychange"))`)
	for _, title := range []string{"Events", "Reads"} {
		p.until(fmt.Sprintf(`/^%s a minute: now [1-9]/.test([...document.querySelectorAll("figure svg")].map((s) => s.getAttribute("aria-label")).find((l) => l.startsWith(%q)))`, title, title))
	}
	if n := evaluate[int](p, `document.querySelectorAll("figure svg:not([role=img][aria-label])").length`); n > 0 {
		t.Errorf("%d charts have no alternative", n)
	}
}

// TestDaemonThatIsGoneIsShown: the page says that the daemon does not answer, and recovers.
func TestDaemonThatIsGoneIsShown(t *testing.T) {
	t.Parallel()
	d := newFake()
	p := console(t, d)
	p.shows("1,204")
	evaluate[chromedp.Void](p, `void (window.realFetch = window.fetch, window.fetch = () => Promise.reject(new TypeError("gone")))`)
	evaluate[chromedp.Void](p, `void document.dispatchEvent(new Event("visibilitychange"))`)
	p.until(`document.getElementById("state").innerText.includes("does not answer")`)
	p.shows("chertd does not answer")
	evaluate[chromedp.Void](p, `void (window.fetch = window.realFetch, document.dispatchEvent(new Event("visibilitychange")))`)
	p.until(`document.getElementById("state").innerText.includes("ready")`)
	p.until(`!document.getElementById("main").innerText.includes("chertd does not answer")`)
}

// TestDaemonThatHangsIsShown: an answer that never comes is an error as well. What was
// shown before is marked as old, and counts that may be wrong are taken away.
func TestDaemonThatHangsIsShown(t *testing.T) {
	t.Parallel()
	p := console(t, newFake())
	p.visit("#/waiting", "Waiting")
	p.shows("3 actions in 2 chats")
	evaluate[chromedp.Void](p, `void (window.realFetch = window.fetch, window.realTimeout = AbortSignal.timeout,
		AbortSignal.timeout = () => window.realTimeout.call(AbortSignal, 50),
		window.fetch = (path, o) => new Promise((_, no) => o.signal.addEventListener("abort", () => no(o.signal.reason))))`)
	evaluate[chromedp.Void](p, `void document.dispatchEvent(new Event("visibilitychange"))`)
	p.shows("chertd has not answered for 10 seconds")
	p.shows("What is below is old: it was read at")
	p.until(`document.getElementById("state").innerText.includes("does not answer") && !document.querySelector("#nav .many")`)
	p.until(`document.querySelector("#main .stale").innerText.includes("3 actions in 2 chats")`)
	evaluate[chromedp.Void](p, `void (window.fetch = window.realFetch, AbortSignal.timeout = window.realTimeout, document.dispatchEvent(new Event("visibilitychange")))`)
	p.until(`document.querySelector("#nav .many") && !document.querySelector("#main .stale") && !document.getElementById("main").innerText.includes("has not answered")`)
}

// TestSlowAnswerIsNotAnEmptyPage: an empty page would pass for an empty quarantine.
func TestSlowAnswerIsNotAnEmptyPage(t *testing.T) {
	t.Parallel()
	p := console(t, newFake())
	p.shows("1,204")
	evaluate[chromedp.Void](p, `void (window.realFetch = window.fetch, window.fetch = () => new Promise((answer) => { window.answer = answer }))`)
	p.visit("#/quarantine", "Quarantine")
	p.shows("Loading …")
	evaluate[chromedp.Void](p, `void (window.fetch = window.realFetch, window.answer(new Response("{}", { status: 503 })))`)
	p.until(`!document.getElementById("main").innerText.includes("Loading") && document.querySelector("#main [role=alert]")`)
	if text := evaluate[string](p, `document.querySelector("#main [role=alert]").parentElement.innerText + document.getElementById("foot").innerText`); strings.Contains(text, "0\n") || strings.HasSuffix(text, "0") {
		t.Errorf("the page shows a number that means nothing: %q", text)
	}
}

// TestAnswerOfSomethingElseIsShown: what a proxy answers instead of the daemon, or half an
// answer, does not end what the page reads.
func TestAnswerOfSomethingElseIsShown(t *testing.T) {
	t.Parallel()
	p := console(t, newFake())
	p.shows("1,204")
	evaluate[chromedp.Void](p, `void (window.realFetch = window.fetch, window.fetch = async () => new Response("<html>sign in</html>"))`)
	evaluate[chromedp.Void](p, `void document.dispatchEvent(new Event("visibilitychange"))`)
	p.shows("the answer is not one of chertd")
	evaluate[chromedp.Void](p, `void (window.fetch = async () => new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('{"ev')); c.error(new TypeError("lost")); } })))`)
	evaluate[chromedp.Void](p, `void document.dispatchEvent(new Event("visibilitychange"))`)
	p.shows("chertd does not answer")
	evaluate[chromedp.Void](p, `void (window.fetch = window.realFetch)`) // the page reads again on its own
	p.until(`document.getElementById("state").innerText.includes("ready")`)
	p.shows("1,204")
}

// TestDaemonThatCanNotStartIsShown: it answers, with the reason.
func TestDaemonThatCanNotStartIsShown(t *testing.T) {
	t.Parallel()
	p := console(t, newFake())
	p.shows("1,204")
	evaluate[chromedp.Void](p, `void (window.fetch = async () => new Response(JSON.stringify({ error: { message: "the store can't be opened" } }), { status: 503 }))`)
	evaluate[chromedp.Void](p, `void document.dispatchEvent(new Event("visibilitychange"))`)
	p.shows("the store can't be opened")
	p.until(`document.getElementById("state").innerText === "not ready"`)
}

// TestClockThatIsWrongIsShown: ages are those of the daemon's clock, and the page says that
// the browser's differs.
func TestClockThatIsWrongIsShown(t *testing.T) {
	t.Parallel()
	d := newFake()
	d.status.Calls.LastConfirmed = time.Now()
	p := open(t, serve(t, d))
	evaluate[chromedp.Void](p, `void (window.realNow = Date.now, Date.now = () => window.realNow() + 3600e3)`)
	p.signIn(secret)
	p.until(`/The clock of this browser is (59m[0-9]+s|1h) ahead of chertd's\./.test(document.getElementById("foot").innerText)`)
	p.visit("#/calls", "Calls")
	p.until(`/Last confirmed\s+[\d: -]+\(\d+s ago\)/.test(document.getElementById("main").innerText)`)
}

// TestDurationsAreThoseOfTheDaemon: the console writes durations as diag.About does.
func TestDurationsAreThoseOfTheDaemon(t *testing.T) {
	t.Parallel()
	p := console(t, newFake())
	source, err := os.ReadFile("dom.js")
	p.must("read dom.js", err)
	_, function, _ := strings.Cut(string(source), "\nfunction duration(")
	function, _, _ = strings.Cut(function, "\n}\n")
	for _, d := range []time.Duration{0, 74 * time.Millisecond, 5320 * time.Millisecond, 30 * time.Second, 59990 * time.Millisecond, time.Minute, 61400 * time.Millisecond,
		time.Hour, time.Hour + 5*time.Second, 4*time.Hour + 34*time.Minute, 24 * time.Hour, 25*time.Hour + time.Second} {
		got := evaluate[string](p, fmt.Sprintf("(() => { function duration(%s\n}\n return duration(%g) })()", function, d.Seconds()))
		if want := diag.About(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

// filledLine returns a line of a tail.
func filledLine(outcome string) control.Tailed {
	return control.Tailed{Kind: control.TailEvent, At: noon, Event: "evt-1", Chat: "7d1b2c9e", Outcome: outcome, Summary: "codes/read codes (codes.lua:2): mark_read", From: "+14155550123", Text: "hello",
		Rules:   []control.TailedRule{{Pack: "codes", Rule: "read codes", Asked: []string{"mark_read"}}, {Pack: "vip", Rule: "hold", Skipped: "cooldown"}},
		Actions: []control.TailedAction{{ID: "30.0", Kind: "read", Pack: "codes", Rule: "read codes", Status: "done", Why: "coalesced"}}}
}
