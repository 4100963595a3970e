package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"chertd/rules/chat"
)

// BenchmarkCall makes calls while others wait: each is set, picked, made and answered. The
// cost must hardly depend on how many wait: because calls come before them, because their
// group has no room in flight, or because many answers become durable together, so that all
// groups have room now and then only.
//
//	$ go test ./engine/dispatch -run '^$' -bench Call/
func BenchmarkCall(b *testing.B) {
	for _, tc := range []struct {
		name string
		road road
	}{
		{"one line", road{lines: 1}},
		{"two lines", road{lines: 2}},
		{"group without room", road{lines: 1, stuck: true}},
		{"answers durable together", road{lines: 1, together: true}},
	} {
		for _, waiting := range []int{0, 1_000, 50_000} {
			b.Run(fmt.Sprintf("%s/%d waiting", tc.name, waiting), func(b *testing.B) { tc.road.benchmark(b, waiting) })
		}
	}
}

// road says which calls there are, and how they end.
type road struct {
	lines    int
	stuck    bool // those that wait are of a group without room
	together bool // answers become durable once no group has room
}

func (r road) benchmark(b *testing.B, waiting int) {
	const groups = 4
	q := NewQueue(&manyLines{}, func(chat string) int { return int(chat[0] - '0') }, 0)
	now, chats := epoch.Add(time.Hour), &prompt{together: r.together}
	d := New(Config{
		Chats: chats, Caller: chats, Queue: q, Governor: NewGovernor(0, 0), Concurrency: 8,
		Now: func() time.Time { return now.Truncate(time.Millisecond) }, Jitter: func() float64 { return 0.5 },
		Log: slog.New(slog.DiscardHandler),
	})
	d.tryNext(b.Context(), d.c.Now()) // it knows by now that the store has none
	names := make([]string, r.lines)
	for i := range names {
		names[i] = fmt.Sprintf("+1555000000%d", i)
	}
	n := 0
	set := func(group int) {
		n++
		q.Set(Pick{Chat: fmt.Sprintf("%d-chat-%08d", group, n), Line: names[n%len(names)], Due: d.c.Now()})
		now = now.Add(time.Second / 8_000)
	}
	for r.stuck && d.inFlight.room(0) {
		d.inFlight.enter(0)
	}
	for range waiting {
		if r.stuck {
			set(0)
		} else {
			set(n % groups)
		}
	}
	call := func() {
		if r.stuck {
			set(1 + n%(groups-1))
		} else {
			set(n % groups)
		}
		f, _ := d.tryNext(b.Context(), d.c.Now())
		if f == nil {
			chats.release()
			if f, _ = d.tryNext(b.Context(), d.c.Now()); f == nil {
				b.Fatal("no call goes out")
			}
		}
		d.fly(b.Context(), f)
	}
	for range waiting { // until then calls that come later go first
		call()
	}
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
	if q.Len() != waiting {
		b.Fatalf("%d calls wait, want %d", q.Len(), waiting)
	}
}

// prompt stands for chats, and for Chert, that answer immediately.
type prompt struct {
	together bool // answers are durable at the next release
	held     []func()
}

func (p *prompt) Ready(id string) (*chat.Call, bool) {
	return &chat.Call{Chat: id, Kind: chat.Read}, false
}
func (p *prompt) Ask(context.Context, string) (c chat.Call, ok bool, err error) { return c, ok, err }
func (p *prompt) Recalled(*chat.Call) bool                                      { return false }
func (p *prompt) Call(context.Context, chat.Call) (Reply, error)                { return Reply{}, nil }

func (p *prompt) Answer(_ chat.Answer, durable func()) {
	if p.together {
		p.held = append(p.held, durable)
		return
	}
	durable()
}

func (p *prompt) release() {
	for _, durable := range p.held {
		durable()
	}
	clear(p.held)
	p.held = p.held[:0]
}
