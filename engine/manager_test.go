package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const later = `
chert.rule({ name = "later", on = "message.received",
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = "1h" })
    chert.set_timer("again", "1h")
  end })`

var ctx = context.Background()

// The pending work of a pack, with its timers, is dropped when it goes off, is removed or
// rolled back, and stays with --keep-pending, also across a restart.
func TestPendingWorkEndsWithItsPack(t *testing.T) {
	t.Parallel()
	const other = `chert.rule({ name = "o", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "2h" }) end })`
	for _, tt := range []struct {
		name string
		act  func(c *crew) error
		want string
	}{
		{"off", func(c *crew) error { _, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "off"}); return err }, "read dropped (pack_inactive)"},
		{"shadow", func(c *crew) error {
			_, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "shadow"})
			return err
		}, "read dropped (pack_inactive)"},
		{"kept", func(c *crew) error {
			_, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "off", KeepPending: true})
			return err
		}, "read waiting"},
		{"rolled back", func(c *crew) error { _, err := c.m.Rollback(ctx, "codes", control.RollbackRequest{}); return err }, "read dropped (pack_inactive)"},
		{"rolled back, and kept", func(c *crew) error {
			_, err := c.m.Rollback(ctx, "codes", control.RollbackRequest{KeepPending: true})
			return err
		}, "read waiting"},
		{"removed", func(c *crew) error {
			c.remove("codes.lua")
			if err := c.m.gens.Read(ctx, "test"); err != nil {
				return err
			}
			c.ahead.Store(int64(3 * time.Second))
			c.reload()
			c.wait("the removal", func() bool { return strings.Contains(c.log.String(), "pending work of the pack was dropped") })
			return nil
		}, "read dropped (pack_inactive)"},
		{"off by chertd.yaml", func(c *crew) error {
			c.options.Packs = map[string]rules.PackOptions{"codes": {Mode: rules.Off}}
			c.stop()
			c.start()
			return nil
		}, "read dropped (pack_inactive)"},
		{"an edit", func(c *crew) error { c.write("codes.lua", later+"\n-- edited"); c.reload(); return nil }, "read waiting"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, "codes.lua", `chert.on("reaction.added", function(ev) end)`, "other.lua", other)
			c.write("codes.lua", later)
			c.reload()
			for i := range 5 {
				c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), "x")
			}
			if err := tt.act(c); err != nil {
				t.Fatal(err)
			}
			for _, restart := range []bool{false, true} {
				if restart {
					c.stop()
					c.start()
				}
				for i := range 5 {
					id := fmt.Sprint("c", i)
					c.expectActions(tt.name, id, "read waiting, "+tt.want)
					got, err := oneChat(c.st.Chats(ctx, []string{id}))
					if err != nil {
						t.Fatal(err)
					}
					if stays := tt.want == "read waiting"; len(got.Timers) > 0 != stays {
						t.Errorf("%s (restart: %t): timers %v, want some: %t", tt.name, restart, got.Timers, stays)
					}
				}
			}
		})
	}
}

// Commands say how much they dropped: reads, timers, and other calls.
func TestCommandsCountWhatTheyDrop(t *testing.T) {
	t.Parallel()
	const first = later + `
chert.rule({ name = "write", on = "message.received", where = { text = "write" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "2h" }) end })`
	all := live.Dropped{Reads: 6, Timers: 5}
	for name, tt := range map[string]struct {
		act  func(c *crew) (live.Dropped, error)
		want live.Dropped
	}{
		"off": {func(c *crew) (live.Dropped, error) {
			p, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "off"})
			return p.Dropped, err
		}, all},
		"shadow": {func(c *crew) (live.Dropped, error) {
			p, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "shadow"})
			return p.Dropped, err
		}, all},
		"off, and kept": {func(c *crew) (live.Dropped, error) {
			p, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "off", KeepPending: true})
			return p.Dropped, err
		}, live.Dropped{}},
		"off, and off again": {func(c *crew) (live.Dropped, error) {
			c.mode("codes", "off")
			p, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "off"})
			return p.Dropped, err
		}, live.Dropped{}},
		"a reset to shadow": {func(c *crew) (live.Dropped, error) {
			c.options.Packs = map[string]rules.PackOptions{"codes": {Mode: rules.Shadow}}
			c.mode("codes", "live")
			if err := c.m.gens.Reconfigure(ctx, c.options, nil); err != nil {
				return live.Dropped{}, err
			}
			p, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Reset: true})
			return p.Dropped, err
		}, all},
		"rolled back": {func(c *crew) (live.Dropped, error) {
			p, err := c.m.Rollback(ctx, "codes", control.RollbackRequest{})
			return p.Dropped, err
		}, all},
		"rolled back, and kept": {func(c *crew) (live.Dropped, error) {
			p, err := c.m.Rollback(ctx, "codes", control.RollbackRequest{KeepPending: true})
			return p.Dropped, err
		}, live.Dropped{}},
		"undone": {func(c *crew) (live.Dropped, error) {
			if _, err := c.m.Rollback(ctx, "codes", control.RollbackRequest{}); err != nil {
				return live.Dropped{}, err
			}
			c.handle("c9", "e9", "x") // by the version before, which asks for nothing
			p, err := c.m.Rollback(ctx, "codes", control.RollbackRequest{Undo: true})
			return p.Dropped, err
		}, live.Dropped{}},
		"removed": {func(c *crew) (live.Dropped, error) {
			c.remove("codes.lua")
			return c.m.Remove(ctx, "codes", false)
		}, all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, "codes.lua", `chert.on("reaction.added", function(ev) end)`, "other.lua", later)
			c.write("codes.lua", first)
			c.reload()
			for i := range 5 {
				text := "x"
				if i == 0 {
					text = "write"
				}
				c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), text)
			}
			got, err := tt.act(c)
			if err != nil || got != tt.want {
				t.Errorf("it says that %+v was dropped, want %+v (%v)", got, tt.want, err)
			}
		})
	}
}

// With no pack left the daemon is not ready; with another one it is.
func TestNotReadyWithoutPacks(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", later)
	c.remove("codes.lua")
	if _, err := c.m.Remove(ctx, "codes", false); err != nil {
		t.Fatal(err)
	}
	if why := strings.Join(c.m.health().NotReady, "; "); !strings.Contains(why, "there are no packs") {
		t.Errorf("not ready because %q", why)
	}
	c.write("other.lua", later)
	c.reload()
	if why := c.m.health().NotReady; len(why) > 0 {
		t.Errorf("with another pack it is not ready because %q", why)
	}
}

// A mode that was stored, but not carried out before the process ended, is carried out by
// the next process before any call goes out.
func TestNextProcessCarriesOutOff(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", `chert.rule({ name = "r", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = 1 }) end })`)
	c.handle("c1", "e1", "x")
	if err := c.st.SetPackState(ctx, live.PackState{Pack: "codes", Live: c.pack("codes").Version, Mode: rules.Off}); err != nil {
		t.Fatal(err)
	}
	c.stop()
	c.ahead.Store(int64(time.Hour)) // long due
	c.start()
	c.expectActions("after the restart", "c1", "read dropped (pack_inactive)")
	defer c.lock()()
	if len(c.calls) > 0 {
		t.Errorf("calls were made: %v", c.calls)
	}
}

// Off also drops the requests of an event that the old set ran and that is not durable
// yet when the new set goes live, and requests in transit to other chats.
func TestOffDropsRequestsOfEventsUnderWay(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", `
chert.rule({ name = "r", on = "message.received", run = function(ev)
  chert.mark_read(ev.chat.id, { after = "1h" })
  chert.mark_read(ev.text, { after = "1h" })
end })`)
	const n = 300
	var sent sync.WaitGroup
	sent.Go(func() {
		for i := range n {
			c.message(fmt.Sprint("c", i), fmt.Sprint("e", i), fmt.Sprint("other", i))
		}
	})
	c.wait("some events", func() bool { return len(c.seen) > n/10 })
	if _, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "off"}); err != nil {
		t.Fatal(err)
	}
	sent.Wait()
	c.wait("all events", func() bool {
		for i := range n {
			if c.handled(fmt.Sprint("e", i)) == nil {
				return false
			}
		}
		return true
	})
	c.drained()
	waiting, err := c.st.Actions(ctx, store.ActionFilter{Status: []chat.Status{chat.Waiting}})
	if err != nil {
		t.Fatal(err)
	}
	if len(waiting) > 0 {
		t.Errorf("%d reads of a pack that is off wait, such as %+v", len(waiting), waiting[0])
	}
}

// A timer's event that is journaled when its pack goes runs no more.
func TestTimerOfAPackThatIsOff(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", later+`
chert.on("timer:again", function(ev) chert.mark_read(ev.chat.id) end)`, "other.lua", `chert.on("reaction.added", function(ev) end)`)
	c.handle("c1", "e1", "x")
	got, err := oneChat(c.st.Chats(ctx, []string{"c1"}))
	if err != nil || len(got.Timers) != 1 {
		t.Fatalf("timers %v, %v", got.Timers, err)
	}
	if _, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "off"}); err != nil {
		t.Fatal(err)
	}
	fired := turn.TimerFired("c1", &got.Timers[0], time.Now())
	if _, err := c.eng.Ingest(ctx, []turn.Arrival{fired}); err != nil {
		t.Fatal(err)
	}
	c.wait("the timer", func() bool { return c.handled(fired.Event.ID) != nil })
	defer c.lock()()
	if d := c.handled(fired.Event.ID).Decision; d.Note != "the timer was replaced or cancelled" || len(d.Rules) > 0 {
		t.Errorf("the decision is %+v", d)
	}
}

// A version that fails where its predecessor did not is rolled back automatically; one
// that only fails in shadow is not.
func TestFailingVersionIsRolledBack(t *testing.T) {
	t.Parallel()
	const bad = `chert.on("message.received", function(ev) error("oh") end)`
	c := newCrew(t, "codes.lua", later, "quiet.lua", later)
	first := c.pack("codes").Version
	c.handle("c0", "e0", "x")
	if _, err := c.m.SetMode(ctx, "quiet", control.ModeRequest{Mode: "shadow"}); err != nil {
		t.Fatal(err)
	}
	c.write("codes.lua", bad, "quiet.lua", bad)
	c.reload()
	for i := range 12 {
		c.handle("c1", fmt.Sprint("f", i), "x")
	}
	c.wait("the rollback", func() bool { return strings.Contains(c.log.String(), "rolled back") })
	c.wait("the set", func() bool { return c.eng.Rules().Pack("codes").Version == first })
	if p := c.pack("codes"); p.Version != first || !p.Pinned || !strings.Contains(p.NotLive, "it failed on 5 of its first 5 events") {
		t.Errorf("codes stands as %+v", p)
	}
	if p := c.pack("quiet"); p.Version == first || p.Pinned || p.Failures < 11 {
		t.Errorf("quiet, in shadow, stands as %+v", p)
	}
	c.stop()
	c.start()
	if p := c.pack("codes"); p.Version != first || !p.Pinned {
		t.Errorf("after a restart codes stands as %+v", p)
	}
}

// A pack that asks for more reads than its limit goes to shadow, until an
// operator takes that back.
func TestReadsLimit(t *testing.T) {
	t.Parallel()
	const limit = "limits: {reads: 3/10m}\n"
	c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", limit)
	for i := range 4 {
		c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), "x")
	}
	c.wait("shadow", func() bool { return c.eng.Rules().Mode("codes") == rules.Shadow })
	const why = "more than 3 reads in 10m"
	if p := c.pack("codes"); p.Mode != "shadow" || p.ModeBy != why {
		t.Errorf("codes stands as %+v, want shadow because of %q", p, why)
	}
	// A batch under way may still run an event on the set before.
	if err := c.eng.waitDurable(ctx); err != nil {
		t.Fatal(err)
	}
	c.handle("s", "e-s", "x")
	c.expectActions("in shadow", "s", "read shadow (shadow)")
	c.write("codes/r.lua", readAll+"\n-- edited")
	c.reload()
	c.stop()
	c.start()
	if p := c.pack("codes"); p.Mode != "shadow" || p.ModeBy != why {
		t.Errorf("after an edit and a restart codes stands as %+v", p)
	}
	if p, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Reset: true}); err != nil || p.Mode != "live" {
		t.Fatalf("taken back: %+v, %v", p, err)
	}
	c.handle("d", "e-d", "x")
	c.wait("a call", func() bool { return len(c.calls) > 0 && c.calls[len(c.calls)-1].Chat == "d" })
	if p := c.pack("codes"); p.Mode != "live" {
		t.Errorf("one read after it was taken back codes stands as %+v", p)
	}
}

// A rule that keeps failing is suspended alone, reads of what it can't look at
// are blocked if it could veto, and an event probes it when it has cooled off.
func TestRuleIsSuspendedAndProbed(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	c.stop()
	var mu sync.Mutex
	at := time.Now()
	c.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
	c.options.Suspend = rules.SuspendPolicy{After: 3, CoolOff: time.Minute}
	c.write("guard.lua", `
chert.rule({ name = "guard", on = "message.received", run = function(ev)
  if ev.text == "bad" then error("oh") end
  if ev.text == "vip" then chert.keep_unread(ev.chat.id) end
end })
chert.rule({ name = "log", on = "message.received", run = function(ev) log.info("seen") end })`, "read.lua", readAll)
	c.start()
	for i := range 3 {
		c.handle(fmt.Sprint("b", i), fmt.Sprint("e", i), "bad")
	}
	if p := c.pack("guard"); len(p.Suspended) != 1 || p.Suspended[0].Rule != "guard" || !p.Suspended[0].Until.Equal(at.Add(time.Minute).Truncate(time.Millisecond)) {
		t.Errorf("suspended are %+v", p.Suspended)
	}
	if notes := strings.Join(c.m.health().Notes, "\n"); !strings.Contains(notes, "rule guard is suspended") {
		t.Errorf("the notes are %q", notes)
	}
	c.handle("c1", "e-aside", "good")
	c.expectActions("while it is suspended", "c1", "read blocked (blocked)")
	d := c.decision("e-aside")
	if !d.Failed || d.Rules[0].Skipped != rules.SkippedSuspended || len(d.Rules) != 3 || len(d.Rules[1].Logs) != 1 {
		t.Errorf("the decision is %+v", d)
	}
	if p := c.pack("guard"); p.Events != 4 || p.Failures != 4 {
		t.Errorf("guard failed on %d of %d events, want 4 of 4", p.Failures, p.Events)
	}
	mu.Lock()
	at = at.Add(time.Minute)
	mu.Unlock()
	c.handle("c2", "e-probe", "vip")
	c.wait("what was skipped", func() bool { return c.rerun("e-aside") != nil && len(c.calls) == 1 && c.calls[0].Chat == "c1" })
	c.expectActions("the probe", "c2", "read dropped (vetoed)")
	if p := c.pack("guard"); len(p.Suspended) != 0 {
		t.Errorf("after the probe suspended are %+v", p.Suspended)
	}
	c.handle("c3", "e-again", "good")
	c.wait("the read", func() bool { return len(c.calls) == 2 && c.calls[1].Chat == "c3" })
	for i := range 3 {
		// That version failed on them: nothing tells that it would not fail again.
		c.expectActions("the events that failed", fmt.Sprint("b", i), "read blocked (blocked)")
	}
}

// A pack that never loaded and looks as if it could veto has reads blocked.
func TestReadsAreBlockedForAPackThatNeverLoaded(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "guard.lua", "chert.on('message.received', function(ev) chert.keep_unread(ev.chat.id)")
	c.handle("c1", "e1", "x")
	c.expectActions("never loaded", "c1", "read blocked (blocked)")
	if d := c.decision("e1"); !d.Failed || !strings.Contains(d.Rules[len(d.Rules)-1].Error, "the pack is not live: it does not load") {
		t.Errorf("the decision is %+v", d.Rules)
	}
	c.write("guard.lua", `chert.on("message.received", { text = "vip" }, function(ev) chert.keep_unread(ev.chat.id) end)`)
	c.reload()
	c.handle("c2", "e2", "x")
	c.wait("the reads", func() bool { return len(c.calls) == 2 && c.called("c1") == 1 && c.called("c2") == 1 })
	c.endedAs("c1", "read done (read)")
}

// Dropping the pending work of very many chats delays neither edits of other packs nor
// the answers of status.
func TestDroppingWorkOfManyChatsDelaysNothingElse(t *testing.T) {
	t.Parallel()
	const n = 1000
	c := newCrew(t, "codes.lua", `chert.rule({ name = "r", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end })`, "other.lua", later)
	var batch []turn.Arrival
	for i := range n {
		batch = append(batch, turn.Arrival{Event: message(fmt.Sprint("c", i), fmt.Sprint("e", i), "x"), Received: time.Now()})
	}
	if _, err := c.eng.Ingest(ctx, batch); err != nil {
		t.Fatal(err)
	}
	c.drained()
	done := make(chan error, 1)
	go func() {
		_, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "off"})
		done <- err
	}()
	c.wait("the pack to be off", func() bool { return c.eng.Rules().Mode("codes") == rules.Off })
	c.write("other.lua", `chert.on("reaction.added", function(ev) end)`)
	c.reload()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	chats, err := c.st.Concerned(ctx, "codes", "")
	if err != nil || len(chats) > 0 {
		t.Errorf("%d chats still have something waiting of a pack that is off (%v)", len(chats), err)
	}
}

// A rule that an edit deletes has nothing waiting any more, whether the drop is
// done by this process or, because it ended first, by the next; the reads of the
// other rules stay, and so do those that a rollback is to keep.
func TestDeletedRuleHasNothingWaiting(t *testing.T) {
	t.Parallel()
	rule := func(name string) string {
		return fmt.Sprintf(`chert.rule({ name = %q, on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end })`+"\n", name)
	}
	c := newCrew(t, "codes.lua", rule("stays")+rule("goes"))
	c.handle("c1", "e1", "x")
	c.expectActions("before the edit", "c1", "read waiting, read waiting")
	c.write("codes.lua", rule("stays"))
	c.reload()
	c.wait("the drop", func() bool {
		return strings.Contains(c.log.String(), "pending reads of deleted rules were dropped")
	})
	c.expectActions("after the edit", "c1", "read dropped (pack_inactive), read waiting")

	c.write("codes.lua", rule("stays")+rule("new"))
	c.reload()
	c.handle("c2", "e2", "x")
	c.stop()
	c.write("codes.lua", rule("stays")+"-- the other rule is deleted, and this line keeps the file from looking cut off\n")
	c.start()
	c.wait("the drop", func() bool {
		return strings.Count(c.log.String(), "pending reads of deleted rules were dropped") >= 2
	})
	c.expectActions("deleted while no process ran", "c2", "read dropped (pack_inactive), read waiting")

	if err := c.st.SetRulesDeleted(ctx, "codes", true); err != nil {
		t.Fatal(err)
	}
	c.stop()
	c.start()
	c.wait("the drop", func() bool {
		return strings.Count(c.log.String(), "pending reads of deleted rules were dropped") >= 3
	})
	c.expectActions("done again, in case the process had ended before", "c2", "read dropped (pack_inactive), read waiting")

	c.write("codes.lua", rule("stays")+rule("kept"))
	c.reload()
	c.handle("c3", "e3", "x")
	if _, err := c.m.Rollback(ctx, "codes", control.RollbackRequest{KeepPending: true}); err != nil {
		t.Fatal(err)
	}
	c.expectActions("rolled back, and kept", "c3", "read waiting, read waiting")
}

// A pack in shadow has a state and kv of its own, which the live pack does not see, and
// a cooldown that began in shadow does not count when the pack is live.
func TestShadowHasItsOwnMemory(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", `chert.rule({ name = "r", on = "message.received", cooldown = "1h", run = function(ev)
  ev.state.n = (ev.state.n or 0) + 1
  log.info("counted", { state = ev.state.n, kv = kv.incr("all") })
  chert.mark_read(ev.chat.id, { after = "2h" })
end })`)
	n := 0
	counted := func(want string) {
		t.Helper()
		n++
		id := fmt.Sprint("e", n)
		c.handle("c1", id, "x")
		d := c.decision(id).Rules[0]
		got := d.Skipped
		if len(d.Logs) > 0 {
			got = fmt.Sprint(d.Logs[0].Fields["state"], " ", d.Logs[0].Fields["kv"])
		}
		if got != want {
			t.Errorf("message %d: %q, want %q", n, got, want)
		}
	}
	mode := func(mode string) {
		t.Helper()
		if _, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: mode}); err != nil {
			t.Fatal(err)
		}
	}
	later := func() { c.ahead.Add(int64(time.Hour)) }
	counted("1 1")
	counted("cooldown")
	mode("shadow")
	counted("1 1")
	counted("cooldown")
	mode("live")
	counted("cooldown")
	later()
	counted("2 2")
	mode("shadow")
	counted("2 2")
	mode("live")
	later()
	counted("3 3")
	c.stop()
	c.start()
	mode("shadow")
	later()
	counted("3 3")
}
