package engine

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// An operator's hold drops the reads that wait, never shortens a hold in force,
// and is ended by a release; all of it outlives a crash, and what dropped does not
// return.
func TestOperatorHoldsAndReleases(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "later.lua", `chert.rule({ name = "later", on = "message.received", run = function(ev)
  chert.mark_read(ev.chat.id, { after = "1h" })
end })
chert.rule({ name = "keep", on = "message.received", where = { text = "vip" }, run = function(ev)
  chert.hold(ev.chat.id, "3d", { reason = "quiet" })
end })
`)
	c.handle("c1", "e1", "hello")
	c.handle("c2", "e2", "vip")
	for _, test := range []struct {
		name string
		in   control.HoldRequest
		want control.Held // Until: how long from now
		long time.Duration
	}{
		{"a day by default, and the read is dropped", control.HoldRequest{Chat: "c1"}, control.Held{Hold: control.Hold{By: "operator"}, DroppedReads: 1}, 24 * time.Hour},
		{"a shorter one changes nothing", control.HoldRequest{Chat: "c1", For: "2h", Reason: "x"}, control.Held{Hold: control.Hold{By: "operator"}, Longer: true}, 24 * time.Hour},
		{"nor does one that is shorter than a rule's", control.HoldRequest{Chat: "c2", For: "2h"}, control.Held{Hold: control.Hold{By: "later/keep", Reason: "quiet"}, Longer: true}, 72 * time.Hour},
		{"a longer one replaces", control.HoldRequest{Chat: "c2", For: "4d", Reason: "ours"}, control.Held{Hold: control.Hold{By: "operator", Reason: "ours"}}, 96 * time.Hour},
		{"a longer one without a reason keeps it", control.HoldRequest{Chat: "c2", For: "5d"}, control.Held{Hold: control.Hold{By: "operator", Reason: "ours"}}, 120 * time.Hour},
		{"a chat that is yet to come", control.HoldRequest{Chat: "new", Force: true}, control.Held{Hold: control.Hold{By: "operator"}}, 24 * time.Hour},
	} {
		h, err := c.m.Hold(ctx, test.in)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if off := h.Until.Sub(c.now().Add(test.long)); off > time.Minute || off < -time.Minute {
			t.Errorf("%s: until %v, want in %v", test.name, h.Until, test.long)
		}
		test.want.Chat, test.want.Until = test.in.Chat, h.Until
		if h != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, h, test.want)
		}
	}
	for name, test := range map[string]struct {
		in   control.HoldRequest
		want string
	}{
		"unknown":     {control.HoldRequest{Chat: "c3"}, `chertd has seen no event of chat "c3"`},
		"blanks":      {control.HoldRequest{Chat: " c1"}, `has seen no event of chat " c1"`},
		"none":        {control.HoldRequest{}, "its id is missing"},
		"no id":       {control.HoldRequest{Chat: "a\x1b", Force: true}, "can't be the id of a chat"},
		"no time":     {control.HoldRequest{Chat: "c1", For: "soon"}, "is not understood"},
		"no while":    {control.HoldRequest{Chat: "c1", For: "0"}, "must be greater than 0"},
		"a long tale": {control.HoldRequest{Chat: "c1", Reason: strings.Repeat("x", 501)}, "longer than 500 characters"},
	} {
		_, err := c.m.Hold(ctx, test.in)
		if user := (*control.UserError)(nil); !errors.As(err, &user) || user.Hint == "" || !strings.Contains(user.Message, test.want) {
			t.Errorf("%s: %v, want %q and a hint", name, err, test.want)
		}
	}
	c.stop()
	c.start()
	st, err := c.m.Status(ctx)
	if err != nil || st.Holds == nil || st.Holds.Total != 3 || st.Actions["waiting"] != 0 {
		t.Fatalf("after a restart the status is %+v, %v", st, err)
	}
	r, err := c.m.Release(ctx, control.ReleaseRequest{Chat: "c2"})
	if err != nil || !r.Held || r.Hold == nil || r.Hold.By != "operator" || r.Hold.Reason != "ours" {
		t.Errorf("the release of c2: %+v, %v", r, err)
	}
	if r, err := c.m.Release(ctx, control.ReleaseRequest{Chat: "c2"}); err != nil || r.Held || r.Hold != nil {
		t.Errorf("another release of c2: %+v, %v", r, err)
	}
	if _, err := c.m.Release(ctx, control.ReleaseRequest{Chat: "c3"}); err == nil {
		t.Error("an unknown chat was released")
	}
	c.handle("c1", "e3", "hello")
	c.handle("c2", "e4", "hello")
	if st, err := c.m.Status(ctx); err != nil || st.Holds.Total != 2 || st.Actions["waiting"] != 2 {
		t.Errorf("both reads should wait until they are due: %+v, %v", st, err)
	}
	c.ahead.Store(int64(2 * time.Hour))
	if _, err := c.m.Release(ctx, control.ReleaseRequest{Chat: "c1"}); err != nil {
		t.Error(err)
	}
	c.expectActions("two hours later", "c1", "read dropped (held), read dropped (vetoed)")
}

// Events that a broken pack has missed are counted in the status, whether or not
// it could veto, and until it has made up for them.
func TestStatusCountsMissedEvents(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "broken.lua", "chert.on(\"message.received\", function(ev) log.info(\"x\") end)\nerror(\"no\")\n")
	missed := func() int64 {
		t.Helper()
		st, err := c.m.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return st.Missed
	}
	if n := missed(); n != 0 {
		t.Errorf("%d events missed before there was one", n)
	}
	c.handle("c1", "e1", "hello")
	c.handle("c2", "e2", "hello")
	if n := missed(); n != 2 {
		t.Errorf("%d events missed, want 2", n)
	}
	c.write("broken.lua", "chert.on(\"message.received\", function(ev) log.info(\"x\") end)\n")
	c.reload()
	c.wait("the pack has made up for them", func() bool { return missed() == 0 })
}

// A read in flight does not count as dropped, and the answer to a hold names it.
// A dry run is of selections: for a chat it is refused, and nothing is dropped.
func TestChatsAreNotHeldByADryRun(t *testing.T) {
	t.Parallel()
	c := newCrew(t, holdPack...)
	c.handle("c1", "e1", "later")
	for _, in := range []control.HoldRequest{{Chat: "c1", DryRun: true}, {Chat: "c1", By: "ana"}} {
		if h, err := c.m.Hold(ctx, in); err == nil || !strings.Contains(err.Error(), "goes with where") {
			t.Errorf("%+v: %+v, %v", in, h, err)
		}
	}
	if r, err := c.m.Release(ctx, control.ReleaseRequest{Chat: "c1", By: "ana"}); err == nil {
		t.Errorf("released: %+v", r)
	}
	c.expectActions("after them", "c1", "read waiting")
}

func TestHoldReportsReadInFlight(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll)
	on, release := make(chan string, 1), make(chan struct{})
	c.mu.Lock()
	c.answer = func(call chat.Call) error { on <- call.Chat; <-release; return nil }
	c.mu.Unlock()
	c.message("c1", "e1", "hello")
	<-on
	h, err := c.m.Hold(ctx, control.HoldRequest{Chat: "c1"})
	close(release)
	if err != nil || !h.InFlight || h.DroppedReads != 0 {
		t.Errorf("%+v, %v, want a read in flight and none dropped", h, err)
	}
	c.endedAs("c1", "read done (veto_too_late)")
}

// refusing is a store whose commits fail while a test requires it.
type refusing struct {
	store.Store
	refuses atomic.Bool
}

func (r *refusing) Commit(ctx context.Context, batch []turn.Transition) error {
	if r.refuses.Load() {
		return errors.New("the disk is full")
	}
	return r.Store.Commit(ctx, batch)
}

// A hold or a release that the store could not keep has failed, and its operator
// knows: it is not carried out once the store works again.
func TestFailedHoldIsNotCarriedOutLater(t *testing.T) {
	t.Parallel()
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 1}}
	c.changed.L = &c.mu
	c.now = time.Now
	c.write("later.lua", `chert.rule({ name = "later", on = "message.received", run = function(ev)
  chert.mark_read(ev.chat.id, { after = "1h" })
end })`)
	st := &refusing{}
	c.wrap = func(kept store.Store) store.Store { st.Store = kept; return st }
	c.start()
	c.handle("c1", "e1", "hello")
	c.handle("c2", "e2", "hello")
	if _, err := c.m.Hold(ctx, control.HoldRequest{Chat: "c1"}); err != nil {
		t.Fatal(err)
	}
	st.refuses.Store(true)
	if _, err := c.m.Release(ctx, control.ReleaseRequest{Chat: "c1"}); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("the release: %v", err)
	}
	if _, err := c.m.Hold(ctx, control.HoldRequest{Chat: "c2"}); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("the hold: %v", err)
	}
	st.refuses.Store(false)
	c.handle("c1", "e3", "hello")
	status, err := c.m.Status(ctx)
	if err != nil || status.Holds == nil || status.Holds.Total != 1 || status.Holds.First[0].Chat != "c1" || !status.Ready {
		t.Errorf("once the store works again: %+v, %v", status.Holds, err)
	}
}
