package sqlite_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store/sqlite"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

func openBench(b *testing.B) *sqlite.Store {
	b.Helper()
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "chertd.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	b.ReportAllocs()
	return s
}

// message is an event as Chert sends it, about 900 bytes of envelope.
func message(i int64, chats int64) turn.Arrival {
	id := fmt.Sprintf("chert:msg:%08x%016x", uint32(i*2654435761), i)
	chatID := fmt.Sprintf("17f6e9ed-%04x-4f6a-90d2-%012x", i%chats%7919, i%chats)
	raw := fmt.Sprintf(`{"event":"message.received","event_id":%q,"timestamp":"2026-05-24T01:35:34.000Z","api_version":"v1","webhook_version":"2026-05-04","event_type":"message.received","trace_id":"a1b2c3d4e5f6","partner_id":"acme-7a3f","data":{"chat":{"id":%q,"is_group":false,"handles":[{"handle":"+14152165723","service":"imessage","is_me":true},{"handle":"+14155551234","service":"imessage","is_me":false}],"owner_handle":{"handle":"+14152165723","service":"imessage","is_me":true}},"message":{"id":"0D36042D-%012x","direction":"inbound","sender_handle":{"handle":"+14155551234","service":"imessage","is_me":false},"parts":[{"type":"text","value":"Your verification code is 123456. Do not share it."}],"sent_at":"2026-05-24T01:35:33.000Z"}}}`, id, chatID, i)
	at := time.Date(2026, 5, 24, 1, 35, 34, 0, time.UTC)
	return turn.Arrival{Received: at, Event: event.Event{
		ID: id, Type: event.MessageReceived, At: at, Source: event.SourceWebhook, Tenant: "acme-7a3f",
		Text: "Your verification code is 123456. Do not share it.", From: "+14155551234", Raw: json.RawMessage(raw),
		Chat: &event.Chat{ID: chatID, Line: "+14152165723", Handles: []event.Handle{{Handle: "+14152165723", Service: "imessage", IsMe: event.True}, {Handle: "+14155551234", Service: "imessage"}}},
		Message: &event.Message{ID: fmt.Sprintf("0D36042D-%012x", i), Direction: "inbound", Text: "Your verification code is 123456. Do not share it.", From: "+14155551234",
			Service: "imessage", SentAt: at, Parts: []event.Part{{Type: "text", Value: "Your verification code is 123456. Do not share it."}}},
	}}
}

func BenchmarkAppend(b *testing.B) {
	for _, sides := range []int{1, 64} {
		b.Run(fmt.Sprintf("from %d sides", sides), func(b *testing.B) {
			s := openBench(b)
			var n atomic.Int64
			b.SetParallelism((sides + 1) / 2)
			run := func() {
				if _, err := s.Append(b.Context(), []turn.Arrival{message(n.Add(1), 5000)}); err != nil {
					b.Error(err)
				}
			}
			if sides == 1 {
				for b.Loop() {
					run()
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						run()
					}
				})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkAppendMany appends batches, which leaves what one event costs.
func BenchmarkAppendMany(b *testing.B) {
	s := openBench(b)
	n, before := int64(0), cpu(b)
	for b.Loop() {
		batch := make([]turn.Arrival, 256)
		for i := range batch {
			n++
			batch[i] = message(n, 5000)
		}
		if _, err := s.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(n), "cpu-ns/event")
}

// transition is what an event that asks for a read changes.
func transition(seq int64, a *turn.Arrival) turn.Transition {
	at := time.Date(2026, 5, 24, 1, 35, 34, 500000, time.UTC)
	action := chat.Action{
		ID: chat.ActionID{Seq: seq}, Kind: chat.Read, Chat: a.Event.Chat.ID, Pack: "codes", Version: "3f786850e387", Rule: "codes#1",
		Place: "codes.lua:3", Requested: at, Due: at, Status: chat.Waiting,
	}
	return turn.Transition{
		Decision: &turn.Decision{Seq: seq, At: at, Actions: 1, Packs: map[string]string{"codes": "3f786850e387"}, Rules: []turn.RuleDecision{{
			Pack: "codes", Version: "3f786850e387", Rule: "codes#1", Place: "codes.lua:3", Asked: []string{"mark_read"}, Steps: 21,
		}}},
		Chat:    &chat.Chat{ID: a.Event.Chat.ID, Line: "+14152165723", LastEvent: seq, LastMessage: a.Event.Message.ID, Recent: chat.Messages{IDs: []string{a.Event.Message.ID}}, Waiting: []chat.Action{action}},
		Actions: []chat.Action{action},
	}
}

// settle is what a successful call changes.
func settle(t turn.Transition) turn.Transition {
	c, a := *t.Chat, t.Actions[0]
	c.ReadThrough, c.Waiting = c.LastEvent, nil
	a.Status, a.Why, a.Attempts, a.HTTP, a.TraceID, a.Ended = chat.Done, chat.WhyRead, 1, 200, "a1b2c3d4e5f6", a.Requested.Add(time.Millisecond)
	return turn.Transition{Chat: &c, Actions: []chat.Action{a}}
}

func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batches of %d", size), func(b *testing.B) {
			s := openBench(b)
			n := int64(0)
			for b.Loop() {
				b.StopTimer()
				arrivals := make([]turn.Arrival, size)
				for i := range arrivals {
					n++
					arrivals[i] = message(n, 5000)
				}
				receipts, err := s.Append(b.Context(), arrivals)
				if err != nil {
					b.Fatal(err)
				}
				batch := make([]turn.Transition, size)
				for i := range batch {
					batch[i] = transition(receipts[i].Seq, &arrivals[i])
				}
				b.StartTimer()
				if err := s.Commit(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/transition")
		})
	}
}

// BenchmarkWay is all the store does for an event whose chat is read: append,
// commit, settle. The CPU time is that of the process, the benchmark's own
// share included.
func BenchmarkWay(b *testing.B) {
	for _, c := range []struct{ sides, batch int }{{1, 64}, {16, 16}, {64, 4}} {
		b.Run(fmt.Sprintf("%d sides with batches of %d", c.sides, c.batch), func(b *testing.B) {
			s := openBench(b)
			var n atomic.Int64
			before := cpu(b)
			b.SetParallelism((c.sides + 1) / 2)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := way(b.Context(), s, n.Add(int64(c.batch)), c.batch); err != nil {
						b.Error(err)
						return
					}
				}
			})
			events := float64(n.Load())
			b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/events, "cpu-ns/event")
		})
	}
}

// way brings the events up to n through the store.
func way(ctx context.Context, s *sqlite.Store, n int64, batch int) error {
	arrivals := make([]turn.Arrival, batch)
	for i := range arrivals {
		arrivals[i] = message(n-int64(i), 5000)
	}
	receipts, err := s.Append(ctx, arrivals)
	if err != nil {
		return err
	}
	handled, settled := make([]turn.Transition, batch), make([]turn.Transition, batch)
	for i := range handled {
		handled[i] = transition(receipts[i].Seq, &arrivals[i])
		settled[i] = settle(handled[i])
	}
	if err := s.Commit(ctx, handled); err != nil {
		return err
	}
	return s.Commit(ctx, settled)
}

// cpu is the time the process has used of all processors.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkChat(b *testing.B) {
	s := openBench(b)
	var batch []turn.Transition
	for i := range int64(5000) {
		a := message(i+1, 5000)
		batch = append(batch, transition(i+1, &a))
	}
	if err := s.Commit(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	for name, id := range map[string]string{"unknown": "nobody", "known": batch[77].Chat.ID} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if c, err := s.Chats(b.Context(), []string{id}); err != nil || (len(c[0].Waiting) == 1) != (name == "known") {
					b.Fatal(c, err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "chertd.db")
	for b.Loop() {
		s, err := sqlite.Open(b.Context(), path, sqlite.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
