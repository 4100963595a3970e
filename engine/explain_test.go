package engine

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// asking has a read, a delayed read, vetoes and a rule for one sender.
const asking = `
chert.rule({ name = "read", on = "message.received", where = { words = "read" }, run = function(ev) chert.mark_read(ev.chat.id) end })
chert.rule({ name = "later", on = "message.received", where = { words = "later" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "1h", reason = "settle" }) end })
chert.rule({ name = "veto", on = "message.received", where = { words = "stop" }, run = function(ev) chert.keep_unread(ev.chat.id, { reason = "asked" }) end })
chert.rule({ name = "ann", on = "message.received", where = { from = "+14155550123", words = "hello" }, run = function(ev) log.info("ann wrote") end })`

func (c *crew) explain(q control.ExplainQuery) control.Explained {
	c.t.Helper()
	c.drained()
	e, err := c.m.Explain(ctx, q)
	if err != nil {
		c.t.Fatal(err)
	}
	return e
}

// explainOne explains what must be one event.
func (c *crew) explainOne(of string) control.ExplainedEvent {
	c.t.Helper()
	e := c.explain(control.ExplainQuery{Of: of})
	if len(e.Events) != 1 {
		c.t.Fatalf("explain %s returns %d events", of, len(e.Events))
	}
	return e.Events[0]
}

func (c *crew) explainFails(of string, status int, want string) {
	c.t.Helper()
	_, err := c.m.Explain(ctx, control.ExplainQuery{Of: of})
	var user *control.UserError
	if !errors.As(err, &user) || user.Status != status || !strings.Contains(user.Message, want) {
		c.t.Errorf("explain %s: %v, want %d with %q", of, err, status, want)
	}
}

func (c *crew) expectOutcome(e control.ExplainedEvent, outcome string, words ...string) {
	c.t.Helper()
	if e.Outcome != outcome {
		c.t.Errorf("event %s is %s (%s), want %s", e.ID, e.Outcome, e.Summary, outcome)
	}
	for _, w := range words {
		if summary := strings.ReplaceAll(e.Summary, c.dir+"/", ""); !strings.Contains(summary, w) {
			c.t.Errorf("the summary of event %s is %q, want %q in it", e.ID, e.Summary, w)
		}
	}
}

func TestExplainFindsWhatPeopleHaveAtHand(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", asking)
	c.from("c1", "e1", "+14155550123", "please read")
	c.endedAs("c1", "read done (read)")
	c.from("c2", "e2", "+14155550199", "hello")
	c.from("c3", "e3", "+447700900123", "hello")
	c.from("g1", "e4", "+14155550777", "hello", "ann@example.com")
	for _, test := range []struct{ of, what, first string }{
		{"e1", "event", "e1"}, {"c1", "chat", "e1"}, {"m-e2", "message", "e2"}, {"1.0", "action", "e1"},
		{"+14155550199", "number", "e2"}, {"+1 (415) 555-0199", "number", "e2"}, {"50199", "number", "e2"}, {"ann@example.com", "number", "e4"},
	} {
		e := c.explain(control.ExplainQuery{Of: test.of})
		if e.What != test.what || len(e.Events) != 1 || e.Events[0].ID != test.first {
			t.Errorf("explain %s: %s %+v, want %s %s", test.of, e.What, e.Events, test.what, test.first)
		}
	}
	c.explainFails("0123", http.StatusConflict, "2 chats have such a number: c3 (+447700900123, ")
	c.explainFails("23", http.StatusNotFound, `no event, chat or message "23"`)
	c.explainFails("4150000000", http.StatusNotFound, "") // the chat's own line
	c.explainFails("nosuch", http.StatusNotFound, "nosuch")
	c.explainFails("", 0, "explain what")
	c.explainFails(strings.Repeat("x", 600), 0, "explain what")
}

// Support names a trace_id: of a delivery, or of an answer to a call, which may have served several
// reads.
func TestExplainFindsTracesOfChert(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", asking)
	body := `{"event_type":"message.received","event_id":"e1","trace_id":"t-delivery","data":{"chat":{"id":"c1"},"message":{"id":"m1","direction":"inbound","parts":[{"type":"text","value":"read t-call"}]}}}`
	ev, err := event.Decode([]byte(body), event.Hints{})
	if err != nil {
		t.Fatal(err)
	}
	ev.Source = event.SourceWebhook
	if _, err := c.m.eng.Ingest(ctx, []turn.Arrival{{Event: ev, Received: c.now()}}); err != nil {
		t.Fatal(err)
	}
	c.endedAs("c1", "read done (read)")
	for _, of := range []string{"t-delivery", "trace"} { // the second is that of the answer
		e := c.explain(control.ExplainQuery{Of: of})
		if e.What != "trace" || len(e.Events) != 1 || e.Events[0].ID != "e1" || e.Events[0].TraceID != "t-delivery" || e.Events[0].Actions[0].TraceID != "trace" {
			t.Errorf("explain %s: %s %+v, want the event e1", of, e.What, e.Events)
		}
	}
	c.explainFails("t-call", http.StatusNotFound, "no such trace_id")
}

func TestExplainNamesWhatDecided(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", asking)
	c.handle("c1", "e1", "read")
	c.endedAs("c1", "read done (read)")
	e := c.explainOne("e1")
	c.expectOutcome(e, "read", "p/read at rules/p.lua:2")
	if a := e.Actions[0]; a.Called.IsZero() || a.Called.After(a.Ended) || a.Attempts != 1 || a.Status != "done" {
		t.Errorf("action %+v", a)
	}

	c.handle("c2", "e2", "read it later and stop")
	c.expectOutcome(c.explainOne("e2"), "not_read", "vetoed by p/veto at rules/p.lua:4")
	c.handle("c3", "e3", "later")
	e = c.explainOne("e3")
	c.expectOutcome(e, "waiting", "p/later at rules/p.lua:3")
	if !strings.HasPrefix(e.Actions[0].WaitsFor, "its delay ends at ") {
		t.Errorf("it waits for %q", e.Actions[0].WaitsFor)
	}
	c.handle("c3", "e3a", "stop")
	e = c.explainOne("e3")
	c.expectOutcome(e, "not_read", "vetoed by p/veto at rules/p.lua:4, on message.received e3a")
	if end := e.Actions[0].EndedBy; end == nil || end.Asked != "keep_unread (asked)" || end.Event.ID != "e3a" {
		t.Errorf("it was ended by %+v", end)
	}

	c.handle("c4", "e4", "later")
	c.handle("c4", "e4a", "nothing")
	c.expectOutcome(c.explainOne("e4"), "not_read", "superseded by message.received e4a")
	c.handle("c4", "e4b", "read")
	c.endedAs("c4", "read done (read), read dropped (superseded)")
	c.expectOutcome(c.explainOne("e4"), "read", "marked as read later, ", "p/read at rules/p.lua:2 on event e4b", "for this event itself: p/later")
	c.expectOutcome(c.explainOne("e4a"), "read", "no rule matched it")

	if _, err := c.m.Hold(ctx, control.HoldRequest{Chat: "c5", For: "1h", Reason: "call", Force: true}); err != nil {
		t.Fatal(err)
	}
	c.handle("c5", "e5", "read")
	c.endedAs("c5", "read dropped (held)")
	c.expectOutcome(c.explainOne("e5"), "not_read", "held by operator")
	if h := c.explain(control.ExplainQuery{Of: "c5"}).Chat.Hold; h == nil || h.Reason != "call" {
		t.Errorf("the chat is held: %+v", h)
	}
	c.handle("c6", "e6", "hello")
	c.expectOutcome(c.explainOne("e6"), "not_read", "no rule matched it")
}

// Requests for other chats differ from reasons that only mention one.
func TestExplainNamesRequestsForOtherChats(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", `
chert.rule({ name = "other", on = "message.received", where = { words = "other" }, run = function(ev) chert.mark_read("c9") end })
chert.rule({ name = "veto", on = "message.received", where = { words = "stop" }, run = function(ev) chert.keep_unread(ev.chat.id, { reason = "this chat is held" }) end })
chert.rule({ name = "shield", on = "message.received", where = { words = "shield" }, run = function(ev) chert.keep_unread("c3") end })
chert.rule({ name = "later", on = "message.received", where = { words = "later" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end })`)
	c.handle("c1", "e1", "other")
	c.endedAs("c9", "read done (read)")
	e := c.explainOne("e1")
	c.expectOutcome(e, "not_read", "no rule requested a read of this chat; p/other at rules/p.lua:2 requested mark_read chat c9 (read)")
	if len(e.Elsewhere) != 1 || e.Elsewhere[0].Outcome != "read" || e.Elsewhere[0].Chat != "c9" || e.Elsewhere[0].Event == nil ||
		!strings.HasPrefix(e.Elsewhere[0].Summary, "marked as read at ") {
		t.Fatalf("in the other chat: %+v", e.Elsewhere)
	}
	there := c.explainOne(e.Elsewhere[0].Event.ID)
	if by := there.RequestedBy; by == nil || by.By != "p/other" || !strings.HasSuffix(by.Place, "p.lua:2") || by.Event == nil || by.Event.ID != "e1" || by.Event.Chat != "c1" || by.Asked != "mark_read" {
		t.Errorf("the other chat's event was requested by %+v", by)
	}
	if of := c.explain(control.ExplainQuery{Of: "c9"}); len(of.Events) != 1 || of.Events[0].ID != there.ID || of.Events[0].Outcome != "read" {
		t.Errorf("the other chat: %+v", of.Events)
	}

	// A veto from another chat is named with the event on which its rule ran.
	c.handle("c3", "e3", "later")
	c.handle("c4", "e4", "shield")
	c.endedAs("c3", "read dropped (vetoed)")
	c.expectOutcome(c.explainOne("e3"), "not_read", "vetoed by p/shield at rules/p.lua:4, on message.received e4")
	if e := c.explainOne("e4"); len(e.Elsewhere) != 1 || e.Elsewhere[0].Asked != "keep_unread chat c3" || !strings.HasPrefix(e.Elsewhere[0].Summary, "carries a request of event ") || !strings.HasSuffix(e.Elsewhere[0].Summary, " here; dropped 1 waiting read") || e.Elsewhere[0].Dropped != 1 || !strings.HasSuffix(e.Summary, "requested keep_unread chat c3 (dropped 1 waiting read)") {
		t.Errorf("the event of the veto: %+v", e.Elsewhere)
	}
	c.handle("c4", "e4a", "shield")
	if e := c.explainOne("e4a"); len(e.Elsewhere) != 1 || !strings.HasSuffix(e.Elsewhere[0].Summary, " here; no read waited there that it dropped") {
		t.Errorf("the event of a veto that found nothing: %+v", e.Elsewhere)
	}
	c.handle("c2", "e2", "stop")
	if e := c.explainOne("e2"); e.Outcome != "not_read" || e.Summary != "no rule requested a read" {
		t.Errorf("%s: %s", e.Outcome, e.Summary)
	}
}

// A message that a rule sends to another chat has the status of its action there.
func TestExplainShowsWhatBecameOfAMessageToAnotherChat(t *testing.T) {
	t.Parallel()
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), shards: 2, now: time.Now}}
	c.changed.L = &c.mu
	c.options.Packs = map[string]rules.PackOptions{"p": {Grant: []string{"send"}}}
	c.write("p/p.lua", `chert.on("message.received", function(ev) chert.send("c9", "look at " .. ev.chat.id) end)`, "p/pack.yaml", "permissions: [send]\n")
	c.start()
	c.handle("c1", "e1", "hello")
	c.endedAs("c9", "send done (send)")
	e := c.explainOne("e1")
	if len(e.Elsewhere) != 1 || e.Elsewhere[0].Outcome != "done" || !strings.Contains(e.Elsewhere[0].Summary, "was confirmed at ") {
		t.Errorf("elsewhere it has %+v", e.Elsewhere)
	}
}

// What keeps calls from going out is named, not only that a read waits.
func TestExplainNamesWhyCallsWait(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", asking)
	if err := c.m.Pause(ctx, true); err != nil {
		t.Fatal(err)
	}
	c.handle("c1", "e1", "read")
	e := c.explainOne("e1")
	c.expectOutcome(e, "waiting")
	if len(e.Waits) == 0 || !strings.Contains(strings.Join(e.Waits, " "), "paused") || e.Actions[0].WaitsFor != "it is due, and calls wait" {
		t.Errorf("waits %q, action %q", e.Waits, e.Actions[0].WaitsFor)
	}
}

// Rules that did not match are explained by the version that was live then.
func TestExplainShowsConditionsThatDidNotHold(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", asking, "q.lua", `chert.rule({ name = "q", on = "message.received", where = { words = "old" }, run = function(ev) end })`)
	c.from("c1", "e1", "+14155550199", "hello there")
	c.write("q.lua", `chert.rule({ name = "q", on = "message.received", where = { words = "hello" }, run = function(ev) end })`)
	c.ahead.Add(int64(1e9)) // so that the times of the versions differ
	c.reload()
	why := func(q control.ExplainQuery, rule string) string {
		t.Helper()
		for _, o := range c.explain(q).Events[0].NotMatch {
			if chat.Key(o.Pack, o.Rule) == rule {
				return fmt.Sprint(filepath.Base(o.Place), " ", o.Why)
			}
		}
		return ""
	}
	of := control.ExplainQuery{Of: "e1"}
	if got, want := why(of, "p/ann"), `p.lua:5 [from: "+14155550199" is not "+14155550123"]`; got != want {
		t.Errorf("ann: %s, want %s", got, want)
	}
	if got, want := why(of, "p/read"), `p.lua:2 [words: the text "hello there" does not contain "read"]`; got != want {
		t.Errorf("read: %s, want %s", got, want)
	}
	if got, want := why(of, "q/q"), `q.lua:1 [words: the text "hello there" does not contain "old"]`; got != want {
		t.Errorf("q, which was edited since: %s, want %s", got, want)
	}
	if e := c.explain(control.ExplainQuery{Of: "e1", Rule: "p/ann"}).Events[0]; e.NotMatched != 1 || len(e.NotMatch) != 1 || len(e.Rules) != 0 {
		t.Errorf("of one rule: %+v", e)
	}
	if e := c.explain(control.ExplainQuery{Of: "c1"}).Events[0]; e.NotMatched != 0 {
		t.Errorf("of a chat, rules that did not match are listed: %+v", e.NotMatch)
	}
	if _, err := c.m.Explain(ctx, control.ExplainQuery{Of: "e1", Rule: "p/an"}); err == nil || !strings.Contains(err.Error(), `no pack or rule "p/an"`) {
		t.Errorf("a rule that does not exist: %v", err)
	}
}

func TestExplainPagesThroughAChat(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", asking)
	for i := range 5 {
		c.handle("c1", fmt.Sprint("e", i+1), "hello")
	}
	e := c.explain(control.ExplainQuery{Of: "c1", Limit: 2})
	if len(e.Events) != 2 || e.Events[0].ID != "e4" || e.Events[1].ID != "e5" || !e.Older {
		t.Fatalf("the newest two: %+v", e)
	}
	e = c.explain(control.ExplainQuery{Of: "c1", Limit: 3, Before: e.Events[0].Seq})
	if len(e.Events) != 3 || e.Events[0].ID != "e1" || e.Older {
		t.Fatalf("those before: %+v", e)
	}
}

// Addresses compare in lower case, for explain and forget.
func TestPersonIsFoundInAnyCase(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", asking)
	c.from("c1", "e1", "Bob@Example.COM", "hello")
	for _, of := range []string{"bob@example.com", "Bob@Example.COM", "BOB@example.com"} {
		if e := c.explain(control.ExplainQuery{Of: of}); e.What != "number" || len(e.Events) != 1 {
			t.Errorf("explain %s: %+v", of, e)
		}
	}
	if f := c.forget(control.ForgetRequest{Who: "bob@example.com"}); f.Events != 1 || !f.Handle {
		t.Errorf("forgotten: %+v", f)
	}
}

// What was acknowledged before the events log could be read is not unknown.
func TestExplainFindsEventsThatWaitForTheLog(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", asking)
	body := `{"event_type":"message.received","event_id":"e1","data":{"chat":{"id":"c1","handles":[{"handle":"+14155550123","is_me":false}]},"message":{"id":"m1","direction":"inbound","parts":[{"type":"text","value":"read"}]}}}`
	ev, err := event.Decode([]byte(body), event.Hints{})
	if err != nil {
		t.Fatal(err)
	}
	ev.Source = event.SourceWebhook
	if _, err := c.st.AppendEarly(ctx, []turn.Arrival{{Event: ev, Received: c.now()}}); err != nil {
		t.Fatal(err)
	}
	// The last of many, which are not read as one page.
	large := strings.Repeat("x", 6<<20)
	for i := range 4 {
		ev, err := event.Decode(fmt.Appendf(nil, `{"event_type":"ping","event_id":"large%d","data":{"x":%q}}`, i, large), event.Hints{})
		if err != nil {
			t.Fatal(err)
		}
		ev.Source = event.SourceWebhook
		if _, err := c.st.AppendEarly(ctx, []turn.Arrival{{Event: ev, Received: c.now()}}); err != nil {
			t.Fatal(err)
		}
	}
	last := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(body, `"e1"`, `"e9"`), `"c1"`, `"c9"`), "0123", "0999")
	if ev, err = event.Decode([]byte(last), event.Hints{}); err != nil {
		t.Fatal(err)
	}
	ev.Source = event.SourceWebhook
	if _, err := c.st.AppendEarly(ctx, []turn.Arrival{{Event: ev, Received: c.now()}}); err != nil {
		t.Fatal(err)
	}
	if page, err := c.st.Early(ctx, 0, 100); err != nil || page[len(page)-1].ID == "e9" {
		t.Fatalf("the events are read as one page: the test needs larger ones (%v)", err)
	}
	for _, of := range []string{"e1", "c1", "m1", "0123", "e9", "c9", "0999"} {
		c.expectOutcome(c.explainOne(of), "pending", "waits until older events are read from the events log")
	}
	c.explainFails("c0123", http.StatusNotFound, "c0123") // not the number that ends so
	if err := c.m.checkChat(ctx, "c1", false, ""); err != nil {
		t.Errorf("a command about its chat: %v", err)
	}
}

// A call on its way, and one without an answer, leave open whether the chat is read.
func TestExplainDoesNotDenyACallThatMayHaveSucceeded(t *testing.T) {
	t.Parallel()
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}}
	c.changed.L = &c.mu
	calls, answer := make(chan bool), make(chan error)
	c.answer = func(call chat.Call) error { calls <- true; return <-answer }
	c.write("p.lua", asking)
	c.start()
	c.handle("c1", "e1", "read")
	<-calls
	c.expectOutcome(c.explainOne("e1"), "in_flight", "is on its way since")
	c.handle("c1", "e1a", "stop")
	c.expectOutcome(c.explainOne("e1"), "in_flight", "can't be recalled, although the read was dropped since: vetoed")
	answer <- &chert.Error{Call: "mark chat as read", Message: "connection reset", Unknown: true}
	c.wait("the answer", func() bool { return c.m.eng.flightOf("c1") == nil })
	c.expectOutcome(c.explainOne("e1"), "unknown", "had no answer, so Chert may have marked the chat as read")
}

// Why a rule did not run is shown with the value that decided.
func TestExplainShowsTheValueThatKeptARuleFromRunning(t *testing.T) {
	t.Parallel()
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), shards: 2}}
	c.changed.L = &c.mu
	monday := time.Date(2026, 1, 5, 20, 13, 0, 0, time.UTC)
	c.now = func() time.Time { return monday.Add(time.Duration(c.ahead.Load())) }
	c.write("p.lua", `
local function read(ev) chert.mark_read(ev.chat.id) end
chert.rule({ name = "hours", on = "message.received", where = { words = "all" }, during = "Mon 09:00-09:01", tz = "America/New_York", run = read })
chert.rule({ name = "away", on = "message.received", where = { words = "all" }, outside = "00:00-24:00", run = read })
chert.rule({ name = "day", on = "message.received", where = { words = "all" }, not_on = "1970-01-01..2200-01-01", run = read })
chert.rule({ name = "age", on = "message.received", where = { words = "all" }, max_age = "1m", run = read })
chert.rule({ name = "sample", on = "message.received", where = { words = "all" }, sample = 0.0000001, run = read })
chert.rule({ name = "rests", on = "message.received", where = { words = "rest" }, cooldown = "1h", run = read })`)
	c.start()
	ev := event.Event{
		ID: "e1", Type: event.MessageReceived, Source: event.SourceWebhook, At: time.Date(2026, 1, 5, 18, 13, 0, 0, time.UTC), Text: "all", Raw: []byte("{}"), Chat: &event.Chat{ID: "c1"},
		Message: &event.Message{ID: "m1", Direction: "inbound", Parts: []event.Part{{Type: "text", Value: "all"}}},
	}
	if _, err := c.eng.Ingest(ctx, []turn.Arrival{{Event: ev, Received: c.now()}}); err != nil {
		t.Fatal(err)
	}
	c.wait("e1", func() bool { return c.rig.handled("e1") != nil })
	e := c.explainOne("e1")
	at := e.Handled
	for i, want := range []string{
		"outside Mon 09:00-09:01: it was " + at.In(mustZone(t, "America/New_York")).Format("Mon 15:04") + " in America/New_York",
		"within 00:00-24:00, and it runs outside: it was " + at.UTC().Format("Mon 15:04") + " in UTC",
		"it was " + at.UTC().Format("Mon 2006-01-02 15:04") + " in UTC, and not_on has that day, or the one on which these hours began",
		diag.Duration(at.Sub(ev.At).Round(time.Second)) + " old, at most 1m",
		", and the sample is all below 1e-07",
	} {
		if got := e.Rules[i]; got.Skipped == "" || !strings.HasSuffix(got.SkippedWhy, want) || len(got.Assumes) > 0 {
			t.Errorf("%s: skipped %q, %q, want %q; assumes %q", got.Rule, got.Skipped, got.SkippedWhy, want, got.Assumes)
		}
	}
	c.handle("c2", "e2", "rest")
	began := c.explainOne("e2").Handled
	c.handle("c2", "e3", "rest")
	want := fmt.Sprintf("until %s; it began with event e2 at %s", began.Add(time.Hour).UTC().Format(stamp), began.UTC().Format(stamp))
	if got := c.explainOne("e3").Rules[0]; got.Skipped != rules.SkippedCooldown || got.SkippedWhy != want {
		t.Errorf("the cooldown: %q %q, want %q", got.Skipped, got.SkippedWhy, want)
	}
	// It is not forgotten once a later one has begun.
	c.ahead.Add(int64(2 * time.Hour))
	c.handle("c2", "e4", "rest")
	if got := c.explainOne("e3").Rules[0]; got.SkippedWhy != want {
		t.Errorf("the cooldown, later: %q, want %q", got.SkippedWhy, want)
	}
}

func mustZone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// A rule that is suspended names since when, until when and why.
func TestExplainShowsSinceWhenARuleIsSuspended(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", `chert.rule({ name = "bad", on = "message.received", run = function(ev) error("no") end })`)
	for i := range 21 {
		c.handle("c1", fmt.Sprint("e", i), "hi")
	}
	e := c.explainOne("e20")
	since := c.explainOne("e19").Handled.UTC().Format(stamp)
	if got := e.Rules[0]; got.Skipped != rules.SkippedSuspended || !strings.HasPrefix(got.SkippedWhy, "since "+since[:len(since)-4]) || !strings.HasSuffix(got.SkippedWhy, ": it fails again and again") || !strings.Contains(got.SkippedWhy, " in this chat, until ") {
		t.Errorf("suspended since %s: %q", since, got.SkippedWhy)
	}
}

// A condition is computed with the settings that were in force. Only where those are not
// known, because the daemon began later, and the condition depends on them, it is named.
func TestExplainUsesTheSettingsOfThen(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p/pack.yaml", "config: {word: old, other: 1}", "p/p.lua", `
local unused = config.other
chert.rule({ name = "set", on = "message.received", where = { words = config.word }, run = function(ev) chert.mark_read(ev.chat.id) end })
chert.rule({ name = "fixed", on = "message.received", where = { words = "never" }, run = function(ev) chert.mark_read(ev.chat.id) end })
chert.rule({ name = "local", on = "message.received", where = { from = "+14155550100" }, run = function(ev) chert.mark_read(ev.chat.id) end })`)
	c.from("c1", "e1", "+14155550123", "new")
	c.ahead.Add(int64(time.Second))
	c.options.Packs = map[string]rules.PackOptions{"p": {Config: map[string]any{"word": "new"}}}
	if err := c.m.gens.Reconfigure(ctx, c.options, nil); err != nil {
		t.Fatal(err)
	}
	of := func(id, rule string) control.ExplainedOther {
		t.Helper()
		for _, o := range c.explainOne(id).NotMatch {
			if o.Rule == rule {
				return o
			}
		}
		t.Fatalf("%s: no rule %s did not match", id, rule)
		return control.ExplainedOther{}
	}
	if o := of("e1", "set"); len(o.Why) != 1 || !strings.HasSuffix(o.Why[0], `does not contain "old"`) || o.Holds || len(o.Assumes) > 0 {
		t.Errorf("with the settings of then: %+v", o)
	}
	c.ahead.Add(int64(time.Second))
	c.stop()
	c.ahead.Add(int64(time.Second))
	c.options.Packs = map[string]rules.PackOptions{"p": {Config: map[string]any{"word": "newer"}}}
	c.start()
	if o := of("e1", "set"); fmt.Sprint(o.Assumes) != "[rules.packs.p.config.other rules.packs.p.config.word]" || !strings.HasSuffix(o.Why[0], `does not contain "newer"`) {
		t.Errorf("of a time before the start: %+v", o)
	}
	for _, rule := range []string{"fixed", "local"} {
		if o := of("e1", rule); len(o.Assumes) > 0 {
			t.Errorf("%s does not depend on settings: %+v", rule, o)
		}
	}
	if e := c.explain(control.ExplainQuery{Of: "e1"}); e.ConfigSince.IsZero() {
		t.Error("since when the configuration is known is not said")
	}
	c.from("c2", "e2", "4155550123", "new")
	c.ahead.Add(int64(time.Second))
	c.stop()
	c.ahead.Add(int64(time.Second))
	c.start()
	if o := of("e2", "local"); fmt.Sprint(o.Assumes) != "[rules.country]" {
		t.Errorf("of a number without +: %+v", o)
	}
}

// What was dropped because a pack, its version or its rule is not live any more names the
// command or the edit.
func TestExplainNamesWhatMadeAPackInactive(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", asking, "q.lua", asking, "r.lua", asking, "s.lua", asking)
	c.handle("c1", "e1", "later")
	become := func(pack, want string) {
		t.Helper()
		c.wait(want, func() bool {
			all, err := c.st.Actions(ctx, store.ActionFilter{Chat: "c1"})
			return err == nil && !slices.ContainsFunc(all, func(a chat.Action) bool { return a.Pack == pack && a.Status == chat.Waiting })
		})
		for _, a := range c.explainOne("e1").Actions {
			if a.Pack != pack {
				continue
			}
			if a.Why != chat.WhyPackInactive || a.EndedBy == nil || a.EndedBy.Cause != want {
				t.Errorf("of pack %s: %s, ended by %+v, want %q", pack, a.Why, a.EndedBy, want)
			}
		}
	}
	if _, err := c.m.SetMode(ctx, "p", control.ModeRequest{Mode: "off", By: "ann", Reason: "wrong reads"}); err != nil {
		t.Fatal(err)
	}
	become("p", "mode off, by ann: wrong reads")
	c.expectOutcome(c.explain(control.ExplainQuery{Of: "e1", Rule: "p"}).Events[0], "waiting")
	c.write("q.lua", strings.Replace(asking, `"later"`, `"renamed"`, 1))
	c.reload()
	become("q", "an edit deleted its rule")
	if _, err := c.m.Remove(ctx, "r", false); err == nil {
		t.Error("a pack with files is removed")
	}
	c.options.Packs = map[string]rules.PackOptions{"r": {Mode: rules.Shadow}}
	if err := c.m.gens.Reconfigure(ctx, c.options, nil); err != nil {
		t.Fatal(err)
	}
	become("r", "mode shadow, by chertd.yaml")
	c.write("s.lua", asking+"\n-- 2\nlog.info('two')\n")
	c.ahead.Add(int64(time.Second))
	c.reload()
	c.handle("c2", "e2", "later")
	version := c.eng.Rules().Pack("s").ShortVersion()
	if _, err := c.m.Rollback(ctx, "s", control.RollbackRequest{}); err != nil {
		t.Fatal(err)
	}
	want := "version " + version + " was rolled back, by command"
	for _, a := range c.explainOne("e2").Actions {
		if a.Pack == "s" && (a.Why != chat.WhyPackInactive || a.EndedBy == nil || a.EndedBy.Cause != want) {
			t.Errorf("of pack s: %s, ended by %+v, want %q", a.Why, a.EndedBy, want)
		}
	}
}

// A pack that a command switched off, or sent to shadow, is named with who did it and why, also
// once the mode has ended.
func TestExplainNamesTheCommandByWhichAPackWasNotLive(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", asking)
	mode := func(q control.ModeRequest) {
		t.Helper()
		if _, err := c.m.SetMode(ctx, "p", q); err != nil {
			t.Fatal(err)
		}
	}
	mode(control.ModeRequest{Mode: "off", By: "ann", Reason: "wrong reads"})
	c.handle("c1", "e1", "read it later")
	c.handle("c1", "e2", "hm")
	mode(control.ModeRequest{Mode: "shadow", Reason: "a look"})
	c.handle("c2", "e3", "read")
	mode(control.ModeRequest{Mode: "live", Share: "0.01%", By: "bob"})
	c.handle("c3", "e4", "read")
	mode(control.ModeRequest{Reset: true})
	off := "off by ann: wrong reads"
	for _, of := range []string{"e1", "c1"} {
		e := c.explain(control.ExplainQuery{Of: of}).Events[0]
		c.expectOutcome(e, "not_read", "p/read at rules/p.lua:2 matched, and did not run: pack_off ("+off+")")
		if len(e.Rules) != 1 || e.Rules[0].Skipped != rules.SkippedPackOff || e.Rules[0].Note != off {
			t.Errorf("the rule of a pack that is off: %+v", e.Rules)
		}
	}
	i := slices.IndexFunc(c.explainOne("e1").NotMatch, func(o control.ExplainedOther) bool { return o.Rule == "later" })
	if i < 0 || fmt.Sprint(c.explainOne("e1").NotMatch[i].Why) != "[its pack was "+off+"]" {
		t.Errorf("another rule of it whose conditions hold: %+v", c.explainOne("e1").NotMatch)
	}
	c.expectOutcome(c.explainOne("e2"), "not_read", "no rule matched it")
	for id, want := range map[string]string{"e3": "shadow by command: a look", "e4": "shadow outside the pack's share of 0.01%, by bob"} {
		if e := c.explainOne(id); len(e.Rules) != 1 || !e.Rules[0].Shadow || e.Rules[0].Note != want {
			t.Errorf("%s: %+v, want %q", id, e.Rules, want)
		}
	}
}
