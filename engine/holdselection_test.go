package engine

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const heldLine = "line=+14150000000" // of all chats of a crew

var holdPack = []string{"later.lua", `chert.rule({ name = "later", on = "message.received", where = { text = "later" }, run = function(ev)
  chert.mark_read(ev.chat.id, { after = "1h" })
end })
chert.rule({ name = "tomorrow", on = "message.received", where = { text = "tomorrow" }, run = function(ev)
  chert.mark_read(ev.chat.id, { after = "24h" })
end })
chert.rule({ name = "now", on = "message.received", where = { text = "now" }, run = function(ev)
  chert.mark_read(ev.chat.id)
end })
chert.rule({ name = "let go", on = "message.received", where = { text = "let go" }, run = function(ev)
  chert.release(ev.chat.id)
end })
`}

func (c *crew) holdLine(in control.HoldRequest) control.HeldSelection {
	c.t.Helper()
	in.Where = []string{heldLine}
	h, err := c.m.HoldSelection(ctx, in)
	if err != nil {
		c.t.Fatal(err)
	}
	return h
}

// swept waits until what the holds drop is recorded.
func (c *crew) swept() {
	c.t.Helper()
	c.wait("the reads of holds to be dropped", func() bool {
		for _, h := range c.eng.held.now() {
			if !h.Swept || h.Through > 0 && !h.Settled {
				return false
			}
		}
		return true
	})
}

// TestHoldOfALineDropsReadsOfItsChats: those that wait and those that come due, of chats that are known and of others,
// until it ends or is released; across restarts. Only its own release ends it.
func TestHoldOfALineDropsReadsOfItsChats(t *testing.T) {
	t.Parallel()
	c := newCrew(t, holdPack...)
	c.handle("c1", "e1", "later")
	c.handle("c2", "e2", "now")
	c.endedAs("c2", "read done (read)")
	preview := c.holdLine(control.HoldRequest{For: "2h", DryRun: true})
	if !preview.DryRun || preview.KnownChats != 2 || preview.WaitingChats != 1 || preview.ID != 0 {
		t.Errorf("the preview is %+v", preview)
	}
	c.expectActions("after the preview", "c1", "read waiting")
	held := c.holdLine(control.HoldRequest{For: "2h", By: "alice", Reason: "moving"})
	if held.ID != 1 || held.By != "alice" || held.Where != heldLine || held.Longer || held.WaitingChats != 1 {
		t.Errorf("held %+v", held)
	}
	c.endedAs("c1", "read dropped (held)")
	c.handle("c3", "e3", "now")
	c.endedAs("c3", "read dropped (held)")
	c.handle("c3", "e4", "let go")
	c.handle("c3", "e5", "now")
	c.endedAs("c3", "read dropped (held), read dropped (held)")
	r, err := c.m.Release(ctx, control.ReleaseRequest{Chat: "c3"})
	if err != nil || r.Held || len(r.StillHeld) != 1 || r.StillHeld[0].ID != 1 {
		t.Errorf("released %+v, %v", r, err)
	}
	if shorter := c.holdLine(control.HoldRequest{For: "1h", By: "bob"}); !shorter.Longer || shorter.ID != 1 || shorter.By != "alice" {
		t.Errorf("a shorter one is %+v", shorter)
	}
	end := c.explainOne("e1")
	if a := end.Actions[0]; a.EndedBy == nil || a.EndedBy.By != "hold 1" || !strings.Contains(a.EndedBy.Asked, heldLine+" by alice until ") || !strings.Contains(a.EndedBy.Asked, "moving") {
		t.Errorf("explain has %+v", a.EndedBy)
	}
	if !strings.Contains(end.Summary, "held by hold 1: "+heldLine+" by alice") {
		t.Errorf("the summary is %q", end.Summary)
	}
	if st, err := c.m.Status(ctx); err != nil || len(st.HeldSelections) != 1 || st.HeldSelections[0] != held.SelectionHold {
		t.Errorf("status has %+v, %v", st.HeldSelections, err)
	}

	c.stop()
	c.start()
	c.handle("c4", "e6", "now")
	c.endedAs("c4", "read dropped (held)")
	c.handle("c4", "e7", "tomorrow") // due after its end
	longer := c.holdLine(control.HoldRequest{For: "3h", By: "bob"})
	if longer.ID != 2 || longer.Longer {
		t.Errorf("a longer one is %+v", longer)
	}
	c.endedAs("c4", "read dropped (held), read dropped (held)")
	released, err := c.m.ReleaseSelection(ctx, control.ReleaseRequest{Where: []string{heldLine}, By: "carol"})
	if err != nil || len(released.Ended) != 1 || released.Ended[0].ID != 2 {
		t.Errorf("released %+v, %v", released, err)
	}
	c.swept()
	c.handle("c5", "e8", "now")
	c.endedAs("c5", "read done (read)")
	if _, err := c.m.ReleaseSelection(ctx, control.ReleaseRequest{ID: 2}); err == nil || !strings.Contains(err.Error(), "no hold with the id 2 is in force") {
		t.Errorf("released again: %v", err)
	}
	for _, id := range []string{"c1", "c3", "c4"} {
		if n := func() int { defer c.lock()(); return c.called(id) }(); n != 0 {
			t.Errorf("%d calls for %s", n, id)
		}
	}
}

// TestHoldOfALineEndsOnce: it ends by the engine's clock, is logged once, and drops what came due before, also if calls
// were paused all the time or the daemon did not run.
func TestHoldOfALineEndsOnce(t *testing.T) {
	t.Parallel()
	for _, stopped := range []bool{false, true} {
		c := newCrew(t, holdPack...)
		c.handle("c0", "e0", "none")
		c.holdLine(control.HoldRequest{For: "2h", By: "alice"})
		c.swept()
		c.eng.Pause(true)
		c.paused = true
		c.handle("c1", "e1", "later")
		c.handle("c2", "e2", "tomorrow")
		if stopped {
			c.stop()
		}
		c.ahead.Store(int64(3 * time.Hour))
		if stopped {
			c.start()
		} else {
			c.eng.held.changed <- struct{}{} // instead of waiting until the clock is looked at again
		}
		c.wait("the hold to end", func() bool { return len(c.eng.held.find(func(*chat.SelectionHold) bool { return true })) == 0 })
		c.swept()
		c.paused = false
		c.eng.Pause(false)
		c.endedAs("c1", "read dropped (held)")
		c.expectActions("due after the end", "c2", "read waiting")
		c.handle("c3", "e3", "now")
		c.endedAs("c3", "read done (read)")
		c.stop()
		c.start()
		if n := strings.Count(c.logged(), "hold of a selection ended"); n != 1 {
			t.Errorf("stopped %t: its end is logged %d times", stopped, n)
		}
		c.stop()
	}
}

// TestHoldOfALineStopsACallBeforeTheWire: a call that was handed out before the hold is recalled by the last look.
func TestHoldOfALineStopsACallBeforeTheWire(t *testing.T) {
	t.Parallel()
	c := newCrew(t, holdPack...)
	c.eng.Pause(true)
	c.handle("c1", "e1", "now")
	call, _ := c.eng.Ready("c1")
	if call == nil || c.eng.Recalled(call) {
		t.Fatalf("no call is handed out: %+v", call)
	}
	c.holdLine(control.HoldRequest{})
	if !c.eng.Recalled(call) {
		t.Error("the call is not recalled")
	}
	c.eng.Answer(chat.Answer{Call: *call, NotSent: true}, func() {})
	c.endedAs("c1", "read dropped (held)")
}

func TestHoldOfASelectionIsRefused(t *testing.T) {
	t.Parallel()
	c := newCrew(t, holdPack...)
	c.handle("c1", "e1", "later")
	for _, test := range []struct {
		in         control.HoldRequest
		want, hint string
	}{
		{control.HoldRequest{}, "a selection is missing", "line=+14155550100"},
		{control.HoldRequest{Where: []string{"lin=+1"}}, `unknown key "lin"`, `did you mean "line"?`},
		{control.HoldRequest{Where: []string{"line"}}, "expected KEY=VALUE", "KEY is line or is_group"},
		{control.HoldRequest{Where: []string{"line="}}, "expected KEY=VALUE", "KEY is"},
		{control.HoldRequest{Where: []string{heldLine, heldLine}}, "line is given twice", "once"},
		{control.HoldRequest{Where: []string{"is_group=maybe"}}, "expected true or false", "is_group=false"},
		{control.HoldRequest{Where: []string{"line=+14150000009"}}, "chertd knows no chat of line=+14150000009", `did you mean "line=+14150000000"? --force`},
		{control.HoldRequest{Where: []string{heldLine}, For: "soon"}, "for: duration", "2h"},
		{control.HoldRequest{Where: []string{heldLine}, Chat: "c1"}, "exclude each other", "selection"},
		{control.HoldRequest{Where: []string{heldLine}, Reason: strings.Repeat("x", 501)}, "longer than 500", "sentence"},
		{control.HoldRequest{Where: []string{heldLine}, By: "a\nb"}, "control characters", "give a name"},
	} {
		_, err := c.m.HoldSelection(ctx, test.in)
		user, ok := err.(*control.UserError)
		if !ok || !strings.Contains(user.Message, test.want) || !strings.Contains(user.Hint, test.hint) {
			t.Errorf("%+v: %v; want %q, %q", test.in, err, test.want, test.hint)
		}
	}
	if h, err := c.m.HoldSelection(ctx, control.HoldRequest{Where: []string{"line=+1 (415) 000-0009"}, Force: true}); err != nil || h.Where != "line=+14150000009" {
		t.Errorf("with force: %+v, %v", h, err)
	}
	c.expectActions("with another line held", "c1", "read waiting")
}

var selectionChats = flag.Int("selection.chats", 1000, "how many chats of a line wait when it is held, and are cancelled")

// ingestWaiting has many chats wait for a read in an hour.
func (c *crew) ingestWaiting(n int) {
	c.t.Helper()
	const page = 500
	var all sync.WaitGroup
	for first := 0; first < n; first += page {
		all.Go(func() {
			var some []turn.Arrival
			for i := first; i < min(n, first+page); i++ {
				ev := message(fmt.Sprintf("many%06d", i), fmt.Sprintf("many%d", i), "later")
				ev.Source = event.SourceWebhook
				some = append(some, turn.Arrival{Event: ev, Received: time.Now()})
			}
			if _, err := c.eng.Ingest(ctx, some); err != nil {
				c.t.Error(err)
			}
		})
	}
	all.Wait()
	c.drained()
}

// TestManyChatsOfALineAreHeld: all reads that wait on it are recorded as dropped, and nothing else is lost.
func TestManyChatsOfALineAreHeld(t *testing.T) {
	t.Parallel()
	c := newCrew(t, holdPack...)
	c.eng.c.Observe = nil // it keeps all that happens
	n := *selectionChats
	c.ingestWaiting(n)
	began := time.Now()
	h := c.holdLine(control.HoldRequest{For: "2h", By: "alice"})
	t.Logf("%d chats wait: the hold is in force after %v", h.WaitingChats, time.Since(began))
	if int(h.WaitingChats) != n || h.KnownChats != int64(min(n, control.CountedHolds)) {
		t.Errorf("held %+v", h)
	}
	for n > 1000 && !c.eng.held.now()[0].Swept { // longer than swept waits
		runtime.Gosched()
	}
	c.swept()
	t.Logf("all are dropped after %v", time.Since(began))
	stats, err := c.st.Stats(ctx)
	if err != nil || stats.Actions[chat.Dropped] != int64(n) {
		t.Errorf("actions %v, %v", stats.Actions, err)
	}
}
