package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Appends of one event each, by as many senders as are in flight.
func BenchmarkAppend(b *testing.B) {
	for _, senders := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint(senders, " in flight"), func(b *testing.B) {
			s := newPlace(b).Open(b).(*Store)
			defer s.Close()
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range senders {
				wg.Go(func() {
					for {
						n := next.Add(1)
						if n > int64(b.N) {
							return
						}
						if _, err := s.Append(context.Background(), []turn.Arrival{arrivalOf(fmt.Sprint("e", n), fmt.Sprint("c", n%1000))}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// Events from their append to the end of their call: three writes each.
func BenchmarkEvent(b *testing.B) {
	for _, senders := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(senders, " in flight"), func(b *testing.B) {
			s := newPlace(b).Open(b).(*Store)
			defer s.Close()
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range senders {
				wg.Go(func() {
					for {
						n := next.Add(1)
						if n > int64(b.N) {
							return
						}
						if err := handleOne(s, n); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
		})
	}
}

func handleOne(s *Store, n int64) error {
	ctx, id := context.Background(), fmt.Sprint("c", n)
	arrival := arrivalOf(fmt.Sprint("e", n), id)
	receipts, err := s.Append(ctx, []turn.Arrival{arrival})
	if err != nil {
		return err
	}
	if _, err := s.Chats(ctx, []string{id}); err != nil {
		return err
	}
	read := chat.Action{
		ID: chat.ActionID{Seq: receipts[0].Seq}, Kind: chat.Read, Chat: id, Pack: "codes", Version: "v1", Rule: "read codes",
		Place: "codes.lua:3", Requested: arrival.Received, Due: arrival.Received, Status: chat.Waiting,
	}
	d := &turn.Decision{Seq: read.ID.Seq, At: arrival.Received}
	err = s.Commit(ctx, []turn.Transition{{
		Decision: d, Actions: []chat.Action{read}, Chat: &chat.Chat{ID: id, LastEvent: read.ID.Seq, Waiting: []chat.Action{read}},
	}})
	if err != nil {
		return err
	}
	read.Status = chat.Done
	return s.Commit(ctx, []turn.Transition{{Actions: []chat.Action{read}, Chat: &chat.Chat{ID: id, LastEvent: read.ID.Seq}}})
}
