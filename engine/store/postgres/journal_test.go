package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

func open(t testing.TB, p *place) *Store {
	t.Helper()
	s := p.Open(t).(*Store)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func arrivalOf(id, chat string) turn.Arrival {
	e := event.Event{ID: id, Type: event.MessageReceived, Source: event.SourceWebhook, Text: "hello", Raw: json.RawMessage(`{"event_id": "` + id + `"}`)}
	if chat != "" {
		e.Chat = &event.Chat{ID: chat}
	}
	return turn.Arrival{Event: e, Received: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)}
}

func seqsOf(entries []turn.Entry) (seqs []int64) {
	for _, e := range entries {
		seqs = append(seqs, e.Seq)
	}
	return seqs
}

// Two processes that append the same and other events make one journal without gaps, and each
// announces what it has appended in the order of seq.
func TestTwoProcessesAppendInOrderWithoutGaps(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stores := []*Store{open(t, p), open(t, p)}
	announced := make([][]int64, len(stores))
	var wg sync.WaitGroup
	var mu sync.Mutex
	fresh := map[string]int{}
	for i, s := range stores {
		s.Journaled(func(list []turn.Entry) { announced[i] = append(announced[i], seqsOf(list)...) })
		for side := range 4 {
			wg.Go(func() {
				for n := range 60 {
					shared, own := fmt.Sprintf("shared %d.%d", side, n), fmt.Sprintf("own %d.%d.%d", i, side, n)
					receipts, err := s.Append(context.Background(), []turn.Arrival{arrivalOf(shared, "c1"), arrivalOf(own, ""), arrivalOf(own, "")})
					if err != nil {
						t.Errorf("append: %v", err)
						return
					}
					if receipts[1].Duplicate || receipts[2] != (store.Receipt{Seq: receipts[1].Seq, Duplicate: true}) {
						t.Errorf("receipts of %s: %+v", own, receipts)
					}
					mu.Lock()
					if !receipts[0].Duplicate {
						fresh[shared]++
					}
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	for id, n := range fresh {
		if n != 1 {
			t.Errorf("%s was new %d times", id, n)
		}
	}
	var all []int64
	for i := range announced {
		if !slices.IsSorted(announced[i]) {
			t.Errorf("process %d announces out of order: %v", i, announced[i])
		}
		all = append(all, announced[i]...)
	}
	slices.Sort(all)
	for i, seq := range all {
		if seq != int64(i+1) {
			t.Fatalf("sequence %d is at place %d of all that were announced", seq, i+1)
		}
	}
	entries, err := stores[0].Pending(t.Context(), store.Shard{Of: 1}, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if got := seqsOf(entries); !slices.Equal(got, all) || len(all) != 240+2*240 {
		t.Errorf("%d events are pending, %d were announced; want %d", len(got), len(all), 240+2*240)
	}
}

// An append whose COMMIT or its answer was lost is made again, once, and announced once.
func TestLostAnswerOfAnAppend(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]commitFault{
		"the COMMIT":               {loseCommit},
		"the answer":               {loseAnswer},
		"two answers":              {loseAnswer, loseAnswer},
		"the answer and a COMMIT":  {loseAnswer, loseCommit},
		"two COMMITs":              {loseCommit, loseCommit},
		"the COMMIT and an answer": {loseCommit, loseAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, proxy := newPlace(t), newProxy(t)
			s := open(t, &place{url: proxy.url, schema: p.schema})
			other := open(t, p)
			var announced []turn.Entry
			s.Journaled(func(list []turn.Entry) { announced = append(announced, list...) })
			if _, err := s.Append(t.Context(), []turn.Arrival{arrivalOf("e1", "c1")}); err != nil {
				t.Fatal(err)
			}
			proxy.fail(faults...)
			receipts, err := s.Append(t.Context(), []turn.Arrival{arrivalOf("e1", "c1"), arrivalOf("e2", "c1"), arrivalOf("e3", "c1")})
			if lost := len(faults) >= appendTries; lost != (err != nil) {
				t.Fatalf("append: %v", err)
			}
			if err == nil && !slices.Equal(receipts, []store.Receipt{{Seq: 1, Duplicate: true}, {Seq: 2}, {Seq: 3}}) {
				t.Errorf("receipts: %+v", receipts)
			}
			if n := proxy.left(); n > 0 {
				t.Fatalf("%d faults did not come", n)
			}
			if _, err := other.Append(t.Context(), []turn.Arrival{arrivalOf("others", "c1")}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Append(t.Context(), []turn.Arrival{arrivalOf("e3", "c1"), arrivalOf("e2", "c1"), arrivalOf("e4", "c1")}); err != nil {
				t.Fatal(err)
			}
			pending, err := s.Pending(t.Context(), store.Shard{Of: 1}, 0, 99)
			if err != nil {
				t.Fatal(err)
			}
			if len(pending) != 5 {
				t.Errorf("%d events are pending, want 5", len(pending))
			}
			pending = slices.DeleteFunc(pending, func(e turn.Entry) bool { return e.Event.ID == "others" })
			if !reflect.DeepEqual(announced, pending) {
				t.Errorf("announced %v, want %v", seqsOf(announced), seqsOf(pending))
			}
		})
	}
}

// What a lost answer leaves open is found out without another append.
func TestLostAnswerIsFoundOutWithoutAnAppend(t *testing.T) {
	t.Parallel()
	p, proxy := newPlace(t), newProxy(t)
	s := open(t, &place{url: proxy.url, schema: p.schema})
	announced := make(chan []turn.Entry, 9)
	s.Journaled(func(list []turn.Entry) { announced <- list })
	if err := s.Healthy(); err != nil {
		t.Fatal(err)
	}
	proxy.fail(loseAnswer, loseAnswer)
	if _, err := s.Append(t.Context(), []turn.Arrival{arrivalOf("e1", "c1")}); err == nil {
		t.Fatal("an append whose answers were lost returns no error")
	}
	if list := <-announced; len(list) != 1 || list[0].Event.ID != "e1" || list[0].Seq != 1 {
		t.Errorf("announced %+v", list)
	}
	if last := s.LastSeq(); last != 1 {
		t.Errorf("last sequence %d", last)
	}
}

// The journal continues over the end of a partition, also where another process has made the next.
func TestJournalContinuesInTheNextPartition(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := open(t, p), open(t, p)
	first := append1(t, a, "e0")
	skip := func(to int64) {
		t.Helper()
		if _, err := a.pool.Exec(t.Context(), `UPDATE journal_lock SET last_seq = $1`, to); err != nil {
			t.Fatal(err)
		}
	}
	skip(partitionSeqs - 2)
	var seqs []int64
	for i, s := range []*Store{a, b, b, a} {
		seqs = append(seqs, append1(t, s, fmt.Sprint("next ", i)))
	}
	skip(9*partitionSeqs - 1) // nobody has made it ahead of need
	seqs = append(seqs, append1(t, b, "far"), append1(t, a, "further"))
	want := []int64{partitionSeqs - 1, partitionSeqs, partitionSeqs + 1, partitionSeqs + 2, 9 * partitionSeqs, 9*partitionSeqs + 1}
	if !slices.Equal(seqs, want) {
		t.Errorf("sequences %v, want %v", seqs, want)
	}
	entries, err := b.Pending(t.Context(), store.Shard{Of: 1}, 0, 99)
	if err != nil {
		t.Fatal(err)
	}
	if got := seqsOf(entries); !slices.Equal(got, append([]int64{first}, want...)) {
		t.Errorf("pending %v", got)
	}
}

func append1(t *testing.T, s *Store, id string) int64 {
	t.Helper()
	receipts, err := s.Append(t.Context(), []turn.Arrival{arrivalOf(id, "c1")})
	if err != nil {
		t.Fatal(err)
	}
	return receipts[0].Seq
}

// Appends, batches that cause events, and early arrivals of two processes do not wait for one
// another for ever, and lose nothing.
func TestTwoProcessesAppendAndCommit(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stores := []*Store{open(t, p), open(t, p)}
	announced := make([][]int64, len(stores))
	const rounds, sides = 30, 3
	var wg sync.WaitGroup
	for i, s := range stores {
		s.Journaled(func(list []turn.Entry) { announced[i] = append(announced[i], seqsOf(list)...) })
		for side := range sides {
			wg.Go(func() {
				for n := range rounds {
					id := fmt.Sprintf("%d.%d.%d", i, side, n)
					chatID := fmt.Sprint("c", side) // also the other process's
					receipts, err := s.Append(context.Background(), []turn.Arrival{arrivalOf("e"+id, chatID)})
					if err == nil {
						err = s.Commit(context.Background(), []turn.Transition{{
							Decision: &turn.Decision{Seq: receipts[0].Seq}, Chat: &chat.Chat{ID: chatID}, Append: []turn.Arrival{arrivalOf("caused "+id, chatID)},
						}})
					}
					if err == nil {
						_, err = s.AppendEarly(context.Background(), []turn.Arrival{arrivalOf("early "+id, ""), arrivalOf("e"+id, "")})
					}
					if err != nil {
						t.Errorf("%s: %v", id, err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	var all []int64
	for i := range announced {
		if !slices.IsSorted(announced[i]) {
			t.Errorf("process %d announces out of order: %v", i, announced[i])
		}
		all = append(all, announced[i]...)
	}
	slices.Sort(all)
	const each = 2 * sides * rounds
	for i, seq := range all {
		if seq != int64(i+1) {
			t.Fatalf("sequence %d is at place %d of all that were announced", seq, i+1)
		}
	}
	stats, err := stores[0].Stats(t.Context())
	if err != nil || len(all) != 2*each || stats.Events != 2*each || stats.Pending != each || stats.Early != each || stats.Chats != sides {
		t.Errorf("%d were announced, %+v, %v", len(all), stats, err)
	}
	early, err := stores[1].Early(t.Context(), 0, 1<<20)
	if err != nil || len(early) != each || early[0].N != 1 || early[each-1].N != each {
		t.Errorf("%d early events, %v", len(early), err)
	}
}
