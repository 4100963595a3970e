package turn

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// blocks has what blocks reads of one chat.
type blocks struct{ b *Blockade }

func (b blocks) Blockade(context.Context, string) (*Blockade, error) { return b.b, nil }

// setOf is a set of one pack.
func setOf(t testing.TB, source string) *rules.Set {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.lua")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	set, diags := rules.Load([]string{file}, rules.Options{}).Set()
	if diags.Errors() {
		t.Fatal(diags)
	}
	return set
}

// A rule that failed runs again in its next version: the event has failed no more,
// its read waits from then, and the decision has both runs.
func TestRerunTakesThePlaceOfTheFailure(t *testing.T) {
	t.Parallel()
	const veto = `
chert.on("message.received", { text = "keep" }, function(ev) chert.keep_unread(ev.chat.id) end)`
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	e := &Entry{Seq: 1, Arrival: Arrival{Event: event.Event{
		ID: "e1", Type: event.MessageReceived, Text: "hello", Chat: &event.Chat{ID: "c1"}, Message: &event.Message{ID: "m1", Direction: "inbound"},
	}}}
	b := &Blockade{Key: "c1"}
	tr := Turn{Now: now, Chat: &chat.Chat{ID: "c1"}, Memory: &Memory{}, Blocks: blocks{b}}
	tr.Set = setOf(t, `chert.on("message.received", function(ev) error("oh") end)`+veto)
	first, err := tr.Handle(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Decision.Failed || !first.Blocked || len(first.Missed) != 1 || first.Missed[0].Why != rules.MissedFailed {
		t.Fatalf("the first run: %+v, missed %+v", first.Decision, first.Missed)
	}
	b.Apply(&first.Transition)

	tr.Set = setOf(t, `chert.rule({ name = "r", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "30s" }) end })`+veto)
	tr.Now, tr.Chat = now.Add(30*time.Minute), first.Chat
	r, err := tr.Rerun(t.Context(), e, first.Decision, now)
	if err != nil {
		t.Fatal(err)
	}
	if ran, err := r.Run(t.Context(), &first.Missed[0]); ran.Missed != nil || !ran.Changed || err != nil {
		t.Fatalf("the pack missed it again: %+v, %v", ran, err)
	}
	d, before, ok, err := r.End(t.Context())
	if err != nil || !ok || before != 1 || d.Decision.Failed || len(first.Decision.Rules) != 1 {
		t.Fatalf("ended: %t, %v; %d rules before, decision %+v", ok, err, before, d.Decision)
	}
	again := d.Decision.Rules[1]
	if !slices.Equal(again.Asked, []string{"mark_read after 30s"}) || !again.Rerun.Equal(tr.Now) {
		t.Errorf("the second run is %+v, want a read 30 s after it", again)
	}
	if len(d.Made) != 1 || len(b.Rows) != 0 || len(d.Actions) != 1 || d.Actions[0].Status != chat.Waiting || !d.Actions[0].Due.Equal(tr.Now.Add(30*time.Second)) {
		t.Errorf("made up for %v, left %v, actions %+v", d.Made, b.Rows, d.Actions)
	}
}

// A request that leaves no action and is not carried out stands with its rule.
func TestDecisionNamesWhatWasRefused(t *testing.T) {
	t.Parallel()
	set := setOf(t, `chert.on("timer:t", function(ev) chert.set_timer("t", "1m") end)`)
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	timer := chat.Timer{Pack: "p", Name: "t", Due: now, Seq: 1, Depth: chat.MaxDepth, Fired: true}
	tr := Turn{Set: set, Now: now, Chat: &chat.Chat{ID: "c1", Timers: []chat.Timer{timer}}, Memory: &Memory{}}
	d, err := tr.Handle(t.Context(), &Entry{Seq: 2, Arrival: TimerFired("c1", &timer, now)})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Decision.Rules) != 1 || !slices.Equal(d.Decision.Rules[0].Refused, []string{`set_timer "t" after 1m (too_deep)`}) {
		t.Errorf("the decision is %+v", d.Decision.Rules)
	}
	if len(d.Chat.Timers) != 0 {
		t.Errorf("timers of the chat are %+v", d.Chat.Timers)
	}
}
