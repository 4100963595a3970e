package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/dispatch"
	"chertd/engine/event"
	"chertd/engine/store/sqlite"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// How fast events are worked off that wait when the engine starts, until the last of the
// calls that they ask for, and as many more that are sent meanwhile ("both"), against the
// same number that is sent while nothing waits ("sent"). Each chat is a new one. The ratios
// must be at least 0.9. On a busy machine those of the processor time are steadier.
//
//	go test ./engine -run '^$' -bench Backlog -benchtime 1x -timeout 1h
func BenchmarkBacklog(b *testing.B) {
	for _, n := range []int{50_000, 500_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				sent := sentBacklog(b, n)
				waiting := waitingBacklog(b, n, 0)
				both := waitingBacklog(b, n, n)
				b.ReportMetric(sent.rate, "sent/s")
				b.ReportMetric(sent.cpu*1e6, "sent-cpu-us")
				b.ReportMetric(waiting.rate, "waiting/s")
				b.ReportMetric(waiting.cpu*1e6, "waiting-cpu-us")
				b.ReportMetric(both.rate, "both/s")
				b.ReportMetric(both.cpu*1e6, "both-cpu-us")
				b.ReportMetric(waiting.rate/sent.rate, "waiting-of-sent")
				b.ReportMetric(both.rate/sent.rate, "both-of-sent")
				b.ReportMetric(sent.cpu/waiting.cpu, "waiting-of-sent-by-cpu")
				b.ReportMetric(sent.cpu/both.cpu, "both-of-sent-by-cpu")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// backlogRig is an engine on a store of its own, whose calls succeed immediately.
type backlogRig struct {
	b     *testing.B
	st    *sqlite.Store
	eng   *Engine
	want  int64
	calls atomic.Int64
	done  chan struct{} // closed with the last call
	// handled has an element for each event that was handled, if anyone receives them.
	handled chan struct{}
}

func newBacklogRig(b *testing.B, n int) *backlogRig {
	r := &backlogRig{b: b, want: int64(n), done: make(chan struct{})}
	var err error
	if r.st, err = sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "chertd.db"), sqlite.Options{}); err != nil {
		b.Fatal(err)
	}
	r.eng = New(Config{
		Store: r.st, Caller: r, Now: time.Now, Log: slog.New(slog.DiscardHandler), Concurrency: 64,
		Observe: func(o Observation) {
			if o.Handled != nil && r.handled != nil {
				r.handled <- struct{}{}
			}
		},
	})
	return r
}

// Call implements dispatch.Caller.
func (r *backlogRig) Call(context.Context, chat.Call) (dispatch.Reply, error) {
	if r.calls.Add(1) == r.want {
		close(r.done)
	}
	return dispatch.Reply{TraceID: "trace"}, nil
}

// work runs the engine with a rule, and send beside it, until the last call, and returns
// its speed.
func (r *backlogRig) work(send func()) speed {
	dir := filepath.Join(r.b.TempDir(), "rules")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		r.b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "codes.lua"), []byte(`
chert.on("message.received", function(ev)
  if ev.text:find("verification code", 1, true) then
    chert.mark_read(ev.chat.id)
  end
end)`), 0o600); err != nil {
		r.b.Fatal(err)
	}
	set, diagnostics := rules.Load([]string{dir}, rules.Options{Shards: defaultShards}).Set()
	if diagnostics.Errors() {
		r.b.Fatal(diagnostics)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(r.b.Context()))
	var running sync.WaitGroup
	began, used := time.Now(), cpuTime()
	r.eng.Swap(set)
	running.Go(func() { r.eng.Run(ctx) })
	send()
	<-r.done
	p := speed{
		rate: float64(r.want) / time.Since(began).Seconds(),
		cpu:  (cpuTime() - used).Seconds() / float64(r.want),
	}
	stop()
	running.Wait()
	if err := r.st.Close(); err != nil {
		r.b.Error(err)
	}
	return p
}

// send sends n events of which the first is the i-th. With window, each sender waits until
// an event was handled before it sends the next, so that what waits fits in memory.
func (r *backlogRig) send(i, n int, window bool) {
	var next atomic.Int64
	var senders sync.WaitGroup
	for range 128 {
		senders.Go(func() {
			for k := next.Add(1) - 1; k < int64(n); k = next.Add(1) - 1 {
				if _, err := r.eng.Ingest(r.b.Context(), []turn.Arrival{backlogArrival(r.b, i+int(k))}); err != nil {
					r.b.Error(err)
					return
				}
				if window {
					<-r.handled
				}
			}
		})
	}
	senders.Wait()
}

// sentBacklog sends n events to a running engine.
func sentBacklog(b *testing.B, n int) speed {
	r := newBacklogRig(b, n)
	r.handled = make(chan struct{}, n)
	return r.work(func() { r.send(0, n, true) })
}

// waitingBacklog journals n events, and then starts the engine and sends more.
func waitingBacklog(b *testing.B, n, more int) speed {
	r := newBacklogRig(b, n+more)
	const page = 1000
	for i := 0; i < n; i += page {
		arrivals := make([]turn.Arrival, 0, page)
		for j := i; j < min(i+page, n); j++ {
			arrivals = append(arrivals, backlogArrival(b, j))
		}
		if _, err := r.st.Append(b.Context(), arrivals); err != nil {
			b.Fatal(err)
		}
	}
	r.eng = New(r.eng.c) // nothing is in memory
	return r.work(func() { r.send(n, more, false) })
}

func backlogArrival(b *testing.B, i int) turn.Arrival {
	e, err := event.Decode(webhookBody(i, chatName(i)), event.Hints{})
	if err != nil {
		b.Fatal(err)
	}
	e.Source = event.SourceWebhook
	return turn.Arrival{Event: e, Received: time.Now()}
}

// speed is events a second, and seconds of processor time an event.
type speed struct{ rate, cpu float64 }
