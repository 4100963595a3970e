package engine

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/engine/tracing"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// crew is a rig whose rules a manager keeps, as the daemon does.
type crew struct {
	*rig
	m       *manager
	options rules.Options
	paused  bool         // no call goes out after a start, either
	ahead   atomic.Int64 // how far the clock is ahead of the world's, in nanoseconds
	log     logBuffer
	logs    func(msg string) // if set, is called before a message is logged
	traces  tracing.Config   // without a URL there are none
	gate    live.Gate        // nil: edits go live without specs
}

// logHook is a handler of logs that calls logs first.
type logHook struct {
	slog.Handler
	logs func(msg string)
}

func (h logHook) Handle(ctx context.Context, r slog.Record) error {
	if h.logs != nil {
		h.logs(r.Message)
	}
	return h.Handler.Handle(ctx, r)
}

// logBuffer is a log with a lock of its own: the manager logs under its locks, and
// what a test waits for takes those while it holds rig.mu. wait looks again soon.
type logBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// set replaces the text.
func (l *logBuffer) set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
	l.text.WriteString(text)
}

func newCrew(t *testing.T, files ...string) *crew {
	t.Helper()
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}}
	c.changed.L = &c.mu
	c.now = func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }
	c.write(files...)
	c.start()
	return c
}

func (c *crew) Write(b []byte) (int, error) {
	defer c.changed.Broadcast() // what is logged may be what wait waits for
	return c.log.Write(b)
}

// start starts a store, an engine and a manager as Daemon.Run does.
func (c *crew) start() {
	c.t.Helper()
	st, err := sqlite.Open(context.Background(), filepath.Join(c.dir, "chertd.db"), sqlite.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	log := slog.New(logHook{slog.NewTextHandler(c, nil), c.logs})
	c.st = st
	var kept store.Store = st
	if c.wrap != nil {
		kept = c.wrap(st)
	}
	c.options.Shards = c.shards
	d := &Daemon{RulesDir: filepath.Join(c.dir, "rules"), Rules: c.options, Gate: c.gate, Log: log, Now: c.now, Traces: c.traces}
	d.API.Tenant, d.API.BaseURL = "acme", "https://chert.example/api/v1"
	c.m, err = newManager(d,
		Config{Store: kept, Caller: c.rig, Now: func() time.Time { return c.now() }, Log: log, Shards: c.shards, Observe: c.observe},
		st, nil, newClock(c.now))
	if err != nil {
		c.t.Fatal(err)
	}
	c.eng = c.m.eng
	if err := c.eng.restoreHolds(context.Background()); err != nil {
		c.t.Fatal(err)
	}
	c.m.restoreNotices(context.Background())
	engine, stopEngine := context.WithCancel(context.Background())
	sources, stopSources := context.WithCancel(engine)
	var handling, taking sync.WaitGroup
	stopTraces := d.startTraces(c.m)
	c.eng.Pause(true)
	handling.Go(func() { c.eng.Run(engine) })
	if err := c.m.gens.Start(engine); err != nil {
		c.t.Error(err)
	}
	c.eng.Pause(c.paused)
	taking.Go(func() { c.m.run(sources) })
	taking.Go(func() { c.m.watchBlocking(sources) })
	var once sync.Once
	c.stop = func() {
		once.Do(func() {
			stopSources()
			taking.Wait()
			c.m.retries.end()
			c.m.gens.Stop()
			stopEngine()
			handling.Wait()
			sendTraces := stopTraces()
			defer sendTraces()
			if err := st.Close(); err != nil {
				c.t.Error(err)
			}
		})
	}
	c.t.Cleanup(func() { c.stop() })
}

// logged returns the log so far.
func (c *crew) logged() string { return c.log.String() }

func (c *crew) reload() {
	c.t.Helper()
	if _, err := c.m.Reload(context.Background()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crew) remove(name string) {
	c.t.Helper()
	if err := os.Remove(filepath.Join(c.dir, "rules", name)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crew) mode(pack, mode string) {
	c.t.Helper()
	if _, err := c.m.SetMode(ctx, pack, control.ModeRequest{Mode: mode}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crew) chatOf(id string) chat.Chat {
	c.t.Helper()
	found, err := oneChat(c.st.Chats(ctx, []string{id}))
	if err != nil {
		c.t.Fatal(err)
	}
	return found
}

// record returns an event with its decision and actions so far.
func (c *crew) record(id string) store.Record {
	c.t.Helper()
	r, ok, err := c.st.Event(ctx, id)
	if err != nil || !ok {
		c.t.Fatalf("event %s: %t, %v", id, ok, err)
	}
	return r
}

// open opens the store while no engine runs on it.
func (c *crew) open() {
	c.t.Helper()
	st, err := sqlite.Open(ctx, filepath.Join(c.dir, "chertd.db"), sqlite.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	c.st = st
}

func (c *crew) pack(name string) control.Pack {
	c.t.Helper()
	all, err := c.m.Packs(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, p := range all {
		if p.Name == name {
			return p
		}
	}
	c.t.Fatalf("there is no pack %s among %+v", name, all)
	return control.Pack{}
}

// actions returns a chat's actions in words, such as "read dropped (pack_inactive)".
func (c *crew) actions(chatID string) string {
	c.t.Helper()
	list, err := c.st.Actions(context.Background(), store.ActionFilter{Chat: chatID, Limit: 1000})
	if err != nil {
		c.t.Fatal(err)
	}
	var all []string
	for _, a := range list {
		words := fmt.Sprintf("%s %s", a.Kind, a.Status)
		if a.Why != "" {
			words += " (" + a.Why + ")"
		}
		all = append(all, words)
	}
	return strings.Join(all, ", ")
}

func (c *crew) expectActions(when, chatID, want string) {
	c.t.Helper()
	if got := c.actions(chatID); got != want {
		c.t.Errorf("%s: actions of %s are %q, want %q", when, chatID, got, want)
	}
}

// endedAs waits until a chat's actions have ended as wanted.
func (c *crew) endedAs(chatID, want string) {
	c.t.Helper()
	c.wait("actions of "+chatID+" to be "+want, func() bool { return c.actions(chatID) == want })
}

func (c *crew) handle(chatID, id, text string) {
	c.t.Helper()
	c.message(chatID, id, text)
	c.wait(id, func() bool { return c.handled(id) != nil })
}

func (c *crew) decision(id string) *turn.Decision {
	defer c.lock()()
	return c.handled(id).Decision
}

// drained waits until nothing is pending.
func (c *crew) drained() {
	c.t.Helper()
	for {
		stats, err := c.st.Stats(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		if stats.Pending == 0 {
			return
		}
		if err := c.eng.waitDurable(ctx); err != nil { // each round waits for a batch
			c.t.Fatal(err)
		}
	}
}

// oneChat returns the only chat of a list.
func oneChat(list []chat.Chat, err error) (chat.Chat, error) {
	if len(list) != 1 || err != nil {
		return chat.Chat{}, err
	}
	return list[0], nil
}
