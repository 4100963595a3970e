package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/dispatch"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const threeIn10m = "limits: {reads: 3/10m}\n"

// reads returns how many read calls were made, and how many chats they were for.
func (c *crew) reads() (calls int) {
	defer c.lock()()
	return len(c.calls)
}

// attempts returns how many calls have ended.
func (r *rig) attempts() (n int) {
	for _, h := range r.seen {
		if h.Attempt != nil {
			n++
		}
	}
	return n
}

// burst takes n messages in at the same time, each of a chat of its own, and
// waits until nothing of them waits.
func (c *crew) burst(name string, n int) {
	c.t.Helper()
	var arrivals []turn.Arrival
	for i := range n {
		id := fmt.Sprintf("%s%d", name, i)
		arrivals = append(arrivals, turn.Arrival{Event: message(id, "e-"+id, "x"), Received: c.now()})
	}
	if _, err := c.eng.Ingest(ctx, arrivals); err != nil {
		c.t.Fatal(err)
	}
	c.finished()
}

// finished waits until every event is handled, no action waits, and all that is published.
func (c *crew) finished() {
	c.t.Helper()
	for {
		c.drained()
		stats, err := c.st.Stats(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		if err := c.eng.waitDurable(ctx); err != nil {
			c.t.Fatal(err)
		}
		if stats.Actions[chat.Waiting]+stats.Actions[chat.Sent] == 0 && stats.Pending == 0 {
			return
		}
	}
}

// However many messages come together, on however many shards, the limit's calls
// are made and no more; the pack is in shadow, and status shows why.
func TestReadsLimitNeverLeaks(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", threeIn10m)
	c.burst("c", 16)
	if n := c.reads(); n != 3 {
		t.Errorf("%d calls were made, want the 3 of the limit", n)
	}
	c.wait("shadow", func() bool { return c.eng.Rules().Mode("codes") == rules.Shadow })
	limited, off := 0, 0
	for i := range 16 {
		switch got := c.actions(fmt.Sprint("c", i)); got {
		case "read done (read)":
		case "read dropped (limit_reached)":
			limited++
		case "read dropped (pack_inactive)", "read shadow (shadow)":
			off++
		default:
			t.Errorf("c%d: %s", i, got)
		}
	}
	if limited == 0 || limited+off != 13 {
		t.Errorf("%d reads say that the limit is reached, and %d that the pack is off; want 13 in all", limited, off)
	}
	notes := strings.Join(c.m.health().Notes, "\n")
	if want := "pack codes is in shadow: more than 3 reads in 10m; chertd mode codes live makes it live again"; !strings.Contains(notes, want) {
		t.Errorf("status notes %q, want %q", notes, want)
	}
	// It is logged once the pack is in shadow.
	c.wait("the log to say that the limit is reached", func() bool {
		return strings.Contains(c.logged(), "pack switched to shadow mode")
	})
	// An operator starts the count again.
	c.mode("codes", "live")
	c.burst("d", 5)
	if n := c.reads(); n != 6 {
		t.Errorf("%d calls in all after the mode was set to live, want 3 more", n)
	}
}

// A limit that is reached sends a pack to shadow once the calls within the limit have ended:
// shadow mode drops reads whose calls are not on the wire yet.
func TestReachedLimitDropsNoReadWithinIt(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", "limits: {reads: 2/10m}\n")
	c.eng.Pause(true)
	var calls []chat.Call
	for i := range 4 {
		id := fmt.Sprint("c", i)
		c.handle(id, "e-"+id, "x")
		if call, ok, err := c.eng.Ask(ctx, id); err != nil {
			t.Fatal(err)
		} else if ok {
			calls = append(calls, call)
		}
	}
	if len(calls) != 2 {
		t.Fatalf("%d calls were handed out, want the 2 of the limit", len(calls))
	}
	limited := func() (n int) {
		defer c.lock()()
		for _, o := range c.seen {
			if o.Limited != nil {
				n++
			}
		}
		return n
	}
	for i := range calls {
		if n := limited(); n != 0 {
			t.Fatalf("the limit is reported %d times while calls within it are in flight", n)
		}
		durable := make(chan struct{})
		c.eng.Answer(chat.Answer{Call: calls[i], OK: true}, func() { close(durable) })
		<-durable
	}
	if err := c.eng.waitDurable(ctx); err != nil {
		t.Fatal(err)
	}
	if n := limited(); n != 1 {
		t.Errorf("the limit is reported %d times once they have ended, want 1", n)
	}
	c.wait("shadow", func() bool { return c.eng.Rules().Mode("codes") == rules.Shadow })
	for i, want := range []string{"read done (read)", "read done (read)", "read dropped (limit_reached)", "read dropped (limit_reached)"} {
		c.expectActions("after the limit", fmt.Sprint("c", i), want)
	}
}

// A report that a limit is reached, which comes late, does not undo the command or the
// higher limit that started the count again in between.
func TestLateReportOfALimitDoesNotUndoACommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		restart func(c *crew)
	}{
		{"mode live in shadow", func(c *crew) { c.mode("codes", "live") }},
		{"mode live of a live pack", func(c *crew) { c.mode("codes", "live"); c.burst("d", 1); c.mode("codes", "live") }},
		{"a raised limit", func(c *crew) { c.write("codes/pack.yaml", "limits: {reads: 5/10m}\n"); c.reload() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", threeIn10m)
			c.burst("c", 4)
			c.wait("shadow", func() bool { return c.eng.Rules().Mode("codes") == rules.Shadow })
			var late *Limited
			done := c.lock()
			for _, o := range c.seen {
				if o.Limited != nil {
					late = o.Limited
				}
			}
			done()
			tt.restart(c)
			if err := c.m.demote(ctx, late.Meter, demotion{limit: late.Limit, count: late.count}); err != nil {
				t.Fatal(err)
			}
			if mode := c.eng.Rules().Mode("codes"); mode != rules.Live {
				t.Errorf("the pack is %s, want live", mode)
			}
		})
	}
}

// A report of an earlier count does not take the place of one of a later count.
func TestLaterCountIsDemotedFor(t *testing.T) {
	t.Parallel()
	m := &manager{demotions: map[rules.Meter]demotion{}}
	for _, count := range []int64{1, 3, 2} {
		m.addDemotion(rules.Meter{Pack: "codes"}, demotion{count: count})
	}
	if d := m.demotions[rules.Meter{Pack: "codes"}]; d.count != 3 {
		t.Errorf("the demotion is for count %d, want 3", d.count)
	}
}

// What a pack calls from the moment on in which a command makes it live counts, also while
// the command is being carried out.
func TestModeLiveResetsTheCountOnce(t *testing.T) {
	t.Parallel()
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}}
	c.changed.L = &c.mu
	c.logs = func(msg string) {
		if msg == "the mode of a pack changed" && c.eng.Rules().Mode("codes") == rules.Live {
			c.burst("d", 3)
		}
	}
	c.write("codes/r.lua", readAll, "codes/pack.yaml", threeIn10m)
	c.start()
	c.burst("c", 4)
	c.wait("shadow", func() bool { return c.eng.Rules().Mode("codes") == rules.Shadow })
	c.mode("codes", "live")
	c.burst("e", 1)
	if n := c.reads(); n != 6 {
		t.Errorf("%d calls in all, want 3 more", n)
	}
}

// A count that begins while the store fails begins in it later, before a call is handed out:
// after a restart its calls count.
func TestCountThatCouldNotBeStoredBeginsLater(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", threeIn10m)
	c.burst("c", 3)
	c.eng.reads.forget(rules.Meter{Pack: "codes"})
	if err := c.eng.reads.begin(ctx, &failingCounts{Store: c.st}, rules.Meter{Pack: "codes"}); err == nil {
		t.Fatal("the count was stored")
	}
	c.burst("d", 3)
	c.stop()
	c.start()
	c.burst("e", 1)
	if n := c.reads(); n != 6 {
		t.Errorf("%d calls in all, want 3 of each count", n)
	}
}

// failingCounts is a store that keeps no count.
type failingCounts struct{ store.Store }

func (f *failingCounts) Commit(context.Context, []turn.Transition) error {
	return errors.New("no room")
}

// A command that sets a live pack to live starts the count again, too: also for
// the next process, and if all that happens at one moment.
func TestModeLiveOfALivePackResetsTheCount(t *testing.T) {
	t.Parallel()
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), shards: 2}}
	began := time.Now()
	c.now = func() time.Time { return began }
	c.changed.L = &c.mu
	c.write("codes/r.lua", readAll, "codes/pack.yaml", threeIn10m)
	c.start()
	c.burst("c", 3)
	if _, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "live"}); err != nil {
		t.Fatal(err)
	}
	c.stop()
	c.start()
	c.burst("d", 3)
	if n := c.reads(); n != 6 || c.eng.Rules().Mode("codes") != rules.Live {
		t.Errorf("%d calls, and the pack is %s; want 6, and live", n, c.eng.Rules().Mode("codes"))
	}
}

// A restart forgets nothing, and an edit neither: a crash loop gives the limit
// out once.
func TestReadsLimitOutlivesRestartsAndEdits(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", threeIn10m)
	for i := range 4 {
		c.write("codes/r.lua", readAll+fmt.Sprintf("\n-- edit %d", i))
		c.reload()
		c.burst(fmt.Sprint("c", i), 1)
		c.stop()
		c.start()
	}
	c.burst("last", 1)
	c.wait("shadow", func() bool { return c.eng.Rules().Mode("codes") == rules.Shadow })
	if n := c.reads(); n != 3 {
		t.Errorf("%d calls were made over four restarts, want the 3 of the limit", n)
	}
}

// A call whose process ended before its answer counts: it may have been made.
func TestCallWithoutAnswerBeforeACrashCounts(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", "limits: {reads: 2/10m}")
	places, spent, keep, err := c.eng.reads.reserve(ctx, c.st, []rules.Meter{{Pack: "codes"}}, c.now())
	if err != nil || len(spent) > 0 || len(places) != 1 {
		t.Fatalf("reserve: %v, %v, %v", places, spent, err)
	}
	if err := c.st.Commit(ctx, []turn.Transition{{ReadCalls: keep}}); err != nil {
		t.Fatal(err)
	}
	c.stop()
	c.start()
	c.burst("c", 3)
	if n := c.reads(); n != 1 {
		t.Errorf("%d calls after one that was cut off, want 1 of the limit's 2", n)
	}
}

// Every call that was put on the wire counts, whatever its result; one that was
// not gives its place back.
func TestReadsLimitCountsWhatIsOnTheWire(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		err   error
		calls int // for 5 messages, of which the first two end so, and nothing is called twice
	}{
		{"refused", &chert.Error{Code: 2002, Status: 404, Message: "chat not found"}, 3},
		{"failed", &chert.Error{Code: 4001, Status: 502, Retryable: true, RetryAfter: time.Hour, Message: "delivery failed"}, 3},
		{"not Chert's", &chert.Error{Status: 502, Retryable: true, Foreign: true, Unknown: true, RetryAfter: time.Hour, Message: "bad gateway"}, 3},
		{"no answer", &chert.Error{Unknown: true, Retryable: true, RetryAfter: time.Hour, Message: "timeout"}, 3},
		{"nobody there", &chert.Error{Retryable: true, RetryAfter: time.Hour, Message: "connection refused"}, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", threeIn10m)
			c.mu.Lock()
			c.answer = func(call chat.Call) error {
				if call.Chat == "c0" || call.Chat == "c1" {
					return tt.err
				}
				return nil
			}
			c.mu.Unlock()
			for i := range 5 {
				c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), "x")
				// A call that failed is tried again, so that its read waits.
				c.wait("the end of the call, or of all calls", func() bool {
					return c.eng.Rules().Mode("codes") == rules.Shadow || c.attempts() > i
				})
				if err := c.eng.waitDurable(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if tt.calls < 5 {
				c.wait("shadow", func() bool { return c.eng.Rules().Mode("codes") == rules.Shadow })
			}
			if n := c.reads(); n != tt.calls {
				t.Errorf("%d calls, want %d", n, tt.calls)
			}
		})
	}
}

// A call that is repeated and finds no place waits for one: it is not dropped, and
// its pack stays live.
func TestRepeatedReadWaitsForAPlace(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", threeIn10m)
	c.mu.Lock()
	c.answer = func(call chat.Call) error {
		if call.Attempt < 5 {
			return &chert.Error{Code: 3002, Status: 503, Retryable: true, RetryAfter: time.Millisecond, Message: "down"}
		}
		return nil
	}
	c.mu.Unlock()
	c.handle("c", "e", "x")
	look := func(n int) {
		t.Helper()
		c.wait("the calls of the limit", func() bool { return len(c.calls) >= n })
		for range 3 { // the next is due, and finds no place
			c.ahead.Add(int64(time.Second))
			c.eng.callsDue.Set(dispatch.Pick{Chat: "c", Due: c.now()})
			if err := c.eng.waitDurable(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.reads(); got != n {
			t.Fatalf("%d calls under the limit, want %d", got, n)
		}
		if got := c.actions("c"); got != "read waiting" || c.eng.Rules().Mode("codes") != rules.Live {
			t.Fatalf("the read is %q, and the pack %s", got, c.eng.Rules().Mode("codes"))
		}
	}
	look(3)
	c.ahead.Add(int64(11 * time.Minute))
	c.eng.callsDue.Set(dispatch.Pick{Chat: "c", Due: c.now()})
	c.endedAs("c", "read done (read)")
	if n := c.reads(); n != 5 {
		t.Errorf("%d calls, want 5", n)
	}
}

// A call counts for each pack that has a read in it, and for none that has not:
// a pack that may call does not wait for one that may not.
func TestReadsLimitOfTwoPacksInOneCall(t *testing.T) {
	t.Parallel()
	c := newCrew(t,
		"few/r.lua", readAll, "few/pack.yaml", "limits: {reads: 1/10m}",
		"many/r.lua", readAll, "many/pack.yaml", "limits: {reads: 2/10m}")
	c.burst("a", 1)
	c.burst("b", 1)
	c.burst("c", 1)
	if n := c.reads(); n != 2 {
		t.Errorf("%d calls, want the 2 of the pack that may make more", n)
	}
	for id, want := range map[string]string{
		"a0": "read done (coalesced), read done (read)",
		"b0": "read done (read), read dropped (limit_reached)",
	} {
		c.expectActions("after the limit of one", id, want)
	}
}

// Raising the limit starts the count again; lowering it does not.
func TestRaisedLimitResetsTheCount(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", threeIn10m)
	c.burst("c", 3)
	c.write("codes/pack.yaml", "limits: {reads: 4/10m}")
	c.reload()
	c.burst("d", 4)
	if n := c.reads(); n != 7 || c.eng.Rules().Mode("codes") != rules.Live {
		t.Errorf("%d calls, and the pack is %s; want 4 more, and live", n, c.eng.Rules().Mode("codes"))
	}
	c.write("codes/pack.yaml", "limits: {reads: 2/10m}")
	c.reload()
	c.burst("e", 1)
	if n := c.reads(); n != 7 {
		t.Errorf("%d calls under a lower limit, want none more", n)
	}
	c.stop()
	c.write("codes/pack.yaml", "limits: {reads: 5/10m}")
	c.start()
	if _, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Reset: true}); err != nil {
		t.Fatal(err)
	}
	c.burst("f", 5)
	if n := c.reads(); n != 12 {
		t.Errorf("%d calls after the limit was raised while no process ran, want 5 more", n)
	}
}

// A raised limit ends the shadow mode that the lower one has caused, by whatever
// file and also over a restart; one that is not raised, or a person's word, stays.
func TestRaisedLimitEndsShadow(t *testing.T) {
	t.Parallel()
	operator := func(limit rules.Rate) map[string]rules.PackOptions {
		return map[string]rules.PackOptions{"codes": {Limits: rules.Limits{Reads: limit}}}
	}
	for _, tt := range []struct {
		name   string
		change func(c *crew)
		mode   rules.Mode
	}{
		{"pack.yaml", func(c *crew) { c.write("codes/pack.yaml", "limits: {reads: 9/10m}"); c.reload() }, rules.Live},
		{"a shorter span", func(c *crew) { c.write("codes/pack.yaml", "limits: {reads: 3/1m}"); c.reload() }, rules.Live},
		{"no limit", func(c *crew) { c.write("codes/pack.yaml", "description: codes"); c.reload() }, rules.Live},
		{"chertd.yaml", func(c *crew) {
			o := c.options
			o.Packs = operator(rules.Rate{N: 9, Per: 10 * time.Minute})
			if err := c.m.gens.Reconfigure(ctx, o, nil); err != nil {
				c.t.Fatal(err)
			}
		}, rules.Live},
		{"while no process runs", func(c *crew) {
			c.stop()
			c.options.Packs = operator(rules.Rate{N: 9, Per: 10 * time.Minute})
			c.start()
		}, rules.Live},
		{"an edit of the rules", func(c *crew) { c.write("codes/r.lua", readAll+"\n-- edited"); c.reload() }, rules.Shadow},
		{"a lower limit", func(c *crew) { c.write("codes/pack.yaml", "limits: {reads: 2/10m}"); c.reload() }, rules.Shadow},
		{"a restart", func(c *crew) { c.stop(); c.start() }, rules.Shadow},
		{"a person's shadow", func(c *crew) {
			c.mode("codes", "shadow")
			c.write("codes/pack.yaml", "limits: {reads: 9/10m}")
			c.reload()
		}, rules.Shadow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", threeIn10m)
			c.burst("c", 4)
			c.wait("shadow", func() bool { return c.eng.Rules().Mode("codes") == rules.Shadow })
			if p := c.pack("codes"); !strings.Contains(p.ModeHint, "chertd mode codes live") || !strings.Contains(strings.Join(c.m.health().Notes, "\n"), p.ModeHint) {
				t.Errorf("packs hint at %q, status at %q", p.ModeHint, c.m.health().Notes)
			}
			tt.change(c)
			if mode := c.eng.Rules().Mode("codes"); mode != tt.mode {
				t.Fatalf("the pack is %s, want %s", mode, tt.mode)
			}
			if tt.mode != rules.Live {
				return
			}
			c.burst("d", 3)
			if n := c.reads(); n != 6 {
				t.Errorf("%d calls, want 3 more", n)
			}
			c.stop()
			c.start()
			if mode := c.eng.Rules().Mode("codes"); mode != rules.Live {
				t.Errorf("after a restart the pack is %s", mode)
			}
			if p := c.pack("codes"); p.ModeHint != "" {
				t.Errorf("a live pack hints at %q", p.ModeHint)
			}
		})
	}
}

// Delayed reads count when they are called: requesting many does not
// drop any, and those that the limit allows go out.
func TestDelayedReadsCountWhenTheyAreCalled(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes/r.lua", `chert.rule { name = "r", on = "message.received", run = function(ev)
  chert.mark_read(ev.chat.id, { after = "1h" })
end }`, "codes/pack.yaml", threeIn10m)
	for i := range 6 {
		c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), "x")
	}
	if c.eng.Rules().Mode("codes") != rules.Live {
		t.Fatal("asking was enough for shadow")
	}
	c.ahead.Store(int64(2 * 3600 * 1e9))
	for i := range 6 {
		c.eng.callsDue.Set(dispatch.Pick{Chat: fmt.Sprint("c", i), Due: c.now()})
	}
	c.finished()
	if n := c.reads(); n != 3 {
		t.Errorf("%d calls once they were due, want 3", n)
	}
}

// A batch whose commit fails gives back the places that it took.
func TestFailedBatchReturnsItsPlaces(t *testing.T) {
	t.Parallel()
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 1}}
	c.changed.L = &c.mu
	c.write("codes/r.lua", readAll, "codes/pack.yaml", "limits: {reads: 1/10m}")
	failing := &failingCommits{}
	c.wrap = func(st store.Store) store.Store { failing.Store = st; return failing }
	c.start()
	c.handle("c", "e", "x")
	c.finished()
	if failing.failed == 0 {
		t.Fatal("no commit failed")
	}
	if n := c.reads(); n != 1 || c.eng.Rules().Mode("codes") != rules.Live {
		t.Errorf("%d calls, and the pack is %s; want 1, and live", n, c.eng.Rules().Mode("codes"))
	}
}

// failingCommits is a store that keeps the first place of a call at the second try.
type failingCommits struct {
	store.Store
	failed int
}

func (f *failingCommits) Commit(ctx context.Context, batch []turn.Transition) error {
	for i := range batch {
		if len(batch[i].ReadCalls) > 0 && f.failed == 0 {
			f.failed++
			return errors.New("no room")
		}
	}
	return f.Store.Commit(ctx, batch)
}

// A batch that takes in the answer to a chat's call and hands out its next one keeps the
// place of the next one, and frees that of the first.
func TestBatchKeepsThePlaceOfTheNextCall(t *testing.T) {
	t.Parallel()
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 1}, paused: true}
	c.changed.L = &c.mu
	c.write("codes/r.lua", readAll, "codes/pack.yaml", threeIn10m)
	stuck := &stuckCommits{begun: make(chan struct{}), end: make(chan struct{})}
	c.wrap = func(st store.Store) store.Store { stuck.Store = st; return stuck }
	c.start()
	c.handle("c", "e1", "x")
	call, ok, err := c.eng.Ask(ctx, "c")
	if err != nil || !ok {
		t.Fatalf("asked, the chat has no call: %v", err)
	}
	c.handle("c", "e2", "x")
	// Both requests wait for the same batch.
	stuck.on.Store(true)
	c.message("other", "e3", "x")
	<-stuck.begun
	durable, ready := make(chan struct{}), make(chan readyReply, 1)
	s := c.eng.shardOf("c")
	for _, r := range []request{
		{chat: "c", input: chat.Answer{Call: call, OK: true}, durable: func() { close(durable) }},
		{chat: "c", ready: ready},
	} {
		if err := s.post(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	close(stuck.end)
	<-durable
	next := <-ready
	if !next.ok {
		t.Fatal("the chat has no second call")
	}
	answered := make(chan struct{})
	c.eng.Answer(chat.Answer{Call: next.call, OK: true}, func() { close(answered) })
	<-answered
	if err := c.eng.waitDurable(ctx); err != nil {
		t.Fatal(err)
	}
	c.eng.reads.mu.Lock()
	defer c.eng.reads.mu.Unlock()
	if out := c.eng.reads.meters[rules.Meter{Pack: "codes"}].out; len(out) != 0 {
		t.Errorf("calls in flight after all were answered: %v", out)
	}
}

// stuckCommits is a store with a commit that lasts from begun until end.
type stuckCommits struct {
	store.Store
	on         atomic.Bool
	begun, end chan struct{}
}

func (f *stuckCommits) Commit(ctx context.Context, batch []turn.Transition) error {
	if f.on.CompareAndSwap(true, false) {
		close(f.begun)
		<-f.end
	}
	return f.Store.Commit(ctx, batch)
}
