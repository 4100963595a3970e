package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// signalRules note signals in ev.state, and read on human_replied.
const signalRules = `chert.on("message.received", function(ev) ev.state.order = (ev.state.order or "") .. ev.id .. " " end)
chert.on("signal:human_replied", function(ev)
  ev.state.order = (ev.state.order or "") .. ev.id .. " "
  ev.state.data = ev.signal.data
  ev.state.is_group, ev.state.line = ev.chat.is_group, ev.chat.line
  chert.mark_read(ev.chat.id)
end)
chert.on("*", function(ev) if ev.source == "signal" then error("a signal reaches *") end end)`

func (c *crew) signal(in control.SignalRequest) control.Signaled {
	c.t.Helper()
	s, err := c.m.Signal(ctx, in)
	if err != nil {
		c.t.Fatalf("signal %+v: %v", in, err)
	}
	return s
}

// orderOf returns the events of a chat that the pack "signals" has handled, in their order.
func (c *crew) orderOf(chatID string) string {
	c.t.Helper()
	raw, err := c.st.State(ctx, "signals", chatID)
	if err != nil {
		c.t.Fatal(err)
	}
	var state struct{ Order string }
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &state); err != nil {
			c.t.Fatal(err)
		}
	}
	return strings.TrimSpace(state.Order)
}

func TestSignalIsHandledInTheOrderOfItsChat(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "signals.lua", signalRules)
	c.deliver("c1", "e1", "hello")
	s := c.signal(control.SignalRequest{Name: "human_replied", Chat: "c1", ID: "r1", Data: json.RawMessage(`{"agent":"Ann"}`)})
	if want := (control.Signaled{Name: "human_replied", Chat: "c1", ID: "r1", Event: "signal:r1", Rules: 1}); !equalSignaled(s, want) {
		t.Errorf("got %+v, want %+v", s, want)
	}
	c.deliver("c1", "e2", "hello?")
	c.handledAll("e1", "signal:r1", "e2")
	c.settled()
	if got := c.orderOf("c1"); got != "e1 signal:r1 e2" {
		t.Errorf("handled in the order %q", got)
	}
	r := c.record("signal:r1")
	if ev := r.Event; ev.Signal() != "human_replied" || ev.Source != event.SourceSignal || ev.ChatID() != "c1" || string(ev.Data) != `{"agent":"Ann"}` || r.Received.IsZero() {
		t.Errorf("recorded %+v", r.Event)
	}
	var state map[string]any
	raw, _ := c.st.State(ctx, "signals", "c1")
	if err := json.Unmarshal(raw, &state); err != nil || state["line"] == nil || state["is_group"] != false {
		t.Errorf("the rule saw %s (%v), want the line and is_group of the chat", raw, err)
	}
}

func equalSignaled(a, b control.Signaled) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }

// settled waits until outcomes are durable.
func (c *crew) settled() {
	c.t.Helper()
	if err := c.eng.waitDurable(ctx); err != nil {
		c.t.Fatal(err)
	}
}

// A signal is not a message: it makes no chat unread, supersedes nothing, and a read on it covers
// what its pack has seen.
func TestSignalIsNotAMessage(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "signals.lua", signalRules,
		"later.lua", `chert.rule({ name = "later", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end })`,
		"blind.lua", `chert.on("signal:blind", function(ev) chert.mark_read(ev.chat.id) end)`)
	c.handle("c1", "e1", "hello")
	before := c.chatOf("c1")
	c.signal(control.SignalRequest{Name: "unheard", Chat: "c1", ID: "r0"})
	c.handledAll("signal:r0")
	c.settled()
	if after := c.chatOf("c1"); after.LastMessageSeq != before.LastMessageSeq || after.LastEvent != before.LastEvent || len(after.Waiting) != 1 {
		t.Errorf("a signal changes the chat from %+v to %+v", before, after)
	}
	c.signal(control.SignalRequest{Name: "blind", Chat: "c1", ID: "r1"})
	c.handledAll("signal:r1")
	c.settled()
	c.expectActions("its pack has not seen the message, so its read waits for one that has", "c1", "read waiting, read waiting")
	if n := c.called("c1"); n > 0 {
		t.Errorf("%d calls", n)
	}
	c.signal(control.SignalRequest{Name: "human_replied", Chat: "c1", ID: "r2"})
	c.wait("the call", func() bool { return c.calledLocked("c1") == 1 })
}

func (r *rig) calledLocked(chatID string) (n int) {
	for _, call := range r.calls {
		if call.Chat == chatID {
			n++
		}
	}
	return n
}

// The same id counts once: sent again, after a restart, and after a kill that has lost the
// answer. Another event with such an id is not taken for it.
func TestSignalCountsOnceByItsID(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "signals.lua", signalRules)
	c.handle("c1", "e1", "hello")
	in := control.SignalRequest{Name: "human_replied", Chat: "c1", ID: "r1"}
	if c.signal(in).Duplicate || !c.signal(in).Duplicate {
		t.Error("the second signal must be a duplicate, and the first must not")
	}
	c.give(`{"event":"message.received","event_id":"signal:r2","data":{"chat":{"id":"c1"},"message":{"id":"m2","parts":[]}}}`)
	if c.signal(control.SignalRequest{Name: "human_replied", Chat: "c1", ID: "r2"}).Duplicate {
		t.Error("an event of Chert's is taken for a signal")
	}
	c.handledAll("signal:r1", "signal:r2")
	c.stop()
	c.start()
	if s := c.signal(in); !s.Duplicate || s.Event != "signal:r1" {
		t.Errorf("after a restart: %+v", s)
	}
	a, b := c.signal(control.SignalRequest{Name: "human_replied", Chat: "c1"}), c.signal(control.SignalRequest{Name: "human_replied", Chat: "c1"})
	if a.ID == "" || a.ID == b.ID || a.Duplicate || b.Duplicate {
		t.Errorf("without ids: %+v and %+v", a, b)
	}
	c.handledAll(a.Event, b.Event)
	c.settled()
	if got := strings.Count(c.orderOf("c1"), "signal:"); got != 4 {
		t.Errorf("%d signals are handled: %s", got, c.orderOf("c1"))
	}
	if st, err := c.m.Status(ctx); err != nil || st.Signals != (control.Signals{Accepted: 2, Duplicates: 1}) {
		t.Errorf("status: %+v, %v", st.Signals, err)
	}
}

// During a gap a signal is durable, and is handled after what the events log brings.
func TestSignalWaitsInAGap(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "signals.lua", signalRules)
	c.handle("c1", "e1", "hello")
	c.eng.BeginGap(time.Hour)
	in := control.SignalRequest{Name: "human_replied", Chat: "c1", ID: "r1", Data: json.RawMessage(`"x"`)}
	if s := c.signal(in); s.Duplicate || s.Event != "signal:r1" {
		t.Errorf("in the gap: %+v", s)
	}
	if !c.signal(in).Duplicate {
		t.Error("in the gap, the same signal again does not count as a duplicate")
	}
	if e := c.explainOne("r1"); e.Outcome != control.OutcomePending || e.Type != "signal:human_replied" {
		t.Errorf("explained in the gap: %+v", e)
	}
	c.stop() // what waits outlives the process
	c.start()
	c.eng.BeginGap(time.Hour)
	c.message("c1", "missed", "came while the daemon was down")
	c.eng.EndGap(ctx)
	c.settled()
	if got := c.orderOf("c1"); got != "e1 missed signal:r1" {
		t.Errorf("handled in the order %q", got)
	}
	if e := c.explainOne("signal:r1"); e.Data != `"x"` || e.Source != event.SourceSignal {
		t.Errorf("explained: %+v", e)
	}
}

func TestSignalIsRefusedWithTheFieldAndTheFix(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "signals.lua", signalRules)
	c.handle("c1", "e1", "hello")
	for _, tt := range []struct {
		in     control.SignalRequest
		status int
		want   string
	}{
		{control.SignalRequest{Chat: "c1"}, 0, "name: missing"},
		{control.SignalRequest{Name: "human replied", Chat: "c1"}, 0, "name: has a space"},
		{control.SignalRequest{Name: "human_replied"}, 0, "chat: missing"},
		{control.SignalRequest{Name: "human_replied", Chat: "a\x1b", Force: true}, 0, "chat: has control characters"},
		{control.SignalRequest{Name: "human_replied", Chat: " "}, 0, "which chat: its id is missing"},
		{control.SignalRequest{Name: "human_replied", Chat: "c2"}, http.StatusNotFound, `chertd has seen no event of chat "c2"`},
		{control.SignalRequest{Name: "human_replied", Chat: "c1", ID: strings.Repeat("x", 257)}, 0, "id: longer than 256 bytes"},
		{control.SignalRequest{Name: "human_replied", Chat: "c1", Data: json.RawMessage(`"` + strings.Repeat("x", 33<<10) + `"`)}, 0, "data: larger than 32 KiB"},
	} {
		_, err := c.m.Signal(ctx, tt.in)
		if user := (*control.UserError)(nil); !errors.As(err, &user) || user.Status != tt.status || user.Hint == "" || !strings.Contains(user.Message, tt.want) {
			t.Errorf("%.80v: got %#v, want %q and a hint", tt.in, err, tt.want)
		}
	}
	if s := c.signal(control.SignalRequest{Name: "human_replied", Chat: "c2", Force: true}); s.Duplicate {
		t.Errorf("with force: %+v", s)
	}
}

func TestSignalThatNoRuleHears(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "signals.lua", signalRules, "quiet/pack.yaml", "mode: shadow\n", "quiet/r.lua", `chert.on("signal:bot_took_over", function(ev) end)`)
	c.handle("c1", "e1", "hello")
	for name, want := range map[string]control.Signaled{
		"human_replyed": {Near: []string{"human_replied"}}, "human-replied": {Near: []string{"human_replied"}}, "opened": {}, "bot_took_over": {Shadow: 1}, "human_replied": {Rules: 1},
	} {
		s := c.signal(control.SignalRequest{Name: name, Chat: "c1"})
		if s.Rules != want.Rules || s.Shadow != want.Shadow || !slices.Equal(s.Near, want.Near) {
			t.Errorf("%s: %+v, want %+v", name, s, want)
		}
		c.handledAll(s.Event)
	}
}

// A daemon that stops, is full, or can't write accepts nothing, and says what to do.
func TestSignalIsAcceptedOnlyOnceDurable(t *testing.T) {
	t.Parallel()
	broken := &brokenAppend{}
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}}
	c.changed.L = &c.mu
	c.wrap = func(st store.Store) store.Store { broken.Store = st; return broken }
	c.write("signals.lua", signalRules)
	c.start()
	c.handle("c1", "e1", "hello")
	in := control.SignalRequest{Name: "human_replied", Chat: "c1", ID: "r1"}
	refused := func(want string) {
		t.Helper()
		_, err := c.m.Signal(ctx, in)
		if user := (*control.UserError)(nil); !errors.As(err, &user) || user.Status != http.StatusServiceUnavailable || user.Hint == "" || !strings.Contains(user.Message, want) {
			t.Errorf("got %#v, want %q and a hint", err, want)
		}
	}
	broken.set(errors.New("disk full"))
	refused("the store fails: disk full")
	broken.set(nil)
	c.eng.admission.total.Add(fullAfter)
	refused("too many events wait")
	c.eng.admission.total.Add(-fullAfter)
	if s := c.signal(in); s.Duplicate {
		t.Error("a refused signal was stored")
	}
	c.eng.Drain()
	refused("chertd is stopping")
}

// brokenAppend is a store that fails to append while an error is set.
type brokenAppend struct {
	store.Store
	mu  sync.Mutex
	err error
}

func (b *brokenAppend) set(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *brokenAppend) Append(ctx context.Context, list []turn.Arrival) ([]store.Receipt, error) {
	b.mu.Lock()
	err := b.err
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return b.Store.Append(ctx, list)
}

// A flood of signals from many senders is handled once each, in each chat's order.
func TestFloodOfSignals(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "signals.lua", `chert.on("message.received", function(ev) end)
chert.on("signal:n", function(ev)
  if ev.signal.data <= (ev.state.last or 0) then error("out of order") end
  ev.state.last, ev.state.count = ev.signal.data, (ev.state.count or 0) + 1
end)`)
	const chats, each = 8, 60
	var senders sync.WaitGroup
	for i := range chats {
		id := fmt.Sprint("c", i)
		c.handle(id, "e"+id, "hello")
		senders.Go(func() {
			for n := range each {
				for range 2 { // the second is a duplicate
					_, err := c.m.Signal(ctx, control.SignalRequest{Name: "n", Chat: id, ID: fmt.Sprint(id, "-", n), Data: json.RawMessage(fmt.Sprint(n + 1))})
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	senders.Wait()
	for i := range chats {
		c.handledAll(fmt.Sprintf("signal:c%d-%d", i, each-1))
	}
	c.settled()
	for i := range chats {
		raw, err := c.st.State(ctx, "signals", fmt.Sprint("c", i))
		if err != nil || string(raw) != fmt.Sprintf(`{"count":%d,"last":%d}`, each, each) {
			t.Errorf("c%d: %s, %v", i, raw, err)
		}
	}
	if st, err := c.m.Status(ctx); err != nil || st.Signals != (control.Signals{Accepted: chats * each, Duplicates: chats * each}) {
		t.Errorf("status: %+v, %v", st.Signals, err)
	}
}

// Another signal under an id that was used is an error: it is not the first one sent again. So is data
// that no rule could read.
func TestSignalThatIsLostIsAnError(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "signals.lua", signalRules)
	c.handle("c1", "e1", "hello")
	c.handle("c2", "e2", "hello")
	c.signal(control.SignalRequest{Name: "human_replied", Chat: "c1", ID: "r1"})
	for _, in := range []control.SignalRequest{{Name: "human_replied", Chat: "c2", ID: "r1"}, {Name: "other", Chat: "c1", ID: "r1"}} {
		_, err := c.m.Signal(ctx, in)
		user, ok := err.(*control.UserError)
		if !ok || user.Status != http.StatusConflict || !strings.Contains(user.Message, `signal "human_replied" of chat "c1" has the id "r1" already`) {
			t.Errorf("%+v: %v", in, err)
		}
	}
	_, err := c.m.Signal(ctx, control.SignalRequest{Name: "human_replied", Chat: "c1", Data: json.RawMessage(`{"amount":[1e400]}`)})
	if err == nil || !strings.Contains(err.Error(), "the number 1e400 is too large") {
		t.Errorf("a number beyond what Lua has: %v", err)
	}
	if !c.signal(control.SignalRequest{Name: "human_replied", Chat: "c1", ID: "r1", Data: json.RawMessage(`1e300`)}).Duplicate {
		t.Error("the signal sent again, with other data, is not a duplicate")
	}
}

// A script can tell no signal from a daemon that counts none: zero is a number.
func TestStatusCountsNoSignals(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll)
	st, err := c.m.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"signals":{"accepted":0,"duplicates":0,"unavailable":0}`, `"holds":{"total":0,"first":[]}`, `"postponed":{"total":0,"first":[]}`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the status has no %s:\n%s", part, text)
		}
	}
}
