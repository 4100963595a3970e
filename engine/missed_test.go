package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

// guard vetoes chats that say "vip", and remembers what it saw, in which order.
const guard = `
chert.rule({ name = "guard", on = "message.received", run = function(ev)
  ev.state.saw = (ev.state.saw or "") .. ev.id .. " "
  kv.incr("saw")
  if ev.text == "vip" then chert.keep_unread(ev.chat.id) end
end })`

// broken is cut off behind its veto.
const broken = `chert.on("message.received", function(ev) chert.keep_unread(ev.chat.id)`

// gate delays commits, or makes them fail, as a test sets it.
type gate struct {
	store.Store
	mu     sync.Mutex
	closed chan struct{} // commits wait for it; nil: they don't
	refuse func([]turn.Transition) error
}

var errKilled = errors.New("killed")

func (g *gate) Commit(ctx context.Context, batch []turn.Transition) error {
	g.mu.Lock()
	closed, refuse := g.closed, g.refuse
	g.mu.Unlock()
	if closed != nil {
		<-closed
	}
	if refuse != nil {
		if err := refuse(batch); err != nil {
			return err
		}
	}
	return g.Store.Commit(ctx, batch)
}

// close lets commits wait until open is called.
func (g *gate) close() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	closed := make(chan struct{})
	g.closed = closed
	return func() {
		g.mu.Lock()
		g.closed = nil
		g.mu.Unlock()
		close(closed)
	}
}

func newGatedCrew(t *testing.T, files ...string) (*crew, *gate) {
	t.Helper()
	g := &gate{}
	c := newCrew(t)
	c.stop()
	c.wrap = func(st store.Store) store.Store { g.Store = st; return g }
	c.write(files...)
	c.start()
	return c, g
}

// saw returns the state of the guard for a chat.
func (c *crew) saw(chatID string) string {
	c.t.Helper()
	return c.state("guard", chatID)
}

func (c *crew) state(pack, chatID string) string {
	c.t.Helper()
	v, err := c.st.State(ctx, pack, chatID)
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(v), `{"saw":"`), ` "}`)
}

// rows returns how many events packs have missed, in the store.
func (c *crew) rows() (n int64) {
	c.t.Helper()
	list, err := c.st.MissedPacks(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, p := range list {
		n += p.Events
	}
	return n
}

// caughtUp waits until no plan is left to be carried out, and nothing is pending.
func (c *crew) caughtUp() {
	c.t.Helper()
	for {
		c.drained()
		c.eng.misses.mu.Lock()
		loaded := c.eng.misses.loaded
		c.eng.misses.mu.Unlock()
		if p := c.eng.misses.plan.Load(); loaded && (p == nil || p.open.Load() == 0) {
			return
		}
	}
}

func TestMissedEventsRunInOrderBeforeNewer(t *testing.T) {
	t.Parallel()
	c, g := newGatedCrew(t, "read.lua", readAll, "guard.lua", broken)
	want := map[string][]string{}
	n := 0
	send := func(text string) string {
		id, chatID := fmt.Sprint("e", n), fmt.Sprint("c", n%7)
		n++
		c.message(chatID, id, text)
		want[chatID] = append(want[chatID], id)
		return id
	}
	for range 60 {
		send([]string{"x", "hm"}[n%2])
	}
	last := send("vip")
	for range 6 {
		send("x")
	}
	c.drained()
	if got := c.rows(); got != int64(n) {
		t.Errorf("%d rows of what was missed, want %d", got, n)
	}
	if len(c.calls) > 0 {
		t.Fatalf("a call went out: %+v", c.calls)
	}
	open := g.close()
	for range 40 { // what is not taken yet waits behind what was missed
		send("x")
	}
	c.write("guard.lua", guard)
	c.reload()
	open()
	c.caughtUp()
	for chatID, ids := range want {
		if got := c.saw(chatID); got != strings.Join(ids, " ") {
			t.Errorf("chat %s: the guard saw\n%s\nwant\n%s", chatID, got, strings.Join(ids, " "))
		}
	}
	kv, err := c.st.KV(ctx, "guard", "saw", time.Now())
	if err != nil || string(kv.Value) != fmt.Sprint(n) {
		t.Errorf("the guard counted %s events, want %d (%v)", kv.Value, n, err)
	}
	if got := c.rows(); got != 0 {
		t.Errorf("%d rows are left", got)
	}
	c.wait("the reads", func() bool {
		for chatID := range want {
			if c.called(chatID) == 0 {
				return false
			}
		}
		return true
	})
	record, _, err := c.st.Event(ctx, last)
	if err != nil {
		t.Fatal(err)
	}
	if len(record.Actions) != 1 || record.Actions[0].Why != "vetoed" {
		t.Errorf("the read of the event that is vetoed is %+v", record.Actions)
	}
	d := record.Decision
	again := d.Rules[len(d.Rules)-1]
	if d.Failed || len(d.Rules) != 3 || again.Rule != "guard" || again.Rerun.IsZero() || again.Version != c.pack("guard").Version || again.Asked[0] != "keep_unread" {
		t.Errorf("the decision is %+v", d)
	}
}

// A VIP chat that the guard missed is never read.
func TestVetoOfMissedEventHolds(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "guard.lua", broken)
	for i := range 20 {
		c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), []string{"x", "vip"}[i%2])
	}
	c.write("guard.lua", guard)
	c.reload()
	c.caughtUp()
	c.wait("the reads", func() bool { return len(c.calls) == 10 })
	for i := range 20 {
		want := []string{"read done (read)", "read dropped (vetoed)"}[i%2]
		c.endedAs(fmt.Sprint("c", i), want)
		if n := c.called(fmt.Sprint("c", i)); n != 1-i%2 {
			t.Errorf("%d calls for c%d", n, i)
		}
	}
	if log := c.logged(); !strings.Contains(log, "events=20 failed=0 reads_released=10 reads_vetoed=10 reads_dropped=0 still_missed=0") {
		t.Errorf("the log does not have the result:\n%s", log)
	}
}

// The process ends between any two commits of what was missed: each event runs
// through the pack once.
func TestMissedEventsRunOnceAcrossRestarts(t *testing.T) {
	t.Parallel()
	c, g := newGatedCrew(t, "read.lua", readAll, "guard.lua", broken)
	const n = 100
	for i := range n {
		c.message(fmt.Sprint("c", i%5), fmt.Sprint("e", i), "x")
	}
	c.drained()
	var mu sync.Mutex
	left := 0
	g.refuse = func(batch []turn.Transition) error {
		mu.Lock()
		defer mu.Unlock()
		if left--; left < 0 {
			return errKilled
		}
		return nil
	}
	c.stop()
	c.write("guard.lua", guard)
	rows, restarts := c.rowsOf(), 0
	for ; rows > 0; restarts++ {
		if restarts > n { // each life makes up for one event at least
			t.Fatalf("%d rows are left", rows)
		}
		mu.Lock()
		left = 1 + restarts%3
		mu.Unlock()
		c.start()
		c.wait("the store to fail or all to have run", func() bool {
			return c.eng.failing.Load() != nil || c.eng.misses.some.Load() == false
		})
		c.stop()
		rows = c.rowsOf()
	}
	if restarts < 2 {
		t.Errorf("all ran in %d lives: the test proves nothing", restarts)
	}
	g.refuse = nil
	c.start()
	c.caughtUp()
	for i := range 5 {
		var want []string
		for j := i; j < n; j += 5 {
			want = append(want, fmt.Sprint("e", j))
		}
		if got := c.saw(fmt.Sprint("c", i)); got != strings.Join(want, " ") {
			t.Errorf("chat c%d: the guard saw\n%s", i, got)
		}
	}
	kv, err := c.st.KV(ctx, "guard", "saw", time.Now())
	if err != nil || string(kv.Value) != fmt.Sprint(n) {
		t.Errorf("the guard counted %s events, want %d (%v)", kv.Value, n, err)
	}
	for i := range 5 {
		c.wait("the read", func() bool { return c.called(fmt.Sprint("c", i)) > 0 })
	}
}

// rowsOf returns rows of a store that is closed.
func (c *crew) rowsOf() int64 {
	c.t.Helper()
	c.open()
	defer c.st.Close()
	return c.rows()
}

func TestEventThatFailsAgainRunsInTheNextVersion(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "guard.lua", broken)
	c.handle("c1", "e1", "x")
	c.handle("c2", "e2", "vip")
	c.write("guard.lua", strings.Replace(guard, "kv.incr", "error('oh') kv.incr", 1))
	c.reload()
	c.caughtUp()
	c.expectActions("after a fix that fails", "c1", "read blocked (blocked)")
	c.expectActions("after a fix that fails", "c2", "read blocked (blocked)")
	d := c.record("e1").Decision
	if !d.Failed || len(d.Rules) != 3 || !strings.Contains(d.Rules[2].Error, "oh") {
		t.Errorf("the decision is %+v", d)
	}
	c.handle("c3", "e3", "x")
	// Saved again as it is, it runs nothing: that version has failed on them.
	c.reload()
	c.caughtUp()
	if got := len(c.record("e1").Decision.Rules); got != 3 {
		t.Errorf("the same version ran on e1 again: %d records", got)
	}
	c.write("guard.lua", guard)
	c.reload()
	c.endedAs("c1", "read done (read)")
	c.endedAs("c2", "read dropped (vetoed)")
	c.endedAs("c3", "read done (read)")
	if got := c.saw("c1"); got != "e1" {
		t.Errorf("the guard saw %q", got)
	}
	if got := c.rows(); got != 0 {
		t.Errorf("%d rows are left", got)
	}
}

// Where one rule of a pack fails, the others have had their say, and have it
// once.
func TestOnlyRulesThatFailedRunAgain(t *testing.T) {
	t.Parallel()
	count := `chert.rule({ name = "count", on = "message.received", run = function(ev) kv.incr("count") ev.state.saw = (ev.state.saw or "") .. ev.id .. " " end })`
	veto := `chert.rule({ name = "veto", on = "message.received", run = function(ev) if ev.text == "vip" then chert.keep_unread(ev.chat.id) end %s end })`
	c := newCrew(t, "read.lua", readAll, "guard.lua", count+fmt.Sprintf(veto, "error('oh')"))
	c.handle("c1", "e1", "x")
	c.handle("c2", "e2", "vip")
	c.wait("both to be missed", func() bool { b := c.m.health().Blocked; return len(b) == 1 && b[0].Events == 2 && b[0].Reads == 2 })
	c.stop()
	c.start()
	c.caughtUp()
	c.wait("both to be missed after a restart", func() bool { b := c.m.health().Blocked; return len(b) == 1 && b[0].Events == 2 && b[0].Reads == 2 })
	c.ahead.Add(int64(missedFor + time.Second))
	c.m.blocking.checkAgain()
	c.wait("what runs no more not to block", func() bool {
		h := c.m.health()
		return len(h.Blocked) == 0 && strings.Contains(strings.Join(h.Notes, "\n"), "do not run automatically any more")
	})
	c.ahead.Add(-int64(missedFor + time.Second))
	c.write("guard.lua", count+fmt.Sprintf(veto, ""))
	c.reload()
	c.endedAs("c1", "read done (read)")
	c.endedAs("c2", "read dropped (vetoed)")
	kv, err := c.st.KV(ctx, "guard", "count", time.Now())
	if err != nil || string(kv.Value) != "2" || c.saw("c1") != "e1" {
		t.Errorf("counted %s times, and saw %q (%v)", kv.Value, c.saw("c1"), err)
	}
}

func TestMissedEventsOfPackThatGoesAway(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(c *crew){
		"off":     func(c *crew) { c.mode("guard", "off") },
		"shadow":  func(c *crew) { c.mode("guard", "shadow") },
		"removed": func(c *crew) { c.remove("guard.lua"); c.reload() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, "read.lua", readAll, "guard.lua", broken)
			c.handle("c1", "e1", "vip")
			c.expectActions("while it is broken", "c1", "read blocked (blocked)")
			away(c)
			c.endedAs("c1", "read done (read)")
			d := c.record("e1").Decision
			last := d.Rules[len(d.Rules)-1]
			if d.Failed || !strings.Contains(last.Note, "the pack is off, in shadow or removed") || c.rows() != 0 {
				t.Errorf("the decision is %+v, %d rows are left", d, c.rows())
			}
			if h := c.m.health(); len(h.Blocked) > 0 {
				t.Errorf("it still blocks: %+v", h.Blocked)
			}
		})
	}
}

// A pack that is gone when the daemon starts may not have been read yet: what it
// has missed is skipped a while later.
func TestPackGoneAtStartCountsAsRemovedLater(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "guard.lua", broken)
	c.handle("c1", "e1", "x")
	c.stop()
	c.remove("guard.lua")
	c.start()
	c.caughtUp()
	c.expectActions("at the start", "c1", "read blocked (blocked)")
	c.ahead.Add(int64(goneAfter))
	c.endedAs("c1", "read done (read)")
}

// Once a pack that never loaded is removed, its blocked reads go out with it: they
// do not wait as for one that nobody has seen since the start.
func TestBlockedReadsGoOutWithPackThatNeverLoaded(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "guard.lua", broken)
	began := c.now()
	c.handle("c1", "e1", "x")
	c.expectActions("while it is broken", "c1", "read blocked (blocked)")
	c.remove("guard.lua")
	c.reload()
	c.ahead.Add(int64(3 * time.Second))
	c.reload()
	c.endedAs("c1", "read done (read)")
	if took := c.now().Sub(began); took >= goneAfter {
		t.Errorf("they went out after %s", took)
	}
}

// While the folder can't be read, a pack that never loaded does not count as removed:
// its blocked reads wait.
func TestBlockedReadsWaitWhileFolderIsUnreadable(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "guard.lua", broken)
	c.handle("c1", "e1", "x")
	c.stop()
	dir := filepath.Join(c.dir, "rules")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	c.start()
	c.ahead.Add(int64(2 * goneAfter))
	c.eng.misses.mu.Lock()
	c.eng.misses.replan(c.eng.Rules())
	c.eng.misses.mu.Unlock()
	c.caughtUp()
	c.expectActions("unreadable", "c1", "read blocked (blocked)")
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	c.reload()
	c.expectActions("readable again", "c1", "read blocked (blocked)")
	c.remove("guard.lua")
	c.reload()
	c.ahead.Add(int64(3 * time.Second))
	c.reload()
	c.endedAs("c1", "read done (read)")
}

// Off means off: a blocked read of a pack that goes off does not return.
func TestBlockedReadOfPackThatIsOffIsDropped(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "guard.lua", broken)
	c.handle("c1", "e1", "x")
	c.mode("read", "off")
	c.endedAs("c1", "read dropped (pack_inactive)")
	c.mode("read", "")
	c.write("guard.lua", guard)
	c.reload()
	c.caughtUp()
	c.expectActions("after the fix", "c1", "read dropped (pack_inactive)")

	// The same where the pack is rolled back with what it has pending, and then
	// removed while what was missed waits.
	c.write("guard.lua", strings.Replace(guard, "kv.incr", "error('oh') kv.incr", 1))
	c.reload()
	c.handle("c2", "e2", "x")
	c.expectActions("while the guard fails", "c2", "read blocked (blocked)")
	if _, err := c.m.SetMode(ctx, "read", control.ModeRequest{Mode: "off", KeepPending: true}); err != nil { // pending reads are kept
		t.Fatal(err)
	}
	c.expectActions("kept", "c2", "read blocked (blocked)")
	if _, err := c.m.Rollback(ctx, "guard", control.RollbackRequest{}); err != nil {
		t.Fatal(err)
	}
	c.endedAs("c2", "read done (read)")
	if got := c.saw("c2"); got != "e2" {
		t.Errorf("the version before saw %q of what the later one failed on", got)
	}
}

// What was missed longer ago than an hour waits for an operator, and its reads
// stay blocked.
func TestMissedEventsOlderThanAnHourStay(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(c *crew){
		"fixed": func(c *crew) { c.write("guard.lua", guard); c.reload() },
		"off":   func(c *crew) { c.mode("guard", "off") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, "read.lua", readAll, "guard.lua", broken)
			c.handle("c1", "old", "x")
			c.handle("c2", "old too", "x")
			c.ahead.Add(int64(time.Minute))
			c.handle("c2", "young", "x")
			c.ahead.Add(int64(missedFor - 30*time.Second))
			end(c)
			c.caughtUp()
			c.endedAs("c2", "read done (read), read blocked (blocked)")
			c.expectActions("an hour later", "c1", "read blocked (blocked)")
			if got := c.rows(); got != 2 {
				t.Errorf("%d rows are left, want 2", got)
			}
		})
	}
}

// A veto is not lost because the event grew older than its max_age while the pack
// was broken. One that was too old before is not for the rule.
func TestMissedEventKeepsItsAgeForVetoes(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "guard.lua", broken)
	for id, age := range map[string]time.Duration{"c1": time.Minute, "c2": 20 * time.Minute} {
		ev := message(id, "e"+id, "x")
		ev.At, ev.FromRaw = c.now().Add(-age), false
		if _, err := c.eng.Ingest(ctx, []turn.Arrival{{Event: ev, Received: c.now()}}); err != nil {
			t.Fatal(err)
		}
	}
	c.drained()
	c.ahead.Add(int64(30 * time.Minute))
	c.write("guard.lua", `
chert.rule({ name = "guard", on = "message.received", max_age = "10m", run = function(ev) chert.keep_unread(ev.chat.id) end })`)
	c.reload()
	c.caughtUp()
	c.endedAs("c1", "read dropped (vetoed)")
	c.endedAs("c2", "read done (read)")
}

// A cooldown that a later event began does not keep a pack that is fixed from the veto
// of what it had missed.
func TestVetoOfMissedEventBeforeACooldown(t *testing.T) {
	t.Parallel()
	guard := func(fails string) string {
		return `chert.rule({ name = "guard", on = { "message.received", "reaction.added" }, cooldown = "1h", run = function(ev)
  if ev.type == "reaction.added" then return chert.set_timer("later", "1h") end
  ` + fails + ` chert.keep_unread(ev.chat.id)
end })`
	}
	c := newCrew(t, "read.lua", readAll, "guard.lua", guard(`error("oops")`))
	c.handle("c1", "e1", "x")
	c.give(`{"event":"reaction.added","event_id":"r1","data":{"chat":{"id":"c1"}}}`)
	c.expectActions("it fails", "c1", "read blocked (blocked)")
	c.write("guard.lua", guard(""))
	c.reload()
	c.endedAs("c1", "read dropped (vetoed)")
}

// Two packs are broken: reads wait for both, and each runs once on what it missed.
func TestTwoPacksFixedOneAfterAnother(t *testing.T) {
	t.Parallel()
	boss := strings.NewReplacer("guard", "boss", `"vip"`, `"boss"`).Replace(guard)
	c := newCrew(t, "read.lua", readAll, "guard.lua", broken, "boss.lua", broken)
	for i, text := range []string{"x", "vip", "boss"} {
		c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), text)
	}
	c.write("guard.lua", guard)
	c.reload()
	c.caughtUp()
	for i := range 3 {
		c.expectActions("one is fixed", fmt.Sprint("c", i), "read blocked (blocked)")
		if d := c.record(fmt.Sprint("e", i)).Decision; !d.Failed {
			t.Errorf("event %d is missed by boss, and not failed: %+v", i, d)
		}
	}
	c.write("boss.lua", boss)
	c.reload()
	c.endedAs("c0", "read done (read)")
	c.endedAs("c1", "read dropped (vetoed)")
	c.endedAs("c2", "read dropped (vetoed)")
	for i := range 3 {
		id := fmt.Sprint("e", i)
		if g, b := c.saw(fmt.Sprint("c", i)), c.state("boss", fmt.Sprint("c", i)); g != id || b != id {
			t.Errorf("chat c%d: guard saw %q, boss %q", i, g, b)
		}
		if d := c.record(id).Decision; d.Failed {
			t.Errorf("event %d failed: %+v", i, d)
		}
	}
}

// What a rule asks for when it runs again, and what of it is not carried out, is
// recorded with that run, not with the one that failed.
func TestRerunRecordsWhatIsRefused(t *testing.T) {
	t.Parallel()
	hold := `chert.rule({ name = "guard", on = "message.received", run = function(ev) %s chert.hold(ev.chat.id, "10m") end })`
	c := newCrew(t, "read.lua", readAll, "guard.lua", fmt.Sprintf(hold, "error('oh')"))
	c.handle("c1", "e1", "x")
	c.ahead.Add(int64(20 * time.Minute))
	c.write("guard.lua", fmt.Sprintf(hold, ""))
	c.reload()
	c.endedAs("c1", "read dropped (vetoed)")
	d := c.record("e1").Decision
	first, last := d.Rules[0], d.Rules[len(d.Rules)-1]
	if first.Rule != "guard" || first.Error == "" || len(first.Refused) > 0 || !first.Rerun.IsZero() {
		t.Errorf("of the run that failed: %+v", first)
	}
	if last.Rule != "guard" || last.Error != "" || len(last.Refused) != 1 || !strings.Contains(last.Refused[0], "(expired)") || last.Rerun.IsZero() {
		t.Errorf("of the run that did not: %+v", last)
	}
	if c.chatOf("c1").Hold.Active(c.now()) {
		t.Error("the chat is held, by a hold that would have ended by now")
	}
}

// A restart ends a suspension: what was skipped meanwhile runs then, and what
// failed does not.
func TestSkippedEventsRunAfterRestart(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	c.stop()
	c.options.Suspend = rules.SuspendPolicy{After: 2, Chats: 2, CoolOff: time.Hour}
	c.write("read.lua", readAll, "guard.lua", strings.Replace(guard, "kv.incr", "if ev.text == 'bad' then error('oh') end kv.incr", 1))
	c.start()
	c.handle("b1", "e1", "bad")
	c.handle("b2", "e2", "bad")
	c.handle("c1", "e3", "x")
	c.handle("c2", "e4", "vip")
	c.expectActions("while it is suspended", "c1", "read blocked (blocked)")
	c.stop()
	c.start()
	c.endedAs("c1", "read done (read)")
	c.endedAs("c2", "read dropped (vetoed)")
	c.expectActions("of an event that failed", "b1", "read blocked (blocked)")
	if c.saw("c1") != "e3" || c.rows() != 2 {
		t.Errorf("the guard saw %q, %d rows are left", c.saw("c1"), c.rows())
	}
}

// A pack that is fixed while another is still catching up gets all its events:
// not only those that the other one had not come to yet.
func TestPackFixedWhileAnotherCatchesUpMissesNothing(t *testing.T) {
	t.Parallel()
	c, g := newGatedCrew(t, "read.lua", readAll, "ann.lua", broken, "bob.lua", broken)
	const events = rerunEvents + 10 // more than ann catches up with in one commit
	for n := range events {
		c.handle("c1", fmt.Sprint("e", n), "x")
	}
	commits, second, fixed := 0, make(chan struct{}), make(chan struct{})
	g.mu.Lock()
	g.refuse = func(batch []turn.Transition) error {
		if slices.ContainsFunc(batch, func(t turn.Transition) bool { return len(t.Made) > 0 }) {
			if commits++; commits == 2 {
				close(second)
				<-fixed
			}
		}
		return nil
	}
	g.mu.Unlock()
	c.write("ann.lua", guard)
	c.reload()
	<-second
	if n := c.rows(); n >= 2*events {
		t.Fatalf("ann has not begun to catch up: %d rows", n)
	}
	c.write("bob.lua", strings.ReplaceAll(guard, `"guard"`, `"bob"`))
	c.reload()
	close(fixed)
	c.caughtUp()
	if n := c.rows(); n > 0 {
		t.Errorf("%d rows are left", n)
	}
	for _, pack := range []string{"ann", "bob"} {
		if n := len(strings.Fields(c.state(pack, "c1"))); n != events {
			t.Errorf("%s saw %d of %d events", pack, n, events)
		}
	}
}

// A read for another chat waits for the veto on the event that asked, and a
// veto of that event reaches it there.
func TestBlockedReadElsewhereWaitsForTheEventThatAsked(t *testing.T) {
	t.Parallel()
	elsewhere := `chert.on("message.received", { text = "for" }, function(ev) chert.mark_read(ev.text:match("for (%w+)")) end)`
	keep := `
chert.rule({ name = "guard", on = "message.received", run = function(ev)
  if ev.text == "for b2" then chert.keep_unread("b2") end
end })`
	c := newCrew(t, "read.lua", elsewhere, "guard.lua", broken, "boss.lua", broken)
	c.handle("a1", "e1", "for b1")
	c.handle("a2", "e2", "for b2")
	c.handle("a3", "e3", "for b1")
	c.drained()
	c.expectActions("while they are broken", "b1", "read blocked (blocked), read blocked (blocked)")
	c.expectActions("while they are broken", "b2", "read blocked (blocked)")
	c.write("guard.lua", keep)
	c.reload()
	c.caughtUp()
	c.expectActions("one is fixed", "b1", "read blocked (blocked), read blocked (blocked)")
	c.stop()
	c.write("boss.lua", guard)
	c.start()
	c.endedAs("b2", "read dropped (vetoed)")
	c.wait("the read", func() bool { return c.called("b1") == 1 })
	c.endedAs("b1", "read done (read), read dropped (replaced)")
}

// While a pack blocks reads, status and packs show it first, with commands that help.
// The log has one line when that begins and one when it ends.
func TestPackThatBlocksReadsIsShown(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", readAll, "guard.lua", broken)
	for i := range 3 {
		c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), "x")
	}
	c.wait("the reads to be counted", func() bool { b := c.m.health().Blocked; return len(b) == 1 && b[0].Reads == 3 })
	b := c.m.health().Blocked[0]
	path := c.pack("guard").Path
	if b.Pack != "guard" || b.Events != 3 || b.Why != "no version of it is live: it does not load" || b.Since.IsZero() ||
		len(b.Fix) != 2 || b.Fix[0] != "chertd check "+path+" shows what is wrong" || b.Fix[1] != "chertd mode guard off ends the blocking" {
		t.Errorf("the health says %+v", b)
	}
	since := b.Since
	if st, err := c.m.Status(ctx); err != nil || len(st.Blocked) != 1 || st.Blocked[0].Reads != 3 || !st.Ready {
		t.Errorf("the status is %+v, %v", st, err)
	}
	packs, err := c.m.Packs(ctx)
	if err != nil || packs[0].Name != "guard" || packs[0].Blocked == nil || packs[0].Missed != 3 || packs[1].Blocked != nil {
		t.Errorf("the packs are %+v, %v", packs, err)
	}
	count := func(text string) int { return strings.Count(c.logged(), text) }
	if n := count(`msg="a pack blocks reads: it can veto, and does not run on events" pack=guard`); n != 1 {
		t.Errorf("the log says %d times that it blocks:\n%s", n, c.logged())
	}
	c.ahead.Add(int64(remindEvery))
	c.m.blocking.checkAgain()
	c.wait("the log to remind of it", func() bool { return strings.Count(c.log.String(), `msg="a pack blocks reads`) == 2 })

	// It blocks since then, also for the next process.
	c.stop()
	c.start()
	c.wait("the next process to know", func() bool { b := c.m.health().Blocked; return len(b) == 1 && b[0].Reads == 3 && b[0].Events == 3 })
	if b := c.m.health().Blocked[0]; b.Since.Sub(since).Abs() > time.Minute {
		t.Errorf("after a restart it blocks since %s, and did since %s", b.Since, since)
	}
	c.write("guard.lua", guard)
	c.reload()
	c.wait("the log to say that it ended", func() bool { return strings.Contains(c.log.String(), `msg="a pack no longer blocks reads" pack=guard`) })
	if h := c.m.health(); len(h.Blocked) > 0 || c.pack("guard").Blocked != nil {
		t.Errorf("it still blocks: %+v", h.Blocked)
	}
}

// A pack that can veto blocks reads as soon as reads wait for an event that it
// failed on, and until what it missed has run through it, or is an hour old. Who
// can't veto, or failed where nobody wants a read, blocks none.
func TestPackThatFailsOnEventsBlocksReads(t *testing.T) {
	t.Parallel()
	const fails = `chert.rule({ name = "r", on = "message.received", run = function(ev)
  if ev.text:find("bad") then error("oh") end
  if ev.text == "never" then %s end
end })`
	veto := fmt.Sprintf(fails, "chert.keep_unread(ev.chat.id)")
	reads := `chert.on("message.received", { text = "read" }, function(ev) chert.mark_read(ev.chat.id) end)`
	fine := strings.Replace(veto, "bad", "worse", 1)
	logged := func(c *crew, text string) int { return strings.Count(c.logged(), text) }
	begin := func(t *testing.T) *crew {
		c := newCrew(t, "a.lua", reads, "guard.lua", veto, "other.lua", fmt.Sprintf(fails, ""))
		c.handle("c1", "e1", "fine, read")
		c.handle("c2", "e2", "bad")
		c.wait("what was missed to be counted", func() bool {
			return strings.Contains(strings.Join(c.m.health().Notes, "\n"), "guard missed 1 event of")
		})
		if h := c.m.health(); len(h.Blocked) > 0 {
			t.Fatalf("nobody wants a read: %+v", h)
		}
		c.handle("c3", "e3", "bad, read")
		c.wait("the guard to block", func() bool { return len(c.m.health().Blocked) == 1 })
		b := c.m.health().Blocked[0]
		if b.Pack != "guard" || b.Events != 2 || b.Reads != 1 || !strings.HasPrefix(b.Why, "it failed on events") || !strings.HasSuffix(b.Why, "oh") ||
			b.Fix[0] != "edit "+c.pack("guard").Path+": the edit goes live once it passes" || b.Fix[1] != "chertd mode guard off ends the blocking" || b.Since.IsZero() {
			t.Errorf("the health says %+v", b)
		}
		packs, err := c.m.Packs(ctx)
		if err != nil || packs[0].Name != "guard" || packs[0].Blocked == nil || packs[1].Blocked != nil || packs[2].Blocked != nil {
			t.Errorf("the packs are %+v, %v", packs, err)
		}
		if st, err := c.m.Status(ctx); err != nil || len(st.Blocked) != 1 {
			t.Errorf("the status is %+v, %v", st, err)
		}
		c.handle("c4", "e4", "bad, read")
		c.wait("both reads", func() bool { b := c.m.health().Blocked; return len(b) == 1 && b[0].Reads == 2 })
		if n := logged(c, `msg="a pack blocks reads`); n != 1 {
			t.Errorf("the log says %d times that it begins", n)
		}
		return c
	}
	ended := func(t *testing.T, c *crew) {
		t.Helper()
		c.wait("the log to say that it ended", func() bool { return strings.Contains(c.log.String(), `msg="a pack no longer blocks reads" pack=guard`) })
		if h := c.m.health(); len(h.Blocked) > 0 || c.pack("guard").Blocked != nil {
			t.Errorf("it still blocks: %+v", h.Blocked)
		}
		if begun, n := logged(c, `msg="a pack blocks reads`), logged(c, `msg="a pack no longer blocks reads`); begun != 1 || n != 1 {
			t.Errorf("the log says %d times that it begins, and %d times that it ends", begun, n)
		}
	}
	for name, end := range map[string]func(*crew){
		"fixed": func(c *crew) { c.write("guard.lua", fine); c.reload() },
		"off":   func(c *crew) { c.mode("guard", "off") },
		"fixed after another edit": func(c *crew) {
			c.write("guard.lua", veto+" -- as bad")
			c.reload()
			c.wait("a rollback to be the fix", func() bool {
				b := c.m.health().Blocked
				return len(b) == 1 && b[0].Fix[0] == "chertd rollback guard goes back to the version before"
			})
			c.write("guard.lua", fine)
			c.reload()
		},
		"fixed while stopped": func(c *crew) {
			c.stop()
			c.start()
			c.wait("the next process to know", func() bool { b := c.m.health().Blocked; return len(b) == 1 && b[0].Reads == 2 })
			c.log.set(`msg="a pack blocks reads`)
			c.write("guard.lua", fine)
			c.reload()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := begin(t)
			end(c)
			ended(t, c)
			c.wait("the reads", func() bool { return c.called("c3") == 1 && c.called("c4") == 1 })
			c.wait("nothing to be noted", func() bool { return !strings.Contains(strings.Join(c.m.health().Notes, "\n"), "guard missed") })
		})
	}
	t.Run("an hour later", func(t *testing.T) {
		t.Parallel()
		c := begin(t)
		c.ahead.Add(int64(missedFor + time.Minute))
		c.m.blocking.checkAgain()
		ended(t, c)
		if logged(c, "reads_still_blocked=2") != 1 {
			t.Errorf("the log does not say what is left:\n%s", c.logged())
		}
		c.write("guard.lua", fine)
		c.reload()
		c.caughtUp()
		notes := strings.Join(c.m.health().Notes, "\n")
		if !strings.Contains(notes, "pack guard missed 3 events more than an hour ago, and 2 reads are blocked because of them: they do not run automatically any more") {
			t.Errorf("the notes are %s", notes)
		}
		if p := c.pack("guard"); p.Missed != 3 || p.MissedEarlier != 3 || p.BlockedEarlier != 2 {
			t.Errorf("the pack is %+v", p)
		}
		c.handle("c5", "e5", "worse, read")
		c.wait("it to block again", func() bool { b := c.m.health().Blocked; return len(b) == 1 && b[0].Reads == 3 && b[0].Events == 4 })
	})
}

// A suspended rule blocks reads if its pack can veto: of one chat, or of all.
func TestSuspendedVetoBlocksReads(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	c.stop()
	c.options.Suspend = rules.SuspendPolicy{After: 2, Chats: 3, CoolOff: time.Hour}
	fails := `chert.rule({ name = "r", on = "message.received", run = function(ev) if ev.text == "bad" then error("oh") end %s end })`
	c.write("read.lua", readAll, "guard.lua", fmt.Sprintf(fails, "chert.keep_unread(ev.chat.id)"), "other.lua", fmt.Sprintf(fails, ""))
	c.start()
	for i := range 2 {
		c.handle("c0", fmt.Sprint("a", i), "bad")
	}
	c.wait("the guard to block the reads of one chat", func() bool { return len(c.m.health().Blocked) == 1 })
	if h := c.m.health(); h.Blocked[0].Pack != "guard" || !strings.Contains(h.Blocked[0].Why, "it failed on events") || !strings.Contains(strings.Join(h.Notes, "\n"), "rule r is suspended") {
		t.Errorf("suspended for one chat: %+v", h)
	}
	for i := range 3 {
		c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), "bad")
	}
	c.wait("the guard to be suspended", func() bool {
		b := c.m.health().Blocked
		return len(b) == 1 && strings.Contains(b[0].Why, "suspended")
	})
	b := c.m.health().Blocked[0]
	if b.Pack != "guard" || b.Why != "rule r is suspended: it fails again and again" || !strings.HasPrefix(b.Fix[0], "edit ") {
		t.Errorf("the health says %+v", b)
	}
}

// The daemon is killed without warning again and again while it runs what a pack
// has missed. Each event runs through the pack once, in order, and no chat that
// the pack vetoes is read.
//
//	go test ./engine -run KilledWhileMissed -crashes 100
func TestKilledWhileMissedEventsRun(t *testing.T) {
	c := newCrew(t)
	c.stop()
	c.write("p.lua", readAll, "guard.lua", broken)
	api := newReadCounter()
	apiURL := serve(t, api)
	const chats = 8
	n := 150 * *crashes
	c.start()
	var arrivals []turn.Arrival
	for i := range n {
		arrivals = append(arrivals, turn.Arrival{Event: message(fmt.Sprint("c", i%chats), fmt.Sprint("e", i), []string{"vip", "x"}[min(1, i%chats)]), Received: time.Now()})
	}
	if _, err := c.eng.Ingest(ctx, arrivals); err != nil {
		t.Fatal(err)
	}
	c.drained()
	c.stop()
	c.write("guard.lua", strings.Replace(guard, "kv.incr", "if ev.id ~= '' then for i = 1, 20000 do end end kv.incr", 1))
	killed := 0
	early := 30 * time.Millisecond // too early to kill the child on this machine
	for tries := 0; tries < 3**crashes && killed < *crashes; tries++ {
		child := startChild(t, c.dir, apiURL)
		time.Sleep(early + rand.N(60*time.Millisecond)) // when to kill is the test's dice
		child.kill()
		switch left := c.rowsOf(); {
		case left == int64(n):
			early += early / 2
			continue
		case left > 0:
			killed++
			continue
		}
		break
	}
	c.start() // the last life finishes what is left
	c.caughtUp()
	c.stop()
	c.open()
	defer c.st.Close()
	if rows := c.rows(); rows > 0 {
		t.Fatalf("%d rows are left", rows)
	}
	if killed == 0 {
		t.Error("it was never killed in the middle: the test proves nothing")
	}
	for i := range chats {
		var want []string
		for j := i; j < n; j += chats {
			want = append(want, fmt.Sprint("e", j))
		}
		if got := c.saw(fmt.Sprint("c", i)); got != strings.Join(want, " ") {
			t.Errorf("chat c%d: the guard saw\n%s", i, got)
		}
	}
	kv, err := c.st.KV(ctx, "guard", "saw", time.Now())
	if err != nil || string(kv.Value) != fmt.Sprint(n) {
		t.Errorf("the guard counted %s events, want %d (%v)", kv.Value, n, err)
	}
	if api.calls["c0"] > 0 {
		t.Errorf("a chat that is vetoed was read %d times", api.calls["c0"])
	}
	if n := len(c.calls); c.called("c0") > 0 {
		t.Errorf("a chat that is vetoed was read, among %d calls", n)
	}
	t.Logf("%d kills in the middle, %d events", killed, n)
}

// A pack that takes more than its share, and can veto or can't, loses no
// event: those that it missed run once the suspension ends, also if its
// share does not suffice for all of it then.
func TestWhatASuspendedPackMissedRuns(t *testing.T) {
	t.Parallel()
	const slow = `chert.rule({ name = "slow", on = "message.received", run = function(ev)
  for i = 1, 2000 do end
  chert.mark_read(ev.chat.id)
  %s
end })`
	for name, veto := range map[string]string{"can't veto": "", "can veto": `if ev.text == "vip" then chert.keep_unread(ev.chat.id) end`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t)
			c.stop()
			var passed atomic.Int64 // the clock stands but for this: nothing comes to the share
			at := time.Now()
			c.now = func() time.Time { return at.Add(time.Duration(passed.Load())) }
			c.options.Share = rules.SharePolicy{Free: 1000, Rate: 1, Burst: 12_000}
			c.write("slow.lua", fmt.Sprintf(slow, veto))
			c.start()
			const chats = 32
			c.burst("c", chats)
			if n := c.reads(); n >= chats {
				t.Fatalf("all %d events ran: the pack was not suspended", n)
			}
			p := c.pack("slow")
			if len(p.Suspended) != 1 || p.Suspended[0].Why != rules.WhyShare || !strings.Contains(p.SuspendedHint, "chertd eval") {
				t.Fatalf("suspended are %+v", p.Suspended)
			}
			if notes := strings.Join(c.m.health().Notes, "\n"); strings.Contains(notes, rules.WhyFails) || !strings.Contains(notes, rules.WhyShare) {
				t.Errorf("the notes are %q", notes)
			}
			for range chats {
				if c.rows() == 0 {
					break
				}
				passed.Add(int64(time.Minute))
				c.eng.misses.mu.Lock()
				c.eng.misses.replan(c.eng.Rules())
				c.eng.misses.mu.Unlock()
				c.caughtUp()
			}
			c.finished()
			if n := c.reads(); n != chats || c.rows() != 0 {
				t.Errorf("%d of %d chats were read, and %d events are missed still", n, chats, c.rows())
			}
			passed.Add(int64(time.Minute)) // what ran last may have taken too much again
			if notes := c.m.health().Notes; len(notes) > 0 {
				t.Errorf("the notes are %q", notes)
			}
		})
	}
}

// How a handler of a pack failed last is not said of a later pack of its name.
func TestFailureOfPackThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", readAll+"\n", "guard.lua", `chert.on("message.received", function(ev)
  if ev.text then error("oh") end
  chert.keep_unread(ev.chat.id)
end)
`, "other.lua", `chert.on("message.received", function() error("ah") end)
`)
	c.handle("c1", "e1", "x")
	failure := func(pack string) string {
		c.m.blocking.mu.Lock()
		defer c.m.blocking.mu.Unlock()
		return c.m.blocking.failures[pack]
	}
	c.m.checkBlocking(ctx)
	if !strings.HasSuffix(failure("guard"), "oh") || !strings.HasSuffix(failure("other"), "ah") {
		t.Fatalf("the packs failed last by %q and %q", failure("guard"), failure("other"))
	}
	c.remove("guard.lua")
	c.reload()
	c.ahead.Add(int64(time.Minute)) // until then it may only have been moved
	c.reload()
	c.m.checkBlocking(ctx)
	if failure("guard") != "" || !strings.HasSuffix(failure("other"), "ah") {
		t.Errorf("once guard is removed, they failed last by %q and %q", failure("guard"), failure("other"))
	}
}
