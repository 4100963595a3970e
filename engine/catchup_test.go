package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/event"
	"chertd/rules/chat"
)

// logged is a daemon beside a simulated Chert, with what it has handled.
type logged struct {
	t   *testing.T
	sim *chertsim.Sim
	d   Daemon

	mu      sync.Mutex
	changed sync.Cond
	events  map[string][]string // handled, by chat
	sources map[string]int
	reads   []chat.Call
	hook    string

	cancel context.CancelFunc
	ended  chan error
}

func newLogged(t *testing.T, rule string) *logged {
	t.Helper()
	// One worker: several would deliver the events of a chat in another order.
	sim := chertsim.New(chertsim.Config{AllowLoopback: true, Backoff: time.Millisecond, Workers: 1})
	api := serve(t, sim)
	t.Cleanup(sim.Close)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules", "p.lua"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &logged{t: t, sim: sim, events: map[string][]string{}, sources: map[string]int{}}
	l.changed.L = &l.mu
	l.d = Daemon{
		StorePath: filepath.Join(dir, "data", "chertd.db"),
		API:       chert.Config{BaseURL: api + chertsim.BasePath, Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret, Timeout: 5 * time.Second},
		Webhook:   Webhook{Listen: "127.0.0.1:0", Path: "/webhooks/chert", Secrets: []string{chertsim.DefaultWebhookSecret}, Tolerance: time.Minute, MaxBody: 1 << 20, MaxHeader: 64 << 10},
		CatchUp:   CatchUp{Every: time.Hour, Wait: time.Minute},
		RulesDir:  filepath.Join(dir, "rules"), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Observe: l.observe,
	}
	return l
}

func (l *logged) observe(o Observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.changed.Broadcast()
	switch {
	case o.Handled != nil && o.Handled.Entry.Event.Source != event.SourceEngine:
		ev := &o.Handled.Entry.Event
		l.events[ev.ChatID()] = append(l.events[ev.ChatID()], ev.ID)
		l.sources[ev.Source]++
	case o.Attempt != nil:
		l.reads = append(l.reads, o.Attempt.Call)
	}
}

// start starts the daemon and returns once it takes deliveries in.
func (l *logged) start() {
	l.t.Helper()
	started := make(chan Addresses, 1)
	l.d.Started = func(a Addresses) { started <- a }
	var ctx context.Context
	ctx, l.cancel = context.WithCancel(context.Background())
	ended := make(chan error, 1)
	l.ended = ended
	go func() { ended <- l.d.Run(ctx) }()
	l.t.Cleanup(l.stop)
	select {
	case a := <-started:
		l.hook = a.Webhook
	case err := <-ended:
		l.t.Fatalf("the daemon does not run: %v", err)
	}
	if l.hook == "" {
		return
	}
	if _, err := l.sim.Subscribe(l.hook, chertsim.DefaultWebhookSecret); err != nil {
		l.t.Fatal(err)
	}
}

func (l *logged) stop() {
	if l.cancel == nil {
		return
	}
	l.cancel()
	l.cancel = nil
	if err := <-l.ended; err != nil {
		l.t.Error(err)
	}
}

// receive lets messages arrive at Chert, and returns the ids of their events by chat.
func (l *logged) receive(n int, want map[string][]string) {
	for range n {
		row := l.sim.Receive(chertsim.Incoming{Chat: fmt.Sprint("c", len(want["all"])%3), Text: "hello"})
		want[row.Chat] = append(want[row.Chat], row.EventID)
		want["all"] = append(want["all"], row.EventID)
	}
}

// wait waits until so many events are handled.
func (l *logged) wait(n int) {
	l.t.Helper()
	late := time.AfterFunc(20*time.Second, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		n = 0
		l.changed.Broadcast()
		l.t.Errorf("waited in vain: %d events from %v", handledIn(l.events), l.sources)
	})
	defer late.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for handledIn(l.events) < n {
		l.changed.Wait()
	}
}

func handledIn(events map[string][]string) (n int) {
	for _, ids := range events {
		n += len(ids)
	}
	return n
}

// A daemon that was stopped under load handles every message once and in order after its
// start, though newer ones are delivered before it has read the older ones from the log. No
// call goes out before.
func TestStoppedDaemonMissesNothing(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream %t", stream), func(t *testing.T) {
			t.Parallel()
			l := newLogged(t, `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`)
			if l.d.Stream = stream; stream {
				l.d.Webhook = Webhook{}
			}
			l.stopsAndStarts()
			if (l.sources[event.SourceStream] > 0) != stream {
				t.Errorf("events came from %v", l.sources)
			}
		})
	}
}

func (l *logged) stopsAndStarts() {
	t := l.t
	want := map[string][]string{}
	l.start()
	l.receive(30, want)
	l.wait(30)
	for range 2 {
		l.stop()
		l.receive(500, want) // what the webhook is tried with fails
		l.start()
		l.receive(60, want)
		l.wait(len(want["all"]))
		if err := l.sim.Drain(t.Context()); err != nil { // one worker has tried hundreds in vain
			t.Fatal(err)
		}
		l.receive(10, want)
		l.wait(len(want["all"]))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range []string{"c0", "c1", "c2"} {
		if !slices.Equal(l.events[id], want[id]) {
			t.Errorf("%s: handled %d of %d events, or not in order", id, len(l.events[id]), len(want[id]))
		}
	}
	if l.sources[event.SourceCatchup] < 900 {
		t.Errorf("events came from %v, want a thousand from the log", l.sources)
	}
}

// A veto that was missed keeps a read back that came due meanwhile.
func TestMissedVetoStopsADueRead(t *testing.T) {
	t.Parallel()
	l := newLogged(t, `
chert.rule({ name = "later", on = "message.received", where = { words = "hello" }, run = function(ev)
  chert.mark_read(ev.chat.id, { after = 0.05, even_if_newer = true })
end })
chert.rule({ name = "veto", on = "message.received", where = { words = "stop" }, run = function(ev) chert.keep_unread(ev.chat.id) end })`)
	l.start()
	l.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
	l.sim.Receive(chertsim.Incoming{Chat: "c2", Text: "hello"})
	l.wait(2)
	l.stop()
	l.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "stop"})
	l.sim.Receive(chertsim.Incoming{Chat: "c3", Text: "hello"})
	l.start()
	l.wait(4)
	l.mu.Lock()
	defer l.mu.Unlock()
	for !slices.ContainsFunc(l.reads, func(c chat.Call) bool { return c.Chat == "c3" }) {
		l.changed.Wait()
	}
	for _, call := range l.reads {
		if call.Chat == "c1" {
			t.Error("the read went out although the message that vetoes it came before the restart")
		}
	}
}
