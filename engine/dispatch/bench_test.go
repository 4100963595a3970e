package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/rules/chat"
)

// BenchmarkCall makes calls while others wait: each is set, picked, made and answered. The
// cost must not depend on how many wait, also where they wait because their group has no
// room in flight.
//
//	$ go test ./engine/dispatch -run '^$' -bench Call/
func BenchmarkCall(b *testing.B) {
	for _, tc := range []struct {
		name    string
		lines   int
		stuck   bool // those that wait are of a group without room
		waiting []int
	}{
		{"one line", 1, false, []int{0, 1_000, 50_000}},
		{"two lines", 2, false, []int{0, 1_000, 50_000}},
		{"group without room", 1, true, []int{0, 1_000, 50_000}},
	} {
		for _, waiting := range tc.waiting {
			b.Run(fmt.Sprintf("%s/%d waiting", tc.name, waiting), func(b *testing.B) { benchmarkCall(b, tc.lines, waiting, tc.stuck) })
		}
	}
}

func benchmarkCall(b *testing.B, lines, waiting int, stuck bool) {
	const groups = 4
	q := NewQueue(&manyLines{}, func(chat string) int { return int(chat[0] - '0') }, 0)
	now := epoch.Add(time.Hour)
	d := New(Config{
		Chats: prompt{}, Caller: prompt{}, Queue: q, Governor: NewGovernor(0, 0), Concurrency: 8,
		Now: func() time.Time { return now.Truncate(time.Millisecond) }, Jitter: func() float64 { return 0.5 },
		Log: slog.New(slog.DiscardHandler),
	})
	d.tryNext(b.Context(), d.c.Now()) // it knows by now that the store has none
	names := make([]string, lines)
	for i := range names {
		names[i] = fmt.Sprintf("+1555000000%d", i)
	}
	n := 0
	set := func(group int) {
		n++
		q.Set(Pick{Chat: fmt.Sprintf("%d-chat-%08d", group, n), Line: names[n%lines], Due: d.c.Now()})
	}
	for stuck && d.inFlight.room(0) {
		d.inFlight.enter(0)
	}
	for range waiting {
		if stuck {
			set(0)
		} else {
			set(n % groups)
		}
		now = now.Add(time.Second / 8_000)
	}
	call := func() {
		if stuck {
			set(1 + n%(groups-1))
		} else {
			set(n % groups)
		}
		now = now.Add(time.Second / 8_000)
		f, _ := d.tryNext(b.Context(), d.c.Now())
		if f == nil {
			b.Fatal("no call goes out")
		}
		d.fly(b.Context(), f)
	}
	for range waiting { // so that it measures what lasts
		call()
	}
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
	if q.Len() != waiting || d.InFlight() > MaxUndurable {
		b.Fatalf("%d calls wait, want %d; %d are in flight", q.Len(), waiting, d.InFlight())
	}
}

// prompt is a chat, and a Chert, that answers without delay.
type prompt struct{}

func (prompt) Ready(id string) (*chat.Call, bool) {
	return &chat.Call{Chat: id, Kind: chat.Read}, false
}
func (prompt) Ask(context.Context, string) (chat.Call, bool, error) {
	return chat.Call{}, false, &chert.Error{}
}
func (prompt) Recalled(*chat.Call) bool                        { return false }
func (prompt) Answer(_ chat.Answer, durable func())            { durable() }
func (prompt) Call(context.Context, chat.Call) (string, error) { return "", nil }
