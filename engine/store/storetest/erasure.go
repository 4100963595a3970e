package storetest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// textsErased: what people and rules wrote goes from handled events, however young, and from
// no other; what is still to be called stays.
func textsErased(t *testing.T, b *bench) {
	gone, other, open, pending := b.wordy("e1", "c1"), b.wordy("e2", "c2"), b.wordy("e3", "c3"), b.wordy("e4", "c1")
	outcome := wordyOutcome(gone, "c1", chat.Done)
	outcome.Actions[0].Error, outcome.Actions[0].Reason = "secret", "secret"
	outcome.Attempts = []chat.Attempt{{Action: outcome.Actions[0].ID, CallOf: outcome.Actions[0].ID, N: 1, At: noon, HTTP: 502, Error: "secret"}}
	outcome.Decision.Note = "carries a request; refused: send \"secret\" (too_deep)"
	outcome.Decision.Rules[0].Asked, outcome.Decision.Rules[0].Refused = []string{"send secret"}, []string{"send secret"}
	waits := wordyOutcome(open, "c3", chat.Waiting)
	waits.Actions[0].Error, waits.Actions[0].Reason = "secret", "secret"
	b.commit(outcome, wordyOutcome(other, "c2", chat.Done), waits)
	for _, reopened := range []bool{false, true} {
		n, err := b.s.EraseTexts(background, []int64{gone, open, pending, 999})
		b.must(err)
		if want := map[bool]int{false: 2, true: 0}[reopened]; n != want {
			t.Errorf("%d events are erased, want %d (repeated: %t)", n, want, reopened)
		}
		if text := show(b.record("e1")); strings.Contains(text, "secret") || !strings.Contains(text, "codes.lua:1") {
			t.Errorf("e1 is %s", text)
		}
		attempts, err := b.s.Attempts(background, []chat.ActionID{outcome.Actions[0].ID})
		b.must(err)
		if len(attempts) != 1 || attempts[0].Error != "" || attempts[0].HTTP != 502 {
			t.Errorf("its attempts are %+v, want one without its error", attempts)
		}
		b.equal("its note", b.record("e1").Decision.Note, "carries a request")
		b.equal("another event's text", b.record("e2").Event.Text, "secret")
		b.equal("a pending event's text", b.record("e4").Event.Text, "secret")
		b.equal("what is still to be sent", string(b.record("e3").Actions[0].Body), `{"text":"secret"}`)
		b.equal("the reason of what waits, and its last answer", b.record("e3").Actions[0].Reason+b.record("e3").Actions[0].Error, "")
		b.must(b.s.Scrub(background))
		b.reopen()
	}
	n, err := b.s.EraseTexts(background, nil)
	b.must(err)
	b.equal("erased of no event", n, 0)
}

func statePacks(t *testing.T, b *bench) {
	seq := b.append(arrival("e1", "c1"))[0]
	b.commit(turn.Transition{
		Decision: &turn.Decision{Seq: seq, At: noon},
		States:   []turn.State{{Pack: "a", Chat: "c1", Value: json.RawMessage(`1`)}, {Pack: "b", Chat: "c2", Value: json.RawMessage(`1`)}, {Pack: "c", Chat: "c1", Value: json.RawMessage(`1`)}},
		Writes:   []turn.KV{{Pack: "kv2", Key: "k", Value: json.RawMessage(`1`)}, {Pack: "kv1", Key: "k", Value: json.RawMessage(`1`)}},
	})
	for chatID, want := range map[string][]string{"c1": {"a", "c"}, "c2": {"b"}, "c3": nil} {
		got, err := b.s.StatePacks(background, chatID)
		b.must(err)
		b.equal("packs with a state of "+chatID, got, want)
	}
	got, err := b.s.KVPacks(background)
	b.must(err)
	b.equal("packs with kv", got, []string{"kv1", "kv2"})
	// A deleted entry leaves nothing, so that its key names nobody; what read it meanwhile runs again.
	b.commit(turn.Transition{Writes: []turn.KV{{Pack: "kv1", Key: "k"}}})
	b.must(b.s.Scrub(background))
	got, err = b.s.KVPacks(background)
	b.must(err)
	b.equal("packs with kv, once one entry is deleted", got, []string{"kv2"})
	late := turn.Transition{Reads: []turn.KV{{Pack: "kv1", Key: "k", Version: 2}}, Writes: []turn.KV{{Pack: "kv1", Key: "k", Value: json.RawMessage(`2`)}}}
	if err := b.s.Commit(background, []turn.Transition{late}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("what read the deleted entry is committed: %v", err)
	}
}

func unsupportedLines(_ *testing.T, b *bench) {
	check := func(want ...store.UnsupportedLine) {
		b.Helper()
		b.reopen()
		got, err := b.s.UnsupportedLines(background)
		b.must(err)
		b.equal("lines", got, want)
	}
	check()
	one := store.UnsupportedLine{Line: "+1", Since: noon, Until: noon.Add(time.Hour), TraceID: "t1"}
	two := store.UnsupportedLine{Line: "+2", Since: noon, Until: noon.Add(time.Hour)}
	b.must(b.s.SetUnsupportedLine(background, two))
	b.must(b.s.SetUnsupportedLine(background, one))
	check(one, two)
	one.Until = noon.Add(2 * time.Hour)
	b.must(b.s.SetUnsupportedLine(background, one))
	b.must(b.s.DropUnsupportedLine(background, "+2"))
	b.must(b.s.DropUnsupportedLine(background, "+3"))
	check(one)
}
