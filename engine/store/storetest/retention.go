package storetest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var retentionTests = map[string]func(*testing.T, *bench){
	"an old event goes once nothing needs it":         oldEventsGo,
	"a removed event leaves nothing but its id":       removedEvents,
	"a removed event is still a duplicate":            removedIsDuplicate,
	"an id goes only after its event":                 idsGoAfterEvents,
	"texts go before their events":                    textsGo,
	"texts of chosen events are erased":               textsErased,
	"packs that remember a chat are listed":           statePacks,
	"lines without mark-read are kept":                unsupportedLines,
	"an event that may still run keeps its text":      textsStay,
	"each step removes at most its limit":             stepsAreBounded,
	"no sequence is given twice after all is removed": sequencesAfterPruning,
	"what rules and operators keep is never removed":  memoryStays,
	"events come in and are handled during retention": pruneUnderLoad,
	"an old event behind younger ones goes":           outOfOrder,
}

// pruneStep is a method of store.Retention that removes.
type pruneStep func(ctx context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error)

// prune makes steps until there is nothing more to look at, and returns how much they
// removed. It checks that each keeps to its limit, and that a second pass removes
// nothing.
func (b *bench) prune(step pruneStep, before time.Time, limit int) int {
	b.Helper()
	n := b.pass(step, before, limit)
	if again := b.pass(step, before, limit); again != 0 {
		b.Errorf("a second pass removes %d more", again)
	}
	return n
}

func (b *bench) pass(step pruneStep, before time.Time, limit int) (n int) {
	b.Helper()
	var after store.Cursor
	for {
		p, err := step(background, before, after, limit)
		b.must(err)
		if p.Removed > limit || p.Removed < 0 {
			b.Fatalf("a step removed %d, its limit is %d", p.Removed, limit)
		}
		if p.More && p.Next == after {
			b.Fatalf("there is more, but the next step begins at %q like this one", after)
		}
		n, after = n+p.Removed, p.Next
		if !p.More {
			return n
		}
	}
}

// events lists the ids of all events in the journal, oldest first.
func (b *bench) events() (ids []string) {
	b.Helper()
	records, err := b.s.Events(background, "", 0, 1<<20)
	b.must(err)
	for _, r := range records {
		ids = append(ids, r.Event.ID)
	}
	slices.Reverse(ids)
	return ids
}

// old returns an arrival that was received days before noon.
func old(days int, id, chatID string) turn.Arrival {
	a := arrival(id, chatID)
	a.Received = noon.AddDate(0, 0, -days)
	return a
}

// handle commits the decision of an event with one action for each status. Each
// event has a chat of its own.
func (b *bench) handle(seq int64, chatID string, statuses ...chat.Status) {
	b.Helper()
	c := chat.Chat{ID: chatID, Newest: seq, LastEvent: seq}
	t := turn.Transition{Decision: &turn.Decision{Seq: seq, At: noon, Actions: len(statuses)}, Chat: &c}
	for n, status := range statuses {
		a := read(seq, n, chatID, noon)
		if a.Status = status; status == chat.Waiting || status == chat.Sent {
			c.Waiting = append(c.Waiting, a)
		}
		t.Actions = append(t.Actions, a)
	}
	b.commit(t)
}

func oldEventsGo(t *testing.T, b *bench) {
	timer := func(chatID string, seq int64) turn.Transition {
		tm := chat.Timer{Pack: "p", Name: "t", Version: "v", Due: noon, Seq: seq}
		return turn.Transition{Chat: &chat.Chat{ID: chatID, Timers: []chat.Timer{tm}}, Timers: []chat.TimerChange{{Timer: tm}}}
	}
	for i, kind := range []struct {
		name  string
		stays bool
		days  int
		make  func(seq int64, chatID string)
		end   func(seq int64, chatID string) // after it the event may go
	}{
		{"handled", false, 10, func(seq int64, id string) { b.handle(seq, id) }, nil},
		{"with actions that have ended", false, 10, func(seq int64, id string) { b.handle(seq, id, chat.Done, chat.Dropped, chat.Shadowed) }, nil},
		{"young", true, 4, func(seq int64, id string) { b.handle(seq, id, chat.Done) }, nil},
		{"exactly as old", true, 5, func(seq int64, id string) { b.handle(seq, id, chat.Done) }, nil},
		{"pending", true, 10, func(int64, string) {}, func(seq int64, id string) { b.handle(seq, id) }},
		{"with a waiting action", true, 10, func(seq int64, id string) { b.handle(seq, id, chat.Done, chat.Waiting) }, func(seq int64, id string) { b.handle(seq, id, chat.Done, chat.Done) }},
		{"with a sent action", true, 10, func(seq int64, id string) { b.handle(seq, id, chat.Sent) }, func(seq int64, id string) { b.handle(seq, id, chat.Done) }},
		{"with a blocked action", true, 10, func(seq int64, id string) { b.handle(seq, id, chat.Blocked, chat.Done) }, func(seq int64, id string) { b.handle(seq, id, chat.Dropped, chat.Done) }},
		{"with a dead action", true, 10, func(seq int64, id string) { b.handle(seq, id, chat.Done, chat.Dead) }, func(seq int64, id string) { b.handle(seq, id, chat.Done, chat.Dropped) }},
		{"missed", true, 10, func(seq int64, id string) {
			b.handle(seq, id)
			b.commit(turn.Transition{Missed: []turn.Missed{missed("vip", seq, id), missed("codes", seq, id)}})
		}, func(seq int64, id string) {
			b.commit(turn.Transition{Made: []turn.MissedID{{Pack: "vip", Seq: seq}, {Pack: "codes", Seq: seq}}})
		}},
		{"with a timer", true, 10, func(seq int64, id string) {
			b.handle(seq, id)
			b.commit(timer(id, seq))
		}, func(seq int64, id string) {
			tm := chat.Timer{Pack: "p", Name: "t", Version: "v", Due: noon, Seq: seq}
			b.commit(turn.Transition{Chat: &chat.Chat{ID: id}, Timers: []chat.TimerChange{{Timer: tm, Removed: true}}})
		}},
	} {
		id, chatID := fmt.Sprint("e", i), fmt.Sprint("c", i)
		seq := b.append(old(kind.days, id, chatID))[0]
		kind.make(seq, chatID)
		want := []string{id}
		if !kind.stays {
			want = nil
		}
		gone := b.prune(b.s.PruneEvents, noon.AddDate(0, 0, -5), 3)
		b.equal("removed of an event that is "+kind.name, gone, 1-len(want))
		b.equal("events after one that is "+kind.name, b.events(), want)
		if kind.end != nil {
			kind.end(seq, chatID)
			b.equal("removed once it is no longer "+kind.name, b.prune(b.s.PruneEvents, noon.AddDate(0, 0, -5), 3), 1)
		}
		b.prune(b.s.PruneEvents, noon.AddDate(0, 0, 1), 3)
		b.equal("events in the end", b.events(), []string(nil))
	}
}

func removedEvents(t *testing.T, b *bench) {
	seqs := b.append(old(10, "e1", "c1"), old(1, "e2", "c1"), old(10, "e3", ""))
	b.handle(seqs[0], "c1", chat.Done, chat.Dropped)
	b.handle(seqs[1], "c1", chat.Done)
	b.handle(seqs[2], "e3")
	b.equal("removed", b.prune(b.s.PruneEvents, noon.AddDate(0, 0, -5), 100), 2)
	for range 2 {
		if _, ok, err := b.s.Event(background, "e1"); ok || err != nil {
			t.Errorf("event e1: %t, %v", ok, err)
		}
		b.equal("event e2", b.record("e2").Seq, seqs[1])
		b.equal("events", b.events(), []string{"e2"})
		of, err := b.s.Events(background, "c1", 0, 10)
		b.must(err)
		b.equal("events of the chat", len(of), 1)
		records, err := b.s.Records(background, seqs)
		b.must(err)
		b.equal("records", len(records), 1)
		actions, err := b.s.Actions(background, store.ActionFilter{})
		b.must(err)
		b.equal("actions", len(actions), 1)
		b.equal("pending", b.pending(store.Shard{Of: 1}), []int64{})
		b.equal("the chat's newest event", b.chat("c1").LastEvent, seqs[1])
		stats, err := b.s.Stats(background)
		b.must(err)
		stats.Bytes = 0
		b.equal("stats", stats, store.Stats{Events: 1, Chats: stats.Chats, Actions: map[chat.Status]int64{chat.Done: 1}})
		b.reopen()
	}
}

func removedIsDuplicate(t *testing.T, b *bench) {
	seq := b.append(old(10, "e1", "c1"))[0]
	b.handle(seq, "c1")
	b.equal("removed", b.prune(b.s.PruneEvents, noon, 100), 1)
	for range 2 {
		receipts, err := b.s.Append(background, []turn.Arrival{arrival("e1", "c1")})
		b.must(err)
		b.equal("receipt of the same event", receipts, []store.Receipt{{Seq: seq, Duplicate: true}})
		b.equal("events", b.events(), []string(nil))
		if newest, err := b.s.Unhandled(background, "c1"); newest != 0 || err != nil {
			t.Errorf("unhandled: %d, %v", newest, err)
		}
		b.reopen()
	}
}

// idsGoAfterEvents: ids go by the day on which they were journaled, and none of an event
// that is still there.
func idsGoAfterEvents(t *testing.T, b *bench) {
	day := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	seqs := b.append(old(0, "e1", "c1"), old(0, "e2", "c2"))
	b.handle(seqs[0], "c1", chat.Dead) // it stays
	b.handle(seqs[1], "c2")
	b.must(b.s.MarkDay(background, day(0)))
	seqs = append(seqs, b.append(arrival("e3", "c3"))...) // after the mark of day 0: as if on day 1
	b.handle(seqs[2], "c3")
	b.must(b.s.MarkDay(background, day(0).Add(time.Hour))) // not the day's first
	b.must(b.s.MarkDay(background, day(1)))
	seqs = append(seqs, b.append(arrival("e4", "c4"))...)
	b.handle(seqs[3], "c4")
	b.must(b.s.MarkDay(background, day(-9))) // a clock that was wrong
	b.reopen()
	b.prune(b.s.PruneEvents, day(100), 100)
	for _, before := range []int{-20, 0} {
		b.equal("removed before any day", b.prune(b.s.PruneSeen, day(before), 1), 0)
	}
	b.equal("removed of day 0", b.prune(b.s.PruneSeen, day(1), 1), 1)
	b.reopen()
	b.handle(seqs[0], "c1", chat.Dropped)
	b.equal("events removed", b.prune(b.s.PruneEvents, day(100), 100), 1)
	b.equal("removed once its event is", b.prune(b.s.PruneSeen, day(1), 1), 1)
	b.equal("removed of day 1", b.prune(b.s.PruneSeen, day(2), 100), 1)
	b.equal("removed of a day without a mark", b.prune(b.s.PruneSeen, day(100), 100), 0)
	receipts, err := b.s.Append(background, []turn.Arrival{arrival("e2", "c2"), arrival("e4", "c4")})
	b.must(err)
	if receipts[0].Duplicate || receipts[0].Seq <= seqs[3] || !receipts[1].Duplicate {
		t.Errorf("receipts of e2, whose id was removed, and of e4: %+v", receipts)
	}
}

func stepsAreBounded(t *testing.T, b *bench) {
	const events = 40
	for i := range events {
		seq := b.append(old(10, fmt.Sprint("e", i), fmt.Sprint("c", i)))[0]
		b.handle(seq, fmt.Sprint("c", i), chat.Done, chat.Dropped)
	}
	b.must(b.s.MarkDay(background, noon))
	for _, s := range []struct {
		name string
		step pruneStep
	}{{"texts", b.s.PruneTexts}, {"events", b.s.PruneEvents}, {"ids", b.s.PruneSeen}} {
		var after store.Cursor
		total := 0
		for total < events {
			p, err := s.step(background, noon.AddDate(0, 0, 2), after, 7)
			b.must(err)
			if p.Removed != min(7, events-total) || !p.More && total+p.Removed < events {
				t.Fatalf("%s: a step after %d removed %d, more: %t", s.name, total, p.Removed, p.More)
			}
			total, after = total+p.Removed, p.Next
		}
		for range 2 {
			p, err := s.step(background, noon.AddDate(0, 0, 2), after, 7)
			b.must(err)
			b.equal(s.name+": a step after the last", p, store.Pruned{Next: after})
		}
	}
	st, err := b.s.Stats(background)
	b.must(err)
	b.equal("events", st.Events, int64(0))
}

func sequencesAfterPruning(t *testing.T, b *bench) {
	last := int64(0)
	for i := range 4 {
		seq := b.append(old(10, fmt.Sprint("e", i), ""))[0]
		if seq <= last {
			t.Fatalf("sequence %d after %d", seq, last)
		}
		last = seq
		b.handle(seq, "c")
		b.equal("removed", b.prune(b.s.PruneEvents, noon, 10), 1)
		b.reopen()
		b.equal("last sequence after a restart", b.s.LastSeq(), last)
	}
}

func memoryStays(t *testing.T, b *bench) {
	seq := b.append(old(10, "e1", "c1"))[0]
	c := chat.Chat{ID: "c1", LastEvent: seq, LastMessage: "m-e1", Recent: chat.Messages{IDs: []string{"m-e1"}}, Hold: chat.Hold{Until: noon.AddDate(0, 0, 90), By: "vip/keep", Seq: seq}}
	b.commit(turn.Transition{Decision: &turn.Decision{Seq: seq, At: noon}, Chat: &c,
		States: []turn.State{{Pack: "p", Chat: "c1", Value: json.RawMessage(`{"n":1}`)}}, Writes: []turn.KV{write("k", `1`)}})
	b.must(b.s.Quarantine(background, store.Quarantined{Received: noon.AddDate(-1, 0, 0), Source: "webhook", Body: []byte("x")}))
	b.must(b.s.MarkDay(background, noon))
	for _, step := range []pruneStep{b.s.PruneTexts, b.s.PruneEvents, b.s.PruneSeen} {
		b.equal("removed", b.prune(step, noon.AddDate(0, 0, 2), 10), 1)
	}
	b.reopen()
	b.equal("chat", b.chat("c1"), c)
	state, err := b.s.State(background, "p", "c1")
	b.must(err)
	b.equal("state", string(state), `{"n":1}`)
	b.equal("kv", string(b.kv("p", "k", noon).Value), `1`)
	if list, err := b.s.Quarantined(background, 10); len(list) != 1 || err != nil {
		t.Errorf("quarantine: %s, %v", show(list), err)
	}
	holds, _, err := b.s.Holds(background, noon, 10)
	b.must(err)
	b.equal("holds", len(holds), 1)
}

// pruneUnderLoad removes events while others come in and are handled. No young or
// pending event goes, and in the end every old one has gone.
func pruneUnderLoad(t *testing.T, b *bench) {
	b.must(b.s.MarkDay(background, noon.AddDate(0, 0, -200)))
	var sides, retention sync.WaitGroup
	stop := make(chan struct{})
	for _, step := range []pruneStep{b.s.PruneTexts, b.s.PruneEvents, b.s.PruneSeen, b.s.PruneEvents} {
		retention.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var after store.Cursor
				for more := true; more; {
					p, err := step(background, noon.AddDate(0, 0, -5), after, 5)
					if err != nil {
						t.Error(err)
						return
					}
					after, more = p.Next, p.More
				}
			}
		})
	}
	for side := range 4 {
		sides.Go(func() {
			for i := range 40 {
				id := fmt.Sprintf("%d.%d", side, i)
				receipts, err := b.s.Append(background, []turn.Arrival{old(10, "old"+id, "c"+id), arrival("young"+id, "c"+id), old(10, "pending"+id, "c"+id)})
				for n := 0; n < 2 && err == nil; n++ {
					a := read(receipts[n].Seq, 0, "c"+id, noon)
					a.Status = chat.Done
					err = b.s.Commit(background, []turn.Transition{{Decision: &turn.Decision{Seq: receipts[n].Seq, At: noon}, Chat: &chat.Chat{ID: "c" + id}, Actions: []chat.Action{a}}})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	sides.Wait()
	close(stop)
	retention.Wait()
	b.prune(b.s.PruneEvents, noon.AddDate(0, 0, -5), 5)
	st, err := b.s.Stats(background)
	b.must(err)
	st.Bytes = 0
	b.equal("stats", st, store.Stats{Events: 320, Pending: 160, Chats: 160, Actions: map[chat.Status]int64{chat.Done: 160}})
	for _, r := range b.pending(store.Shard{Of: 1}) {
		records, err := b.s.Records(background, []int64{r})
		b.must(err)
		if len(records) != 1 || cmp.Or(records[0].Event.Text, "no text") != "hello" {
			t.Errorf("pending event: %s", show(records))
		}
	}
}

// outOfOrder: a clock that was set back leaves older times behind younger ones.
func outOfOrder(t *testing.T, b *bench) {
	for i, days := range []int{10, 1, 9, 8, 1} {
		id := fmt.Sprint("e", i)
		b.handle(b.append(old(days, id, id))[0], id)
	}
	b.equal("removed", b.prune(b.s.PruneEvents, noon.AddDate(0, 0, -5), 3), 3)
	b.equal("events", b.events(), []string{"e1", "e4"})
}
