package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// rig is an engine on a store of its own, with a Chert that is a function.
type rig struct {
	t    *testing.T
	dir  string
	st   *sqlite.Store
	eng  *Engine
	stop func()

	mu      sync.Mutex
	changed sync.Cond
	seen    []Observation
	calls   []chat.Call
	answer  func(chat.Call) error // nil: success
	newest  chat.Newest           // what Chert says of the newest message of any chat
	unclear string                // why newest is not known
	now     func() time.Time
	shards  int
	wrap    func(store.Store) store.Store // wraps the store that the engine uses; nil: no wrapper
	log     slog.Handler                  // nil: discards all
	frozen  func()                        // called after the process did not run; nil: nobody looks
}

// newRig starts an engine with rule files given as name, source, name, source …
func newRig(t *testing.T, files ...string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), now: time.Now}
	r.changed.L = &r.mu
	r.write(files...)
	r.start()
	return r
}

func (r *rig) write(files ...string) {
	r.t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		path := filepath.Join(r.dir, "rules", files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

// start opens the store and runs an engine on it until the test, or stop, ends it.
func (r *rig) start() {
	r.t.Helper()
	st, err := sqlite.Open(context.Background(), filepath.Join(r.dir, "chertd.db"), sqlite.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.st = st
	var kept store.Store = st
	if r.wrap != nil {
		kept = r.wrap(st)
	}
	log := r.log
	if log == nil {
		log = slog.DiscardHandler
	}
	r.eng = New(Config{
		Store: kept, Caller: r, Now: func() time.Time { return r.now() }, Log: slog.New(log),
		Shards: r.shards, Observe: r.observe,
	})
	r.eng.freezes.gap = r.frozen
	r.load()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { r.eng.Run(ctx); close(ended) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			<-ended
			if err := st.Close(); err != nil {
				r.t.Error(err)
			}
		})
	}
	r.t.Cleanup(func() { r.stop() })
}

func (r *rig) load() {
	r.t.Helper()
	set, diagnostics := rules.Load([]string{filepath.Join(r.dir, "rules")}, rules.Options{Shards: len(r.eng.shards)}).Set()
	if diagnostics.Errors() {
		r.t.Fatal(diagnostics)
	}
	r.eng.Swap(set)
}

func (r *rig) Call(_ context.Context, call chat.Call) (dispatch.Reply, error) {
	r.mu.Lock()
	r.calls = append(r.calls, call)
	answer, newest, unclear := r.answer, r.newest, r.unclear
	r.mu.Unlock()
	r.changed.Broadcast()
	if answer != nil {
		if err := answer(call); err != nil {
			return dispatch.Reply{}, err
		}
	}
	return dispatch.Reply{HTTP: 200, TraceID: "trace", Newest: newest, Unclear: unclear}, nil
}

func (r *rig) observe(h Observation) {
	r.mu.Lock()
	r.seen = append(r.seen, h)
	r.mu.Unlock()
	r.changed.Broadcast()
}

// wait waits until cond holds; it is called with mu held.
func (r *rig) wait(what string, cond func() bool) {
	r.t.Helper()
	// Not everything that a test waits for gives a signal.
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	waited := make(chan struct{})
	defer close(waited)
	go func() {
		for {
			select {
			case <-again.C:
				r.changed.Broadcast()
			case <-waited:
				return
			}
		}
	}()
	began := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !cond() {
		if time.Since(began) > 20*time.Second {
			r.t.Fatalf("waited in vain for %s; calls: %v; %d observations", what, r.calls, len(r.seen))
		}
		r.changed.Wait()
	}
}

// lock locks mu, so that seen and calls can be read, until done is called.
func (r *rig) lock() (done func()) {
	r.mu.Lock()
	return r.mu.Unlock
}

// message ingests an inbound message.
func (r *rig) message(chatID, id, text string) store.Receipt {
	r.t.Helper()
	receipts, err := r.eng.Ingest(context.Background(), []turn.Arrival{{Event: message(chatID, id, text), Received: time.Now()}})
	if err != nil {
		r.t.Fatal(err)
	}
	return receipts[0]
}

func message(chatID, id, text string) event.Event {
	body := fmt.Sprintf(`{"event_type":"message.received","event_id":%q,"partner_id":"t","data":{
		"chat":{"id":%q,"is_group":false,"owner_handle":{"handle":"+14150000000"}},
		"message":{"id":"m-%s","direction":"inbound","sender_handle":{"handle":"+14151111111"},"parts":[{"type":"text","value":%q}]}}}`,
		id, chatID, id, text)
	ev, err := event.Decode([]byte(body), event.Hints{})
	if err != nil {
		panic(err)
	}
	ev.Source = event.SourceWebhook
	return ev
}

func (r *rig) handled(id string) *Handled {
	for _, h := range r.seen {
		if h.Handled != nil && h.Handled.Entry.Event.ID == id {
			return h.Handled
		}
	}
	return nil
}

// rerun returns an event that ran through a pack that had missed it.
func (r *rig) rerun(id string) *Handled {
	for _, h := range r.seen {
		if h.Rerun != nil && h.Rerun.Entry.Event.ID == id {
			return h.Rerun
		}
	}
	return nil
}

// called counts the calls for a chat.
func (r *rig) called(chatID string) (n int) {
	for _, c := range r.calls {
		if c.Chat == chatID {
			n++
		}
	}
	return n
}

func (r *rig) ended(why string) int {
	n := 0
	for _, h := range r.seen {
		if h.Ended != nil && h.Ended.Why == why {
			n++
		}
	}
	return n
}

func (r *rig) readCount() int {
	defer r.lock()()
	return r.ended(chat.WhyRead)
}

const readAll = `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)
`

func TestEventToCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, "codes.lua", `
chert.rule({
  name = "codes",
  on = "message.received",
  where = { text = "code" },
  run = function(ev)
    log.info("a code", { chat = ev.chat.id })
    chert.mark_read(ev.chat.id, { reason = "a code" })
  end,
})`)
	r.message("c1", "e1", "your code is 1")
	r.message("c2", "e2", "hello")
	r.wait("the read and both events", func() bool {
		return r.ended(chat.WhyRead) == 1 && r.handled("e1") != nil && r.handled("e2") != nil
	})
	defer r.lock()()
	if len(r.calls) != 1 || r.calls[0].Chat != "c1" || r.calls[0].Line != "+14150000000" {
		t.Errorf("calls are %+v, want one for c1", r.calls)
	}
	d := r.handled("e1").Decision
	if len(d.Rules) != 1 || d.Rules[0].Rule != "codes" || !slices.Equal(d.Rules[0].Asked, []string{"mark_read (a code)"}) ||
		len(d.Rules[0].Logs) != 1 || d.Rules[0].Version == "" || !strings.Contains(d.Rules[0].Place, "codes.lua:") {
		t.Errorf("the decision does not say who asked: %+v", d.Rules)
	}
	if note := r.handled("e2").Decision.Note; note != "no rule wants it" {
		t.Errorf("e2's note is %q", note)
	}
}

func TestDuplicateIsHandledOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, "all.lua", readAll)
	first := r.message("c1", "e1", "x")
	again := r.message("c1", "e1", "x")
	if !again.Duplicate || again.Seq != first.Seq {
		t.Errorf("second receipt is %+v, want a duplicate of %d", again, first.Seq)
	}
	r.message("c1", "e2", "y")
	r.wait("e2", func() bool { return r.handled("e2") != nil })
	defer r.lock()()
	n := 0
	for _, h := range r.seen {
		if h.Handled != nil && h.Handled.Entry.Event.ID == "e1" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("e1 was handled %d times", n)
	}
}

// A burst makes one call: the same rule's reads replace one another, and what
// came while a call was out makes the next.
func TestBurstMakesOneCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, "settle.lua", `
chert.rule({ name = "settle", on = "message.received",
  run = function(ev) chert.mark_read(ev.chat.id, { after = 0.2 }) end })`)
	for i := range 10 {
		r.message("c1", fmt.Sprint("e", i), "x")
	}
	r.wait("the read", func() bool { return r.ended(chat.WhyRead) == 1 })
	defer r.lock()()
	if len(r.calls) != 1 {
		t.Errorf("%d calls, want 1", len(r.calls))
	}
}

func TestNewerMessageSupersedesRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, "some.lua", `
chert.rule({ name = "later", on = "message.received", where = { text = "please" },
  run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end })`)
	r.message("c1", "e1", "please")
	r.message("c1", "e2", "and another thing")
	r.wait("e2", func() bool { return r.handled("e2") != nil })
	actions, err := r.st.Actions(context.Background(), store.ActionFilter{Chat: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(actions) != 1 || actions[0].Status != chat.Dropped || actions[0].Why != chat.WhySuperseded {
		t.Errorf("actions are %+v, want one that was superseded", actions)
	}
}

// One rule's failure drops what it asked for and nothing else.
func TestFailureIsContained(t *testing.T) {
	t.Parallel()
	r := newRig(t,
		"a_bad.lua", `chert.on("message.received", function(ev) chert.mark_read("other") error("boom") end)`,
		"b_loop.lua", `chert.on("message.received", function(ev) while true do end end)`,
		"c_good.lua", readAll)
	r.message("c1", "e1", "x")
	r.wait("the read", func() bool { return r.ended(chat.WhyRead) == 1 })
	defer r.lock()()
	if len(r.calls) != 1 || r.calls[0].Chat != "c1" {
		t.Errorf("calls are %+v, want one for c1", r.calls)
	}
	d := r.handled("e1").Decision
	if !d.Failed || len(d.Rules) != 3 || !strings.Contains(d.Rules[0].Error, "a_bad.lua:1") || !strings.Contains(d.Rules[0].Error, "boom") ||
		!strings.Contains(d.Rules[1].Error, "b_loop.lua:1") || d.Rules[2].Error != "" {
		t.Errorf("the decision does not tell the failures: %+v", d.Rules)
	}
}

// A request for another chat is carried there by the journal. It speaks for what its
// pack has seen there, unless it does not care.
func TestRequestForAnotherChat(t *testing.T) {
	t.Parallel()
	r := newRig(t, "other.lua", `
chert.on("message.received", { chat = "c1" }, function(ev) chert.mark_read("c2", { reason = "because of c1" }) end)
chert.on("message.received", { chat = "c1", text = "sure" }, function(ev) chert.mark_read("c2", { even_if_newer = true }) end)`)
	r.message("c2", "e1", "x")
	r.message("c1", "e0", "x")
	r.wait("what nobody saw", func() bool { return r.dropped(chat.WhySuperseded) == 1 })
	r.message("c1", "e2", "sure")
	r.wait("the read", func() bool { return r.ended(chat.WhyRead) == 1 })
	defer r.lock()()
	if len(r.calls) != 1 || r.calls[0].Chat != "c2" {
		t.Errorf("calls are %+v, want one for c2", r.calls)
	}
}

// Reloading swaps between two events, and no event is run by two versions.
func TestSwapBetweenEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", readAll)
	r.message("c1", "e1", "x")
	r.wait("e1", func() bool { return r.handled("e1") != nil })
	version := func(id string) string {
		defer r.lock()()
		if rules := r.handled(id).Decision.Rules; len(rules) > 0 {
			return rules[0].Version
		}
		return ""
	}
	before := version("e1")
	r.write("p.lua", `chert.on("reaction.added", function(ev) end)`)
	r.load()
	r.message("c1", "e2", "x")
	r.wait("e2", func() bool { return r.handled("e2") != nil })
	if v := version("e2"); v != "" {
		t.Errorf("the old version still ran: %s", v)
	}
	r.write("p.lua", readAll)
	r.load()
	r.message("c1", "e3", "x")
	r.wait("e3", func() bool { return r.handled("e3") != nil })
	if after := version("e3"); after != before {
		t.Errorf("the same content has version %s, had %s", after, before)
	}
}

// A restart continues unfinished work: events that were journaled
// and not handled, reads that wait, calls whose answer was lost.
func TestRestartContinuesUnfinishedWork(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", `
chert.rule({ name = "later", on = "message.received",
  run = function(ev) chert.mark_read(ev.chat.id, { after = 0.3 }) end })`)
	for i := range 50 {
		r.message(fmt.Sprint("c", i), fmt.Sprint("e", i), "x")
	}
	r.stop()
	// A stopped engine takes nothing in.
	if _, err := r.eng.Ingest(context.Background(), []turn.Arrival{{Event: message("c", "late", "x")}}); err == nil {
		t.Error("an event was taken in after the stop")
	}
	r.start()
	r.wait("all reads", func() bool { return r.ended(chat.WhyRead) == 50 })
	defer r.lock()()
	perChat := map[string]int{}
	for _, c := range r.calls {
		perChat[c.Chat]++
	}
	if len(perChat) != 50 || len(r.calls) != 50 {
		t.Errorf("%d calls to %d chats, want one each of 50", len(r.calls), len(perChat))
	}
}

// Events of a chat run in order, whatever the backlog, and more of them than
// fit in memory wait in the store.
func TestBacklogKeepsOrder(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}
	r.changed.L = &r.mu
	r.write("p.lua", `chert.on("message.received", function(ev) end)`)
	r.start()
	r.eng.rules.Store(nil) // nothing is handled until there are rules
	const chats, each = 7, 1000
	for i := range each {
		var batch []turn.Arrival
		for c := range chats {
			batch = append(batch, turn.Arrival{Event: message(fmt.Sprint("c", c), fmt.Sprintf("e-%d-%d", c, i), "x"), Received: time.Now()})
		}
		// Not by Ingest, which slows senders down.
		if _, err := r.st.Append(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range r.eng.Status().Backlog {
		if n > queueEntries {
			t.Errorf("%d events in memory, want at most %d", n, queueEntries)
		}
	}
	r.load()
	count := func() (n int) {
		for _, h := range r.seen {
			if h.Handled != nil {
				n++
			}
		}
		return n
	}
	r.wait("all events", func() bool { return count() >= chats*each })
	defer r.lock()()
	last := map[string]int64{}
	for _, h := range r.seen {
		if h.Handled == nil {
			continue
		}
		id, seq := h.Handled.Entry.Event.ChatID(), h.Handled.Entry.Seq
		if seq <= last[id] {
			t.Fatalf("chat %s: event %d was handled after %d", id, seq, last[id])
		}
		last[id] = seq
	}
	if n := count(); n != chats*each {
		t.Errorf("%d events handled, want each of %d once", n, chats*each)
	}
}

// A retryable refusal is retried; a final one ends the action as dead.
func TestRetryableRefusalIsRetried(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", readAll)
	var tries sync.Map
	r.mu.Lock()
	r.answer = func(c chat.Call) error {
		n, _ := tries.LoadOrStore(c.Chat, new(int))
		*n.(*int)++
		switch {
		case c.Chat == "gone":
			return &chert.Error{Status: 404, Code: 2002, Message: "chat not found", TraceID: "t1"}
		case c.Chat == "again" && *n.(*int) == 1:
			return &chert.Error{Status: 503, Code: 4002, Message: "saturated", Retryable: true, RetryAfter: 10 * time.Millisecond}
		}
		return nil
	}
	r.mu.Unlock()
	r.message("gone", "e1", "x")
	r.message("again", "e2", "x")
	r.wait("both to settle", func() bool {
		n := 0
		for _, h := range r.seen {
			if h.Ended != nil {
				n++
			}
		}
		return n == 2
	})
	dead, err := r.st.Actions(context.Background(), store.ActionFilter{Status: []chat.Status{chat.Dead}})
	if err != nil {
		t.Fatal(err)
	}
	if len(dead) != 1 || dead[0].Chat != "gone" || dead[0].Code != 2002 || dead[0].TraceID != "t1" {
		t.Errorf("dead actions are %+v, want the one of chat gone", dead)
	}
}

var _ dispatch.Caller = (*rig)(nil)
