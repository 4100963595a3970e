// Package storetest tests whether a store keeps the contract of package store. Every
// store must pass Run.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Place is where a store has its data during one test.
type Place interface {
	// Open opens the store at this place. A test closes it before it opens it again.
	Open(t testing.TB) store.Store
}

// Run runs all tests, each with a store at a place of its own.
func Run(t *testing.T, place func(t testing.TB) Place) {
	for _, group := range []map[string]func(*testing.T, *bench){
		journalTests, commitTests, chatTests, kvTests, recordTests, packTests, ruleTests, daemonTests, catchUpTests, missedTests, deadTests, retentionTests, waitingTests, lifeTests, listTests, roundTrips,
	} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := &bench{TB: t, place: place(t)}
				b.open()
				t.Cleanup(func() {
					if err := b.s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
						t.Errorf("close: %v", err)
					}
				})
				test(t, b)
			})
		}
	}
}

// noon is a moment like any other.
var noon = time.Date(2026, 1, 5, 12, 0, 0, 123456000, time.UTC)

// bench is one test's store with what tests do to it.
type bench struct {
	testing.TB
	place Place
	s     store.Store
}

func (b *bench) open() {
	b.Helper()
	b.s = b.place.Open(b.TB)
}

func (b *bench) reopen() {
	b.Helper()
	b.must(b.s.Close())
	b.open()
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// append journals arrivals, all of them new, and returns their sequences.
func (b *bench) append(arrivals ...turn.Arrival) []int64 {
	b.Helper()
	receipts, err := b.s.Append(b.Context(), arrivals)
	b.must(err)
	if len(receipts) != len(arrivals) {
		b.Fatalf("%d receipts for %d arrivals", len(receipts), len(arrivals))
	}
	var seqs []int64
	for i, r := range receipts {
		if r.Duplicate {
			b.Fatalf("event %s is taken for a duplicate of %d", arrivals[i].Event.ID, r.Seq)
		}
		seqs = append(seqs, r.Seq)
	}
	return seqs
}

// commit commits a batch, after decisions of the events that its actions are of where the
// test makes none: an action belongs to an event that is handled.
func (b *bench) commit(batch ...turn.Transition) {
	b.Helper()
	b.decided(batch)
	b.must(b.s.Commit(b.Context(), batch))
}

// decided journals the events of a batch's actions, if they are not, and commits decisions
// of them.
func (b *bench) decided(batch []turn.Transition) {
	b.Helper()
	own, chats, last := map[int64]bool{}, map[int64]string{}, int64(0)
	for _, t := range batch {
		if t.Decision != nil {
			own[t.Decision.Seq] = true
		}
		for _, a := range t.Actions {
			chats[a.ID.Seq], last = a.Chat, max(last, a.ID.Seq)
		}
	}
	for seq := b.s.LastSeq() + 1; seq <= last; seq++ {
		b.append(arrival(fmt.Sprint("event ", seq), chats[seq]))
	}
	for _, t := range batch {
		for _, a := range t.Actions {
			records, err := b.s.Records(b.Context(), []int64{a.ID.Seq})
			b.must(err)
			switch {
			case own[a.ID.Seq] || len(records) > 0 && records[0].Decision != nil:
			default:
				b.must(b.s.Commit(b.Context(), []turn.Transition{{Decision: &turn.Decision{Seq: a.ID.Seq, At: noon}}}))
			}
			own[a.ID.Seq] = true
		}
	}
}

func (b *bench) chat(id string) chat.Chat {
	b.Helper()
	c, err := one(b.s.Chats(b.Context(), []string{id}))
	b.must(err)
	return c
}

// pending lists the sequences of a shard that are not handled.
func (b *bench) pending(shard store.Shard) []int64 {
	b.Helper()
	list, err := b.s.Pending(b.Context(), shard, 0, 1<<20)
	b.must(err)
	seqs := []int64{}
	for _, e := range list {
		seqs = append(seqs, e.Seq)
	}
	return seqs
}

func (b *bench) record(id string) store.Record {
	b.Helper()
	r, ok, err := b.s.Event(b.Context(), id)
	b.must(err)
	if !ok {
		b.Fatalf("event %s is not in the journal", id)
	}
	return r
}

// equal compares what is to be the same; times as moments, in UTC.
func (b *bench) equal(what string, got, want any) {
	b.Helper()
	if !reflect.DeepEqual(got, want) {
		b.Errorf("%s:\n got %s\nwant %s", what, show(got), show(want))
	}
}

// one returns the only chat of a list.
func one(list []chat.Chat, err error) (chat.Chat, error) {
	if len(list) != 1 || err != nil {
		return chat.Chat{}, err
	}
	return list[0], nil
}

// arrival returns a message of a chat.
func arrival(id, chatID string) turn.Arrival {
	e := event.Event{
		ID: id, Type: event.MessageReceived, At: noon, Source: event.SourceWebhook, Text: "hello", From: "+14155551234",
		Raw: json.RawMessage(`{"event_id": "` + id + `"}`),
	}
	if chatID != "" {
		e.Chat = &event.Chat{ID: chatID, Line: "+14152165723"}
		e.Message = &event.Message{ID: "m-" + id, Direction: "inbound", Text: "hello", From: "+14155551234"}
	}
	return turn.Arrival{Event: e, Received: noon}
}

// read returns a waiting read that an event requested.
func read(seq int64, n int, chatID string, due time.Time) chat.Action {
	return chat.Action{
		ID: chat.ActionID{Seq: seq, N: n}, Kind: chat.Read, Chat: chatID, Pack: "codes", Version: "v1", Rule: "read codes",
		Place: "codes.lua:3", Requested: noon, Due: due, Status: chat.Waiting,
	}
}

var background = context.Background()
