package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var commitTests = map[string]func(*testing.T, *bench){
	"a transition is kept whole":                   keptWhole,
	"a batch is kept in order":                     keptInOrder,
	"a repeated commit changes nothing":            commitRepeated,
	"a conflict keeps nothing of the batch":        conflictKeepsNothing,
	"a conflict fails no other batch":              conflictAlone,
	"concurrent counters lose nothing":             counters,
	"caused events are journaled once":             causedOnce,
	"a commit that can't be encoded keeps nothing": unencodable,
}

func keptWhole(t *testing.T, b *bench) {
	seq := b.append(arrival("e1", "c1"))[0]
	action := read(seq, 0, "c1", noon.Add(time.Minute))
	timer := chat.Timer{Pack: "codes", Name: "again", Version: "v1", Rule: "wait", Due: noon.Add(time.Hour), Payload: json.RawMessage(`{"n": 1}`), Seq: seq, N: 1}
	c := chat.Chat{ID: "c1", Line: "+1", LastEvent: seq, LastMessage: "m1", Recent: chat.Messages{
		IDs: []string{"m1", "g1"}, Newest: []string{"m1", "g1", "1767614400/00ff"},
		Replies: []chat.Reply{{Seq: seq, Keys: []string{"g2"}, SeenBy: map[string]int64{"codes": seq, "late": 0}}},
	}, Waiting: []chat.Action{action}, Timers: []chat.Timer{timer}}
	d := &turn.Decision{Seq: seq, At: noon, Actions: 1, Packs: map[string]string{"codes": "v1"}, Rules: []turn.RuleDecision{{Pack: "codes", Version: "v1", Rule: "r", Place: "codes.lua:1", Steps: 9}}}
	b.commit(turn.Transition{
		Decision: d, Chat: &c, Actions: c.Waiting, Timers: []chat.TimerChange{{Timer: timer}},
		States: []turn.State{{Pack: "codes", Chat: "c1", Value: json.RawMessage(`{"seen": 1}`)}},
		Writes: []turn.KV{{Pack: "codes", Key: "k", Value: json.RawMessage(`1`)}},
		Append: []turn.Arrival{arrival("e2", "c2")},
	})
	for _, when := range []string{"immediately", "reopened"} {
		b.equal(when+": chat", b.chat("c1"), c)
		r := b.record("e1")
		b.equal(when+": decision", r.Decision, d)
		b.equal(when+": actions", r.Actions, c.Waiting)
		state, err := b.s.State(t.Context(), "codes", "c1")
		b.must(err)
		b.equal(when+": state", string(state), `{"seen": 1}`)
		kv, err := b.s.KV(t.Context(), "codes", "k", noon)
		b.must(err)
		b.equal(when+": kv", kv, turn.KV{Pack: "codes", Key: "k", Value: json.RawMessage(`1`), Version: 1})
		b.equal(when+": pending", b.pending(store.Shard{Of: 1}), []int64{seq + 1})
		b.reopen()
	}
}

func keptInOrder(t *testing.T, b *bench) {
	seqs := b.append(arrival("e1", "c1"), arrival("e2", "c1"))
	var batch []turn.Transition
	for i, seq := range seqs {
		batch = append(batch, turn.Transition{
			Decision: &turn.Decision{Seq: seq, At: noon},
			Chat:     &chat.Chat{ID: "c1", LastEvent: seq},
			States:   []turn.State{{Pack: "p", Chat: "c1", Value: json.RawMessage(fmt.Sprint(i))}},
			Reads:    []turn.KV{{Pack: "p", Key: "k", Version: int64(i)}}, // as the one before left it
			Writes:   []turn.KV{{Pack: "p", Key: "k", Value: json.RawMessage(fmt.Sprint(i))}},
		})
	}
	b.commit(batch...)
	b.equal("chat", b.chat("c1"), chat.Chat{ID: "c1", LastEvent: seqs[1]})
	state, err := b.s.State(t.Context(), "p", "c1")
	b.must(err)
	b.equal("state", string(state), "1")
	kv, err := b.s.KV(t.Context(), "p", "k", noon)
	b.must(err)
	b.equal("kv", kv, turn.KV{Pack: "p", Key: "k", Value: json.RawMessage(`1`), Version: 2})
}

func commitRepeated(t *testing.T, b *bench) {
	seq := b.append(arrival("e1", "c1"))[0]
	action := read(seq, 0, "c1", noon)
	c := chat.Chat{ID: "c1", LastEvent: seq, Waiting: []chat.Action{action}}
	tr := turn.Transition{
		Decision: &turn.Decision{Seq: seq, At: noon, Note: "first"}, Chat: &c, Actions: c.Waiting,
		Append: []turn.Arrival{arrival("e2", "c2")},
	}
	b.commit(tr)
	tr.Decision = &turn.Decision{Seq: seq, At: noon.Add(time.Second), Note: "second"}
	b.commit(tr)
	r := b.record("e1")
	b.equal("decision", r.Decision, tr.Decision)
	b.equal("actions", r.Actions, c.Waiting)
	b.equal("chat", b.chat("c1"), c)
	b.equal("pending", b.pending(store.Shard{Of: 1}), []int64{seq + 1})
}

func conflictKeepsNothing(t *testing.T, b *bench) {
	seqs := b.append(arrival("e1", "c1"), arrival("e2", "c2"))
	b.commit(turn.Transition{Writes: []turn.KV{{Pack: "p", Key: "k", Value: json.RawMessage(`1`)}}})
	announced := 0
	b.s.Journaled(func(list []turn.Entry) { announced += len(list) })
	before := b.s.LastSeq()
	err := b.s.Commit(t.Context(), []turn.Transition{
		{
			Decision: &turn.Decision{Seq: seqs[0], At: noon}, Chat: &chat.Chat{ID: "c1", LastEvent: seqs[0]},
			Actions: []chat.Action{read(seqs[0], 0, "c1", noon)}, States: []turn.State{{Pack: "p", Chat: "c1", Value: json.RawMessage(`1`)}},
			Writes: []turn.KV{{Pack: "p", Key: "other", Value: json.RawMessage(`1`)}}, Append: []turn.Arrival{arrival("e3", "c1")},
		},
		{
			Decision: &turn.Decision{Seq: seqs[1], At: noon},
			Reads:    []turn.KV{{Pack: "p", Key: "k", Version: 0}}, // is 1 by now
		},
	})
	if !errors.Is(err, store.ErrConflict) {
		t.Fatalf("error %v, want a conflict", err)
	}
	b.reopen()
	b.equal("pending", b.pending(store.Shard{Of: 1}), seqs)
	b.equal("chat", b.chat("c1"), chat.Chat{ID: "c1"})
	r := b.record("e1")
	if r.Decision != nil || len(r.Actions) != 0 {
		t.Errorf("kept of e1: %s", show(r))
	}
	if state, err := b.s.State(t.Context(), "p", "c1"); err != nil || state != nil {
		t.Errorf("kept state %s, %v", state, err)
	}
	if kv, err := b.s.KV(t.Context(), "p", "other", noon); err != nil || kv.Value != nil || kv.Version != 0 {
		t.Errorf("kept kv %s, %v", show(kv), err)
	}
	if _, ok, err := b.s.Event(t.Context(), "e3"); ok || err != nil || announced != 0 || b.s.LastSeq() != before {
		t.Errorf("e3 is in the journal: %t, %v; %d announced, last sequence %d, was %d", ok, err, announced, b.s.LastSeq(), before)
	}
}

// conflictAlone commits, from many goroutines concurrently, batches of which every
// other one conflicts: whatever is made durable together, those are refused
// and the rest is kept.
func conflictAlone(t *testing.T, b *bench) {
	var arrivals []turn.Arrival
	for i := range 200 {
		arrivals = append(arrivals, arrival(fmt.Sprint("e", i), fmt.Sprint("c", i)))
	}
	seqs := b.append(arrivals...)
	var wg sync.WaitGroup
	for i, seq := range seqs {
		wg.Go(func() {
			err := b.s.Commit(background, []turn.Transition{{
				Decision: &turn.Decision{Seq: seq, At: noon},
				Reads:    []turn.KV{{Pack: "p", Key: fmt.Sprint("never", i), Version: int64(i % 2)}},
			}})
			if conflict := errors.Is(err, store.ErrConflict); conflict != (i%2 == 1) || err != nil && !conflict {
				t.Errorf("commit %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	want := []int64{}
	for i, seq := range seqs {
		if i%2 == 1 {
			want = append(want, seq)
		}
	}
	b.equal("pending", b.pending(store.Shard{Of: 1}), want)
}

func counters(t *testing.T, b *bench) {
	const sides, rounds = 6, 25
	var wg sync.WaitGroup
	for range sides {
		wg.Go(func() {
			for range rounds {
				for {
					kv, err := b.s.KV(background, "p", "count", noon)
					if err != nil {
						t.Errorf("read: %v", err)
						return
					}
					n := 0
					if kv.Value != nil {
						json.Unmarshal(kv.Value, &n)
					}
					err = b.s.Commit(background, []turn.Transition{{
						Reads:  []turn.KV{kv},
						Writes: []turn.KV{{Pack: "p", Key: "count", Value: json.RawMessage(fmt.Sprint(n + 1))}},
					}})
					if err == nil {
						break
					}
					if !errors.Is(err, store.ErrConflict) {
						t.Errorf("commit: %v", err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	kv, err := b.s.KV(t.Context(), "p", "count", noon)
	b.must(err)
	b.equal("count", kv, turn.KV{Pack: "p", Key: "count", Value: json.RawMessage(fmt.Sprint(sides * rounds)), Version: sides * rounds})
}

func causedOnce(t *testing.T, b *bench) {
	seq := b.append(arrival("e1", "c1"))[0]
	caused := arrival("e2", "c1")
	caused.Cause = seq
	other := arrival("e3", "c2")
	b.commit(turn.Transition{Append: []turn.Arrival{caused, arrival("e1", "c9"), caused}}, turn.Transition{Append: []turn.Arrival{caused, other}})
	b.equal("pending", b.pending(store.Shard{Of: 1}), []int64{seq, seq + 1, seq + 2})
	b.equal("e2", b.record("e2").Entry, turn.Entry{Seq: seq + 1, Arrival: caused})
	b.equal("e3", b.record("e3").Entry, turn.Entry{Seq: seq + 2, Arrival: other})
}

func unencodable(t *testing.T, b *bench) {
	seq := b.append(arrival("e1", "c1"))[0]
	err := b.s.Commit(t.Context(), []turn.Transition{{Decision: &turn.Decision{Seq: seq, At: noon, Rules: []turn.RuleDecision{{
		Pack: "p", Logs: []turn.Log{{Level: "info", Msg: "x", Fields: map[string]any{"f": func() {}}}},
	}}}}})
	if err == nil {
		t.Error("a function among a log's fields was kept")
	}
	b.equal("pending", b.pending(store.Shard{Of: 1}), []int64{seq})
	b.commit(turn.Transition{Decision: &turn.Decision{Seq: seq, At: noon}})
	b.equal("pending", b.pending(store.Shard{Of: 1}), []int64{})
}
