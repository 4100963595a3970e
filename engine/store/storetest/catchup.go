package storetest

import (
	"fmt"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

var catchUpTests = map[string]func(*testing.T, *bench){
	"each log has a cursor":                           logCursors,
	"early arrivals come back in their order":         earlyInOrder,
	"an arrival that is known is not kept early":      earlyOnce,
	"an early arrival that is journaled is journaled": earlyJournaled,
}

func logCursors(t *testing.T, b *bench) {
	check := func(log string, want time.Time) {
		t.Helper()
		got, err := b.s.LogCursor(t.Context(), log)
		b.must(err)
		b.equal("cursor of "+log, got, want)
	}
	check("a", time.Time{})
	b.must(b.s.SetLogCursor(t.Context(), "a", noon))
	b.must(b.s.SetLogCursor(t.Context(), "b", noon.Add(time.Hour)))
	b.reopen()
	b.must(b.s.SetLogCursor(t.Context(), "a", noon.Add(time.Minute)))
	check("a", noon.Add(time.Minute))
	check("b", noon.Add(time.Hour))
	check("c", time.Time{})
}

func (b *bench) appendEarly(arrivals ...turn.Arrival) []store.Receipt {
	b.Helper()
	receipts, err := b.s.AppendEarly(b.Context(), arrivals)
	b.must(err)
	return receipts
}

func (b *bench) early(limit int) (ids []string, last int64) {
	b.Helper()
	list, err := b.s.Early(b.Context(), 0, limit)
	b.must(err)
	for _, e := range list {
		ids, last = append(ids, e.ID), e.N
	}
	return ids, last
}

func earlyInOrder(t *testing.T, b *bench) {
	body := []byte(`{"event":"ping","event_id":"e3","x":[1]}`)
	third := arrival("e3", "c1")
	third.Event.Raw = body
	b.appendEarly(arrival("e2", "c1"), arrival("e1", "c1"))
	b.appendEarly(third)
	b.reopen()
	ids, _ := b.early(10)
	b.equal("early arrivals", ids, []string{"e2", "e1", "e3"})
	list, err := b.s.Early(t.Context(), 0, 10)
	b.must(err)
	got := list[2]
	got.N = 0
	b.equal("the third", got, store.Early{ID: "e3", Type: third.Event.Type, Source: third.Event.Source, Received: third.Received, Body: body})

	ids, last := b.early(2)
	b.equal("the first two", ids, []string{"e2", "e1"})
	next, err := b.s.Early(t.Context(), last, 10)
	b.must(err)
	b.equal("those after them", next, list[2:])
	if n, err := b.s.Stats(t.Context()); err != nil || n.Early != 3 {
		t.Errorf("three early arrivals are counted as %+v, %v", n, err)
	}
	b.must(b.s.DropEarly(t.Context(), last))
	ids, _ = b.early(10)
	b.equal("the rest", ids, []string{"e3"})
	if n, err := b.s.Stats(t.Context()); err != nil || n.Events != 0 || n.Pending != 0 || n.Early != 1 {
		t.Errorf("one early arrival is counted as %+v, %v", n, err)
	}
}

func earlyOnce(t *testing.T, b *bench) {
	b.append(arrival("e1", "c1"))
	duplicates := func(receipts []store.Receipt) (list []bool) {
		for _, r := range receipts {
			list = append(list, r.Duplicate)
		}
		return list
	}
	b.equal("first", duplicates(b.appendEarly(arrival("e1", "c1"), arrival("e2", "c1"), arrival("e2", "c1"))), []bool{true, false, true})
	b.reopen()
	b.equal("again", duplicates(b.appendEarly(arrival("e2", "c1"), arrival("e1", "c1"))), []bool{true, true})
	ids, _ := b.early(10)
	b.equal("early arrivals", ids, []string{"e2"})
}

// After a crash between the two, they are appended again.
func earlyJournaled(t *testing.T, b *bench) {
	count := func() int64 {
		stats, err := b.s.Stats(t.Context())
		b.must(err)
		return stats.Early
	}
	for i := range 5 {
		b.appendEarly(arrival(fmt.Sprint("e", i), "c1"))
	}
	ids, last := b.early(3)
	for range 2 {
		var list []turn.Arrival
		for _, id := range ids {
			list = append(list, arrival(id, "c1"))
		}
		receipts, err := b.s.Append(t.Context(), list)
		b.must(err)
		for i, r := range receipts {
			b.equal("sequence", r.Seq, int64(i+1))
		}
		b.reopen()
	}
	b.must(b.s.DropEarly(t.Context(), last))
	b.appendEarly(arrival("e4", "c1"), arrival("e5", "c1"))
	ids, last = b.early(10)
	b.equal("those that stay", ids, []string{"e3", "e4", "e5"})
	b.equal("how many", count(), int64(3))
	b.must(b.s.DropEarly(t.Context(), last))
	b.equal("how many at the end", count(), int64(0))
}
