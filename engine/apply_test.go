package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules/chat"
)

// applyRules are live while reads of other rules are applied.
const applyRules = `
chert.rule({ name = "keep", on = "message.received", where = { text = "keep" }, run = function(ev)
  chert.keep_unread(ev.chat.id)
end })
chert.rule({ name = "codes", on = "message.received", where = { text = "code" }, run = function(ev)
  chert.mark_read(ev.chat.id)
end })
chert.rule({ name = "later", on = "message.received", where = { text = "later" }, run = function(ev)
  chert.mark_read(ev.chat.id, { after = "1h" })
end })
chert.rule({ name = "hold", on = "message.received", where = { text = "lawyer" }, run = function(ev)
  chert.hold(ev.chat.id, "1h")
end })
chert.rule({ name = "night", on = "message.received", where = { text = "night" }, run = function(ev)
  chert.postpone(ev.chat.id, { after = "8h" })
end })
`

// applied is a read of a chat that covers an event.
func applied(chatID, event string) control.ApplyRead {
	return control.ApplyRead{Chat: chatID, Event: event, Rule: "new/read all", Place: "next/new.lua:7", Version: "0123456789abcdef", Reason: "no more codes"}
}

func (c *crew) apply(batch string, dry bool, reads ...control.ApplyRead) control.ApplyResult {
	c.t.Helper()
	out, err := c.m.Apply(ctx, control.ApplyRequest{Batch: batch, By: "ana", Reason: "codes were left", Reads: reads, DryRun: dry})
	if err != nil || len(out.Reads) != len(reads) {
		c.t.Fatalf("apply: %+v, %v", out, err)
	}
	return out
}

// became describes what became of an applied read.
func became(r *control.AppliedNow) string {
	return strings.TrimRight(strings.Join([]string{r.Status, r.Why, r.EndedBy}, " "), " ")
}

// A read that is applied meets what has become of its chat since, and a dry run says it before.
func TestAppliedReadIsLikeAnyOther(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", applyRules)
	c.eng.Pause(true)
	tests := []struct {
		chat  string
		texts []string // messages; the read covers the first
		do    func()
		want  string // of the dry run
		waits string // for what, in the dry run
		ends  string // actions of the chat, once calls are made
	}{
		{"plain", []string{"hello"}, nil, "waiting", "call", "read done (read)"},
		{"vetoed", []string{"keep"}, nil, "dropped vetoed", "", "read dropped (vetoed)"},
		{"vetoed later", []string{"hello", "keep"}, nil, "dropped vetoed", "", "read dropped (vetoed)"},
		{"newer", []string{"hello", "and more"}, nil, "dropped superseded", "", "read dropped (superseded)"},
		{"newer, read later", []string{"hello", "later"}, nil, "waiting", "newer", "read waiting, read waiting"},
		{"held", []string{"hello"}, func() {
			if _, err := c.m.Hold(ctx, control.HoldRequest{Chat: "held"}); err != nil {
				t.Fatal(err)
			}
		}, "dropped held operator", "", "read dropped (held)"},
		{"released", []string{"hello"}, func() {
			if _, err := c.m.Hold(ctx, control.HoldRequest{Chat: "released"}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.m.Release(ctx, control.ReleaseRequest{Chat: "released"}); err != nil {
				t.Fatal(err)
			}
		}, "waiting", "call", "read done (read)"},
		{"held by a rule", []string{"hello", "lawyer"}, nil, "dropped vetoed", "", "read dropped (vetoed)"},
		{"postponed", []string{"night"}, nil, "waiting", "postponed", "read waiting"},
	}
	for _, test := range tests {
		for i, text := range test.texts {
			c.handle(test.chat, fmt.Sprintf("%s %d", test.chat, i), text)
		}
		if test.do != nil {
			test.do()
		}
		read := applied(test.chat, test.chat+" 0")
		before := c.st.LastSeq()
		try := c.apply("b1", true, read).Reads[0]
		if got := became(&try); got != test.want && !strings.HasPrefix(got, test.want+" ") || try.For != test.waits || try.Event != "" || c.st.LastSeq() != before {
			t.Errorf("%s: in a dry run it is %+v, want %q for %q", test.chat, try, test.want, test.waits)
		}
		out := c.apply("b1", false, read)
		if got := out.Reads[0]; got.Status != "waiting" && became(&got) != became(&try) || got.Event == "" || got.Again || len(out.Waits) == 0 {
			t.Errorf("%s: it is %+v, and in a dry run %+v", test.chat, got, try)
		}
	}
	c.eng.Pause(false)
	for _, test := range tests {
		c.endedAs(test.chat, test.ends)
	}
	x := c.explainOne("plain 0")
	if x.Outcome != control.OutcomeRead && !strings.Contains(x.Summary, "batch b1") {
		t.Errorf("explain of the message says %s: %s", x.Outcome, x.Summary)
	}
	all := c.explain(control.ExplainQuery{Of: "plain"})
	last := all.Events[len(all.Events)-1]
	if !strings.Contains(last.Note, "requested by ana with chertd apply, batch b1, for new/read all (next/new.lua:7, version 01234567): codes were left") || last.Actions[0].Reason != "no more codes" || last.Actions[0].Version != "0123456789abcdef" {
		t.Errorf("explain of the chat says %q, %+v", last.Note, last.Actions[0])
	}
}

// Which of two messages is newer depends on when they were sent: a read of one that arrived late does not
// read the one that was sent after it.
func TestAppliedReadOfALateMessageLeavesNewerOnesUnread(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", applyRules+`
chert.rule({ name = "fails", on = "message.received", where = { text = "boom" }, run = function(ev) error("broken") end })
`)
	c.eng.Pause(true)
	said := func(chatID, id, text string, sent int) {
		c.t.Helper()
		c.wait(c.give(fmt.Sprintf(`{"event_type":"message.received","event_id":%q,"data":{"chat":{"id":%q,"is_group":false},
			"message":{"id":"m-%[1]s","direction":"inbound","sent_at":"2026-01-05T12:00:%02[4]dZ","parts":[{"type":"text","value":%[3]q}]}}}`, id, chatID, text, sent)),
			func() bool { return c.handled(id) != nil })
	}
	for newer, want := range map[string]string{"keep": "dropped vetoed a/keep", "hello": "dropped superseded", "boom and a code": "blocked blocked", "boom": "dropped superseded", "later": "waiting"} {
		said(newer, newer+" 2", newer, 20)
		said(newer, newer+" 1", "hello", 10)
		try := c.apply("b1", true, applied(newer, newer+" 1")).Reads[0]
		did := c.apply("b1", false, applied(newer, newer+" 1")).Reads[0]
		if became(&try) != want || became(&did) != want {
			t.Errorf("after %q it is %+v, in a dry run %+v, want %s", newer, did, try, want)
		}
	}
}

// Blocked reads of a batch are listed and cancelled with it.
func TestBlockedReadsOfABatchAreCancelled(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", applyRules+`
chert.rule({ name = "fails", on = "message.received", where = { text = "boom" }, run = function(ev) error("broken") end })
`)
	c.eng.Pause(true)
	c.handle("c1", "e1", "boom")
	c.handle("c2", "e2", "hello")
	c.handle("c3", "e3", "boom and a code") // a live read, blocked as well
	if r := c.apply("b1", false, applied("c1", "e1"), applied("c2", "e2")); r.Reads[0].Status != "blocked" || r.Reads[1].Status != "waiting" {
		t.Fatalf("applied: %+v", r)
	}
	where := "rule=" + chat.AppliedRule("b1")
	if w := c.waiting(where); w.Matched != 2 || w.Chats != 2 || len(w.For) != 2 {
		t.Errorf("the batch waits as %+v", w)
	}
	if got := c.chosen("for=blocked"); got != "c1 c3" && got != "c3 c1" {
		t.Errorf("blocked are %s", got)
	}
	out, err := c.m.HurryWaiting(ctx, control.WaitingRequest{Where: []string{where}, Confirm: true})
	if err != nil || out.Done != 1 || out.Changed != 1 {
		t.Errorf("made due: %+v, %v", out, err)
	}
	out, err = c.m.CancelWaiting(ctx, control.WaitingRequest{Where: []string{where}, Confirm: true})
	if err != nil || out.Done != 2 || out.Matched != 2 {
		t.Errorf("cancelled: %+v, %v", out, err)
	}
	c.expectActions("after the cancel", "c1", "read dropped (cancelled_by_operator)")
	c.expectActions("the live one", "c3", "read blocked (blocked)")
	c.write("a.lua", applyRules) // it works again: what it missed runs
	c.reload()
	c.wait("the live read to wait", func() bool { return c.actions("c3") == "read waiting" })
	c.eng.Pause(false)
	c.endedAs("c3", "read done (read)")
	c.expectActions("once the pack works", "c1", "read dropped (cancelled_by_operator)")
	if n := c.called("c1") + c.called("c2"); n > 0 {
		t.Errorf("%d calls were made for cancelled reads", n)
	}
}

// Messages come while a read waits: a newer one decides.
func TestMessagesAfterAnAppliedReadDecide(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", applyRules)
	c.eng.Pause(true)
	for id, text := range map[string]string{"more": "and more", "veto": "keep", "code": "a code", "hold": "the lawyer"} {
		c.handle(id, id+" 0", "hello")
		c.apply("b1", false, applied(id, id+" 0"))
		c.handle(id, id+" 1", text)
	}
	c.expectActions("a newer message", "more", "read dropped (superseded)")
	c.expectActions("a veto", "veto", "read dropped (vetoed)")
	c.expectActions("a hold", "hold", "read dropped (vetoed)")
	c.eng.Pause(false)
	c.wait("one call to serve both reads", func() bool {
		got := c.actions("code")
		return strings.Contains(got, "read done (coalesced)") && strings.Contains(got, "read done (read)")
	})
}

// A batch that is sent again requests nothing again, also after its reads are done.
func TestApplyingABatchAgainChangesNothing(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", applyRules)
	c.eng.Pause(true)
	c.handle("c1", "e1", "hello")
	first := c.apply("b1", false, applied("c1", "e1")).Reads[0]
	second := c.apply("b1", false, applied("c1", "e1")).Reads[0]
	if first.Again || !second.Again || first.Event != second.Event || second.Status != "waiting" {
		t.Errorf("first %+v, second %+v", first, second)
	}
	c.expectActions("twice in a batch", "c1", "read waiting")
	if _, err := c.m.CancelWaiting(ctx, control.WaitingRequest{Where: []string{"rule=" + chat.AppliedRule("b1")}, Confirm: true}); err != nil {
		t.Fatal(err)
	}
	if again := c.apply("b1", false, applied("c1", "e1")).Reads[0]; became(&again) != "dropped cancelled_by_operator operator" {
		t.Errorf("a cancelled batch is %+v", again)
	}
	other := c.apply("b2", false, applied("c1", "e1")).Reads[0]
	if other.Again || other.Status != "waiting" {
		t.Errorf("another batch is %+v", other)
	}
	c.eng.Pause(false)
	c.endedAs("c1", "read done (read), read dropped (cancelled_by_operator)")
	if r := c.apply("b3", false, applied("c1", "e1")).Reads[0]; became(&r) != "dropped already_read" || r.Event != "" {
		t.Errorf("what is read already is %+v", r)
	}
	for _, wrong := range []control.ApplyRead{applied("c1", "nosuch"), applied("c2", "e1")} {
		if r := c.apply("b4", false, wrong).Reads[0]; became(&r) != "dropped no_event" || r.Event != "" {
			t.Errorf("an event that is not in the chat: %+v", r)
		}
	}
}

// The reads of a batch are cancelled together, and leave others alone. They outlive a restart.
func TestABatchIsCancelledAsOne(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", applyRules)
	c.paused = true
	c.eng.Pause(true)
	var reads []control.ApplyRead
	for i := range 5 {
		id := fmt.Sprintf("c%d", i)
		c.handle(id, "e"+id, "hello")
		reads = append(reads, applied(id, "e"+id))
	}
	c.handle("live", "e9", "a code")
	reads[4].Due = c.now().Add(time.Hour)
	reads[3].OnlyIf = "answered"
	c.apply("mine", false, reads...)
	c.apply("other", false, reads[0])
	c.stop()
	c.start()
	if w := c.waiting("rule=" + chat.AppliedRule("mine")); w.Matched != 5 || w.Waiting[4].For != "delay" {
		t.Errorf("after a restart, %+v waits", w)
	}
	out, err := c.m.CancelWaiting(ctx, control.WaitingRequest{Where: []string{"rule=" + chat.AppliedRule("mine")}, Confirm: true})
	if err != nil || out.Done != 5 {
		t.Errorf("cancelled: %+v, %v", out, err)
	}
	if got := c.chosen(); got != "live c0" && got != "c0 live" {
		t.Errorf("%s waits", got)
	}
	// The store and the queue agree that an applied read yields to new ones.
	due, err := c.st.CallsDue(ctx, "+14150000000", store.Due{}, 10)
	if err != nil || len(due) != 2 {
		t.Fatalf("due: %+v, %v", due, err)
	}
	for _, d := range due {
		if d.Retry != (d.Chat == "c0") {
			t.Errorf("the call of %s yields: %v", d.Chat, d.Retry)
		}
	}
}

// A dry run says what becomes of a read, whatever has happened in its chat.
func TestDryRunOfApplyIsRight(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", applyRules)
	c.eng.Pause(true)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		id := fmt.Sprintf("c%d", n)
		count := rapid.IntRange(1, 5).Draw(rt, "messages")
		for i := range count {
			c.handle(id, fmt.Sprintf("%s %d", id, i), rapid.SampledFrom([]string{"hello", "keep", "a code", "later", "lawyer", "night"}).Draw(rt, "text"))
		}
		read := applied(id, fmt.Sprintf("%s %d", id, rapid.IntRange(0, count-1).Draw(rt, "covers")))
		if rapid.Bool().Draw(rt, "due later") {
			read.Due = c.now().Add(2 * time.Hour)
		}
		read.OnlyIf = rapid.SampledFrom([]string{"", "answered"}).Draw(rt, "only_if")
		try := c.apply("b", true, read).Reads[0]
		// A hold drops the read once its turn comes.
		if did := c.apply("b", false, read).Reads[0]; became(&did) != became(&try) && try.Why != chat.WhyHeld {
			rt.Errorf("it is %+v, and in a dry run %+v; the chat has %s", did, try, c.actions(id))
		}
	})
}

func TestMalformedApplyRequestsAreRefused(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", applyRules)
	fine := applied("c1", "e1")
	with := func(change func(*control.ApplyRead)) []control.ApplyRead {
		r := fine
		change(&r)
		return []control.ApplyRead{fine, r}
	}
	for want, in := range map[string]control.ApplyRequest{
		`batch: "" is not a name`:       {Reads: []control.ApplyRead{fine}},
		`batch: "a b"`:                  {Batch: "a b", Reads: []control.ApplyRead{fine}},
		"this one has 0":                {Batch: "b"},
		"this one has 501":              {Batch: "b", Reads: make([]control.ApplyRead, 501)},
		"reads[1].chat: it is missing":  {Batch: "b", Reads: with(func(r *control.ApplyRead) { r.Chat = "" })},
		"reads[1].event: it is missing": {Batch: "b", Reads: with(func(r *control.ApplyRead) { r.Event = "" })},
		"reads[1].rule: it is longer":   {Batch: "b", Reads: with(func(r *control.ApplyRead) { r.Rule = strings.Repeat("x", 513) })},
		`reads[1].only_if: "never" is`:  {Batch: "b", Reads: with(func(r *control.ApplyRead) { r.OnlyIf = "never" })},
		"has the notifications of a":    {Batch: "b", Reads: with(func(r *control.ApplyRead) { r.Chat = chat.NotifyChat("x") })},
		"reason: line breaks and other": {Batch: "b", Reads: []control.ApplyRead{fine}, Reason: "a\nb"},
		"by: it is longer than 100":     {Batch: "b", Reads: []control.ApplyRead{fine}, By: strings.Repeat("x", 101)},
	} {
		_, err := c.m.Apply(ctx, in)
		user := (*control.UserError)(nil)
		if !errors.As(err, &user) || !strings.Contains(user.Message, want) || user.Hint == "" {
			t.Errorf("%q: the error is %v", want, err)
		}
	}
	if seq := c.st.LastSeq(); seq != 0 {
		t.Errorf("the journal has %d entries", seq)
	}
}
