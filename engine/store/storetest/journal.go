package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var journalTests = map[string]func(*testing.T, *bench){
	"an event is journaled once":                             journaledOnce,
	"an event twice in one batch is journaled once":          twiceInOneBatch,
	"the same events from many goroutines":                   manySides,
	"Journaled gets entries in order, before Append returns": announcedInOrder,
	"pending entries are paged by shard":                     pendingByShard,
	"unhandled events of a chat are found":                   unhandled,
	"an empty batch appends nothing":                         emptyBatch,
	"an event is decoded from its envelope again":            decodedAgain,
	"an event is quarantined once":                           quarantineByEvent,
	"a body is quarantined once":                             quarantineOnce,
	"dropped from the quarantine":                            quarantineDropped,
}

func journaledOnce(t *testing.T, b *bench) {
	first := b.append(arrival("e1", "c1"), arrival("e2", "c1"))
	if first[0] < 1 || first[1] <= first[0] {
		t.Fatalf("sequences %v do not rise from 1", first)
	}
	check := func(when string) {
		receipts, err := b.s.Append(t.Context(), []turn.Arrival{arrival("e2", "c2"), arrival("e3", "c1"), arrival("e1", "c1")})
		b.must(err)
		if !receipts[0].Duplicate || receipts[0].Seq != first[1] || !receipts[2].Duplicate || receipts[2].Seq != first[0] {
			t.Errorf("%s: receipts %+v, want e2 and e1 to be duplicates of %v", when, receipts, first)
		}
	}
	check("immediately")
	b.reopen()
	check("reopened")
	if got := b.s.LastSeq(); got != first[1]+1 {
		t.Errorf("last sequence %d, want %d: one more event", got, first[1]+1)
	}
	r := b.record("e2")
	b.equal("chat of e2", r.Event.ChatID(), "c1")
}

func twiceInOneBatch(t *testing.T, b *bench) {
	receipts, err := b.s.Append(t.Context(), []turn.Arrival{arrival("e1", "c1"), arrival("e2", "c1"), arrival("e1", "c1")})
	b.must(err)
	if receipts[0].Duplicate || receipts[1].Duplicate || !receipts[2].Duplicate || receipts[2].Seq != receipts[0].Seq {
		t.Errorf("receipts %+v, want the third to be a duplicate of the first", receipts)
	}
	b.equal("pending", b.pending(store.Shard{Of: 1}), []int64{receipts[0].Seq, receipts[1].Seq})
}

func manySides(t *testing.T, b *bench) {
	const sides, events = 8, 50
	var mu sync.Mutex
	fresh, seqs := map[string]int{}, map[string]int64{}
	var wg sync.WaitGroup
	for side := range sides {
		wg.Go(func() {
			for i := range events {
				id := fmt.Sprint("e", (i+side*7)%events)
				receipts, err := b.s.Append(background, []turn.Arrival{arrival(id, "c1")})
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				if !receipts[0].Duplicate {
					fresh[id]++
				}
				if known := seqs[id]; known != 0 && known != receipts[0].Seq {
					t.Errorf("%s has the sequences %d and %d", id, known, receipts[0].Seq)
				}
				seqs[id] = receipts[0].Seq
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, n := range fresh {
		if n != 1 {
			t.Errorf("%s was new %d times", id, n)
		}
	}
	if got := len(b.pending(store.Shard{Of: 1})); got != events {
		t.Errorf("%d events are journaled, want %d", got, events)
	}
}

func announcedInOrder(t *testing.T, b *bench) {
	var mu sync.Mutex
	var announced []turn.Entry
	known := map[int64]bool{}
	b.s.Journaled(func(list []turn.Entry) {
		mu.Lock()
		defer mu.Unlock()
		if last := b.s.LastSeq(); last < list[len(list)-1].Seq {
			t.Errorf("announced %d while the last sequence is %d", list[len(list)-1].Seq, last)
		}
		for _, e := range list {
			known[e.Seq] = true
		}
		announced = append(announced, list...)
	})
	var wg sync.WaitGroup
	for side := range 8 {
		wg.Go(func() {
			for i := range 40 {
				id := fmt.Sprintf("e%d.%d", side, i)
				var seqs []int64
				if i%3 == 0 {
					err := b.s.Commit(background, []turn.Transition{{Append: []turn.Arrival{arrival(id, "c"+id)}}})
					if err != nil {
						t.Errorf("commit: %v", err)
					}
					continue
				}
				receipts, err := b.s.Append(background, []turn.Arrival{arrival(id, "c"+id), arrival(id+"x", "c"+id)})
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				for _, r := range receipts {
					seqs = append(seqs, r.Seq)
				}
				mu.Lock()
				for _, seq := range seqs {
					if !known[seq] {
						t.Errorf("Append returned before sequence %d was announced", seq)
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for i, e := range announced {
		if i > 0 && e.Seq <= announced[i-1].Seq {
			t.Fatalf("announced %d after %d", e.Seq, announced[i-1].Seq)
		}
	}
	all, err := b.s.Pending(t.Context(), store.Shard{Of: 1}, 0, 1<<20)
	b.must(err)
	b.equal("announced entries, against the journal", announced, all)
}

func pendingByShard(t *testing.T, b *bench) {
	var seqs []int64
	var keys []string
	for i := range 60 {
		a := arrival(fmt.Sprint("e", i), fmt.Sprint("c", i%13))
		if i%7 == 0 {
			a = arrival(fmt.Sprint("e", i), "")
		}
		seqs, keys = append(seqs, b.append(a)...), append(keys, a.ShardKey())
	}
	for i := range seqs {
		if i%5 == 0 {
			b.commit(turn.Transition{Decision: &turn.Decision{Seq: seqs[i], At: noon}})
		}
	}
	b.reopen()
	for _, of := range []int{1, 2, 3, 8} {
		for index := range of {
			shard := store.Shard{Index: index, Of: of}
			want := []int64{}
			for i, key := range keys {
				if i%5 != 0 && shard.Holds(key) {
					want = append(want, seqs[i])
				}
			}
			b.equal(fmt.Sprintf("pending of shard %d of %d", index, of), b.pending(shard), want)
			got := []int64{}
			for after := int64(0); ; {
				page, err := b.s.Pending(t.Context(), shard, after, 4)
				b.must(err)
				for _, e := range page {
					got, after = append(got, e.Seq), e.Seq
				}
				if len(page) > 4 {
					t.Fatalf("a page of %d where 4 were asked", len(page))
				}
				if len(page) == 0 {
					break
				}
			}
			b.equal(fmt.Sprintf("pages of shard %d of %d", index, of), got, want)
		}
	}
}

func unhandled(t *testing.T, b *bench) {
	check := func(key string, want int64) {
		t.Helper()
		got, err := b.s.Unhandled(t.Context(), key)
		b.must(err)
		if got != want {
			t.Errorf("newest unhandled of %q: %d, want %d", key, got, want)
		}
	}
	check("c1", 0)
	seqs := b.append(arrival("e1", "c1"), arrival("e2", "c2"), arrival("e3", "c1"), arrival("lone", ""))
	for chatID, want := range map[string]int64{"c1": seqs[2], "c2": seqs[1], "c3": 0} {
		check(chatID, want)
	}
	decide := func(seq int64, c *chat.Chat) {
		for range 2 { // it counts once
			b.commit(turn.Transition{Decision: &turn.Decision{Seq: seq, At: noon}, Chat: c})
		}
	}
	decide(seqs[0], &chat.Chat{ID: "c1"})
	check("c1", seqs[2])
	decide(seqs[2], nil)
	decide(seqs[3], nil)
	check("c1", 0)
	b.reopen()
	check("c1", 0)
	check("c2", seqs[1])
	more := b.append(arrival("e4", "c1"), arrival("e5", "c1"))
	check("c1", more[1])
	b.reopen()
	check("c1", more[1])
}

// decodedAgain: an event that was decoded comes back as it was, also where a store keeps no
// more than its envelope.
func decodedAgain(t *testing.T, b *bench) {
	for i, body := range []string{
		`{"event_id": "e0", "event_type": "message.received", "timestamp": "2026-01-05T12:00:00.1234567Z", "partner_id": "acme", "data": {
			"chat": {"id": "c1", "is_group": true, "handles": [{"handle": "+14155550100", "is_me": true}], "owner_handle": {"handle": "+14155550100"}},
			"message": {"id": "m1", "direction": "inbound", "sender_handle": {"handle": "+14155550123"}, "sent_at": "2026-01-05T12:00:00.7654321Z",
				"parts": [{"type": "text", "value": "a"}, {"type": "text", "value": "b"}]}}}`,
		`{"event": "lead_reply", "from": "+14155550123", "to": "+14155550100", "text": "legacy", "chat_id": "c2"}`,
		`{"event_type": "new.kind", "data": {"anything": [1]}}`,
		`{"id": "row", "type": "message.received", "event_id": "e3", "lead_id": "c3", "payload": {"event": "message.received", "data": {"message": {"id": "m3", "parts": []}}}, "created_at": "2026-01-05T12:00:00Z"}`,
	} {
		e, err := event.Decode([]byte(body), event.Hints{ID: fmt.Sprint("hint ", i)})
		b.must(err)
		e.Source = event.SourceWebhook
		var announced turn.Entry
		b.s.Journaled(func(list []turn.Entry) { announced = list[0] })
		seq := b.append(turn.Arrival{Event: e, Received: noon})[0]
		b.equal("announced "+body, announced.Event.ChatID(), e.ChatID())
		pending, err := b.s.Pending(t.Context(), store.Shard{Of: 1}, seq-1, 1)
		b.must(err)
		b.equal("pending "+body, pending, []turn.Entry{announced})
		b.reopen()
		b.equal("reopened "+body, b.record(e.ID).Entry, announced)
	}
}

func emptyBatch(t *testing.T, b *bench) {
	receipts, err := b.s.Append(t.Context(), nil)
	b.must(err)
	if len(receipts) != 0 {
		t.Errorf("receipts %+v of nothing", receipts)
	}
	b.commit()
	b.commit(turn.Transition{})
	if got := b.s.LastSeq(); got != 0 {
		t.Errorf("last sequence %d of an empty journal", got)
	}
}

func quarantineOnce(t *testing.T, b *bench) {
	one := store.Quarantined{Received: noon, Source: event.SourceWebhook, Reason: "not JSON", Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("\x00nonsense\xff")}
	other := store.Quarantined{Received: noon, Source: event.SourceStream, Reason: "empty"}
	b.must(b.s.Quarantine(t.Context(), one))
	b.must(b.s.Quarantine(t.Context(), other))
	b.reopen()
	for _, q := range []store.Quarantined{one, other} {
		if err := b.s.Quarantine(t.Context(), q); !errors.Is(err, store.ErrInQuarantine) {
			t.Errorf("in quarantine again: %v", err)
		}
	}
	b.reopen()
	list, err := b.s.Quarantined(t.Context(), 10)
	b.must(err)
	if len(list) != 2 {
		t.Fatalf("%d in quarantine, want 2: %s", len(list), show(list))
	}
	slices.Reverse(list)
	if list[0].ID == list[1].ID {
		t.Errorf("both have the id %d", list[0].ID)
	}
	for i := range list {
		list[i].ID = 0
		if len(list[i].Body) == 0 {
			list[i].Body = nil
		}
	}
	b.equal("quarantine, oldest first", list, []store.Quarantined{one, other})
	if list, err := b.s.Quarantined(t.Context(), 1); err != nil || len(list) != 1 || list[0].Reason != "empty" {
		t.Errorf("the newest is %s, %v; want the empty one", show(list), err)
	}
}

// quarantineByEvent: one event that several sources bring in several forms is kept once.
func quarantineByEvent(t *testing.T, b *bench) {
	for _, q := range []struct {
		body, event string
		known       bool
	}{
		{"of the webhook", "e1", false},
		{"of the log", "e1", true},
		{"of another event", "e2", false},
		{"without an event", "", false},
		{"without another event", "", false},
		{"of the webhook", "e3", true},
	} {
		err := b.s.Quarantine(t.Context(), store.Quarantined{Received: noon, Source: event.SourceWebhook, Body: []byte(q.body), Event: q.event, Truncated: q.event == "e2"})
		if known := errors.Is(err, store.ErrInQuarantine); known != q.known || err != nil && !known {
			t.Errorf("%+v: %v", q, err)
		}
		b.reopen()
	}
	list, err := b.s.QuarantinedAfter(t.Context(), 0, 10)
	b.must(err)
	var truncated []bool
	for _, q := range list {
		truncated = append(truncated, q.Truncated)
	}
	b.equal("truncated", truncated, []bool{false, true, false, false})
}

func quarantineDropped(t *testing.T, b *bench) {
	for i := range 5 {
		b.must(b.s.Quarantine(t.Context(), store.Quarantined{Received: noon, Reason: fmt.Sprint(i), Body: []byte(fmt.Sprint("body ", i)), Event: fmt.Sprint("e", i)}))
	}
	list := func(after int64, limit int) (reasons []string, ids []int64) {
		t.Helper()
		all, err := b.s.QuarantinedAfter(t.Context(), after, limit)
		b.must(err)
		for _, q := range all {
			reasons, ids = append(reasons, q.Reason), append(ids, q.ID)
		}
		return reasons, ids
	}
	reasons, ids := list(0, 3)
	b.equal("the oldest", reasons, []string{"0", "1", "2"})
	b.must(b.s.DropQuarantined(t.Context(), []int64{ids[0], ids[2], ids[2], 1 << 40}))
	b.must(b.s.DropQuarantined(t.Context(), nil))
	b.reopen()
	reasons, _ = list(0, 10)
	b.equal("those that stay", reasons, []string{"1", "3", "4"})
	reasons, _ = list(ids[1], 10)
	b.equal("those after the second", reasons, []string{"3", "4"})
	if st, err := b.s.Stats(t.Context()); err != nil || st.Quarantined != 3 {
		t.Errorf("%d are counted, %v; want 3", st.Quarantined, err)
	}
	// The events log brings one again, and one in another form.
	for _, q := range []store.Quarantined{{Body: []byte("body 0")}, {Body: []byte("body 2 in the log"), Event: "e2"}} {
		q.Received, q.Reason = noon, "again"
		if err := b.s.Quarantine(t.Context(), q); !errors.Is(err, store.ErrInQuarantine) {
			t.Errorf("%q was dropped and came again: %v", q.Body, err)
		}
	}
	reasons, _ = list(0, 10)
	b.equal("after dropped ones came again", reasons, []string{"1", "3", "4"})

	_, ids = list(0, 10)
	newest := ids[len(ids)-1]
	b.must(b.s.DropQuarantined(t.Context(), ids))
	b.reopen()
	b.must(b.s.Quarantine(t.Context(), store.Quarantined{Received: noon, Reason: "another", Body: []byte("body 9")}))
	if _, ids = list(0, 10); len(ids) != 1 || ids[0] <= newest {
		t.Errorf("after all were dropped, up to %d, the next one has the id %d: a command that names an old one would mean it", newest, ids)
	}

	// What identifies them goes with old ids, by the time at which they came.
	again := store.Quarantined{Received: noon, Reason: "again", Body: []byte("body 0"), Event: "e0"}
	b.prune(b.s.PruneSeen, noon, 2)
	if err := b.s.Quarantine(t.Context(), again); !errors.Is(err, store.ErrInQuarantine) {
		t.Errorf("it came when ids are still kept: %v", err)
	}
	for range 5 {
		b.prune(b.s.PruneSeen, noon.Add(time.Second), 2)
	}
	b.must(b.s.Quarantine(t.Context(), again))
}
