package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"chertd/engine/event"
	"chertd/engine/store/sqlite"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// filling is what a store holds before the measurement.
type filling struct {
	chats   int  // known, without events
	events  int  // handled
	pending bool // each event has left a read and a timer, due in a month, in a chat of its own
}

const (
	fillBatch   = 1000 // transitions in a commit
	fillWriters = 4    // batches under way, so that the writer always has one
	// perChat is how many events of history a chat has. It divides fillBatch: one
	// commit has all of a chat.
	perChat = 10
)

// store makes a store at path through the store's own methods, so that any schema
// works.
func (f filling) store(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan int)
	var writers sync.WaitGroup
	for range fillWriters {
		writers.Go(func() {
			for first := range batches {
				if err := f.batch(ctx, s, first); err != nil {
					cancel(fmt.Errorf("fill the store: %w", err))
				}
			}
		})
	}
	for first := 0; first < max(f.chats, f.events) && ctx.Err() == nil; first += fillBatch {
		batches <- first
	}
	close(batches)
	writers.Wait()
	err = context.Cause(ctx)
	if closed := s.Close(); err == nil {
		err = closed
	}
	return err
}

// batch adds the chats, or events, from one on.
func (f filling) batch(ctx context.Context, s *sqlite.Store, first int) error {
	var all []turn.Transition
	if f.chats > 0 {
		for i := first; i < min(first+fillBatch, f.chats); i++ {
			all = append(all, turn.Transition{Chat: &chat.Chat{
				ID: chatID(i), Line: line, LastMessage: messageID(i), Recent: chat.Messages{IDs: []string{messageID(i)}},
			}})
		}
		return s.Commit(ctx, all)
	}
	var arrivals []turn.Arrival
	for i := first; i < min(first+fillBatch, f.events); i++ {
		arrivals = append(arrivals, f.arrival(i))
	}
	receipts, err := s.Append(ctx, arrivals)
	if err != nil {
		return err
	}
	for i, r := range receipts {
		all = append(all, f.transition(&arrivals[i], r.Seq))
	}
	return s.Commit(ctx, all)
}

// arrival is the i-th event of history, as the webhook takes it in.
func (f filling) arrival(i int) turn.Arrival {
	chats := i / perChat
	if f.pending {
		chats = i
	}
	load := traffic{}
	body := load.body(nil, i, chatID(chats))
	at := time.Date(2026, 5, 24, 1, 35, 34, 0, time.UTC)
	a := turn.Arrival{Received: at.Add(time.Second)}
	var err error
	if a.Event, err = event.Decode(body, event.Hints{}); err != nil {
		panic(err) // the body is made here
	}
	a.Event.Source = event.SourceWebhook
	return a
}

// transition is what the event has changed: its chat was read, or is to be read in a
// month.
func (f filling) transition(a *turn.Arrival, seq int64) turn.Transition {
	const pack, version, rule = "codes", "3f786850e387", "codes"
	handled := a.Received.Add(time.Millisecond)
	read := chat.Action{
		ID: chat.ActionID{Seq: seq}, Kind: chat.Read, Chat: a.Event.Chat.ID, Pack: pack, Version: version, Rule: rule,
		Place: "codes.lua:1", Covers: seq, Requested: handled, Due: handled, Status: chat.Done, Why: chat.WhyRead,
		Attempts: 1, HTTP: 200, TraceID: "a1b2c3d4e5f6", Ended: handled.Add(time.Millisecond),
	}
	c := &chat.Chat{
		ID: a.Event.Chat.ID, Line: line, LastEvent: seq, LastMessage: a.Event.Message.ID, LastMessageSeq: seq,
		Recent: chat.Messages{IDs: []string{a.Event.Message.ID}}, ReadThrough: seq,
	}
	t := turn.Transition{Chat: c, Decision: &turn.Decision{Seq: seq, At: handled, Actions: 1, Packs: map[string]string{pack: version},
		Rules: []turn.RuleDecision{{Pack: pack, Version: version, Rule: rule, Place: read.Place, Asked: []string{"mark_read"}, Steps: 21}}}}
	if f.pending {
		due := time.Now().UTC().Truncate(time.Millisecond).Add(30 * 24 * time.Hour)
		read.Due, read.Status, read.Why, read.Attempts, read.HTTP, read.TraceID, read.Ended = due, chat.Waiting, "", 0, 0, "", time.Time{}
		timer := chat.Timer{Pack: pack, Name: "later", Version: version, Due: due, Seq: seq}
		c.ReadThrough, c.Waiting, c.Timers = 0, []chat.Action{read}, []chat.Timer{timer}
		t.Timers = []chat.TimerChange{{Timer: timer}}
	}
	t.Actions = []chat.Action{read}
	return t
}
