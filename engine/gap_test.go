package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/turn"
)

// deliver takes in an event as a webhook does.
func (r *rig) deliver(chatID, id, text string) {
	r.t.Helper()
	if _, err := r.eng.Deliver(ctx, []turn.Arrival{{Event: message(chatID, id, text), Received: time.Now()}}); err != nil {
		r.t.Fatal(err)
	}
}

// order returns the events that were handled, in their order.
func (r *rig) order(chatID string) (ids []string) {
	defer r.lock()()
	for _, o := range r.seen {
		if h := o.Handled; h != nil && h.Entry.Event.ChatID() == chatID && h.Entry.Event.Source != event.SourceEngine {
			ids = append(ids, h.Entry.Event.ID)
		}
	}
	return ids
}

// During a gap, what is delivered is handled after what the log brings, and calls and timers
// wait, for a missed event may veto them.
func TestGapHoldsBackCallsTimersAndDeliveries(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", words)
	r.eng.BeginGap(time.Hour)
	r.message("c1", "before", "read")
	r.message("c2", "other", "read")
	r.message("c3", "alarm", "timer")
	r.handledAll("before", "other", "alarm")
	r.deliver("c1", "new", "nothing")
	r.message("c1", "missed", "veto")
	r.deliver("c1", "newer", "read")
	r.deliver("c1", "new", "nothing") // again
	r.handledAll("missed")
	if err := r.eng.waitDurable(ctx); err != nil {
		t.Fatal(err)
	}
	if since, until := r.eng.Gap(); since.IsZero() || until.Sub(since) != time.Hour {
		t.Errorf("a gap from %v to %v", since, until)
	}
	if ids := r.order("c1"); !slices.Equal(ids, []string{"before", "missed"}) {
		t.Errorf("handled during the gap: %q", ids)
	}
	if n := r.called("c1") + r.called("c2"); n > 0 {
		t.Errorf("%d calls during the gap", n)
	}
	if r.handledTimer() {
		t.Error("a timer fires during the gap")
	}
	r.eng.EndGap(ctx)
	if ids := r.order("c1"); !slices.Equal(ids, []string{"before", "missed", "new", "newer"}) {
		t.Errorf("handled at the end of the gap: %q", ids)
	}
	if since, _ := r.eng.Gap(); !since.IsZero() {
		t.Error("the gap has not ended")
	}
	r.wait("the calls and the timer", func() bool { return r.called("c1") == 1 && r.called("c2") == 1 && r.handledTimerLocked() })
	if call := r.callOf("c1"); call != "newer" {
		t.Errorf("c1 is read for %q, want the read that came after the veto", call)
	}
	r.deliver("c1", "after", "nothing")
	r.handledAll("after")
}

func (r *rig) handledTimer() bool {
	defer r.lock()()
	return r.handledTimerLocked()
}

func (r *rig) handledTimerLocked() bool {
	return slices.ContainsFunc(r.seen, func(o Observation) bool { return o.Handled != nil && o.Handled.Entry.Event.Timer() == "t" })
}

// callOf returns the event of the read that the last call of a chat was for.
func (r *rig) callOf(chatID string) (id string) {
	defer r.lock()()
	for _, call := range r.calls {
		for _, o := range r.seen {
			if call.Chat == chatID && o.Handled != nil && o.Handled.Entry.Seq == call.Actions[0].ID.Seq {
				id = o.Handled.Entry.Event.ID
			}
		}
	}
	return id
}

// What comes due while the process does not run waits for the events that were missed
// meanwhile: neither a call nor a timer is faster than the gap.
func TestWhatComesDueInAFreezeWaits(t *testing.T) {
	t.Parallel()
	for range 10 {
		r := &rig{t: t, dir: t.TempDir(), now: time.Now}
		r.changed.L = &r.mu
		r.write("p.lua", `
chert.rule({ name = "later", on = "message.received", run = function(ev)
  chert.mark_read(ev.chat.id, { after = 0.1 })
  chert.set_timer("t", 0.1)
end })
chert.on("timer:t", function(ev) end)`)
		var gaps atomic.Int64
		r.frozen = func() { gaps.Add(1); r.eng.BeginGap(time.Hour) }
		r.start()
		r.wait("the first beat", func() bool { return r.eng.freezes.beat.Load() > 0 })
		r.message("c1", "e1", "x")
		r.eng.freezes.beat.Store(time.Now().Add(-time.Minute).UnixMilli())
		r.handledAll("e1")
		r.wait("the gap", func() bool { return gaps.Load() > 0 })
		if err := r.eng.waitDurable(ctx); err != nil {
			t.Fatal(err)
		}
		if r.called("c1") > 0 || r.handledTimer() {
			t.Fatal("a call or a timer goes out after the freeze, before the gap has ended")
		}
		r.eng.EndGap(ctx)
		r.wait("the call and the timer", func() bool { return r.called("c1") == 1 && r.handledTimerLocked() })
		r.stop()
	}
}

// A gap ends in time, whatever became of the log.
func TestGapEndsInTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", words)
	r.eng.BeginGap(20 * time.Millisecond)
	r.deliver("c1", "e1", "read")
	r.wait("the call", func() bool { return r.called("c1") == 1 })
	r.eng.BeginGap(0)
	if since, _ := r.eng.Gap(); !since.IsZero() {
		t.Error("a gap of no time")
	}
}

// What was acknowledged during a gap is handled after a crash, with a gap and without.
func TestEarlyEventsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{true, false} {
		r := newRig(t, "p.lua", words)
		r.eng.BeginGap(time.Hour)
		var want []string
		for i := range 3 * earlyBatch / 2 {
			want = append(want, fmt.Sprintf("e%03d", i))
			r.deliver("c1", want[i], "nothing")
		}
		r.stop()
		r.start()
		if again {
			r.eng.BeginGap(time.Hour)
			r.message("c1", "missed", "nothing")
			want = append([]string{"missed"}, want...)
			r.eng.EndGap(ctx)
		} else if err := r.eng.flushEarly(ctx, nil); err != nil {
			t.Fatal(err)
		}
		r.handledAll(want...)
		if ids := r.order("c1"); !slices.Equal(ids, want) {
			t.Errorf("again: %t: handled %q", again, ids)
		}
	}
}

// While gaps begin and end at any time, each delivery is handled once, those of a sender in
// their order, whether the log has brought it before or brings it again.
func TestDeliveriesInAnyGapAreHandledOnceAndInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", words)
	const senders, each = 4, 150
	var sending, changing sync.WaitGroup
	var done atomic.Bool
	for n := range senders {
		sending.Go(func() {
			dice := rand.New(rand.NewPCG(1, uint64(n)))
			for i := range each {
				id := fmt.Sprintf("e%d-%03d", n, i)
				r.deliver(fmt.Sprint("c", n), id, "read")
				if dice.IntN(4) == 0 { // the log has it, too
					r.message(fmt.Sprint("c", n), id, "read")
				}
			}
		})
	}
	changing.Go(func() {
		for !done.Load() {
			r.eng.BeginGap(time.Hour)
			r.eng.EndGap(ctx)
		}
	})
	sending.Wait()
	done.Store(true)
	changing.Wait()
	for n := range senders {
		r.handledAll(fmt.Sprintf("e%d-%03d", n, each-1))
		ids := r.order(fmt.Sprint("c", n))
		if len(ids) != each || len(slices.Compact(slices.Clone(ids))) != each {
			t.Errorf("%d of %d events were handled: %s", len(ids), each, strings.Join(ids, " "))
		}
	}
}

// A schedule runs on time during a gap. The read that it requests waits, so that a missed veto
// stops it.
func TestScheduleRunsDuringAGapAndItsReadWaits(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	r := &rig{t: t, dir: t.TempDir(), now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
	r.changed.L = &r.mu
	r.write("p.lua", `
chert.every("15m", { name = "sweep" }, function(ev)
  chert.mark_read("c1")
  chert.mark_read("c2")
end)
chert.on("message.received", { words = "stop" }, function(ev) chert.keep_unread(ev.chat.id) end)`)
	r.start()
	r.wait("the schedule", func() bool {
		at, err := r.st.ScheduleDone(ctx, scheduleIn(r, "sweep"), r.now())
		return err == nil && !at.IsZero()
	})
	ahead.Store(int64(16 * time.Minute))
	r.eng.BeginGap(time.Hour)
	r.eng.swapped <- struct{}{} // reads the clock again
	requests := func() (n int) {
		for _, o := range r.seen {
			if h := o.Handled; h != nil && h.Entry.Forward != nil {
				n++
			}
		}
		return n
	}
	r.wait("the run and its requests", func() bool { return requests() == 2 })
	r.message("c1", "missed", "stop")
	r.handledAll("missed")
	if n := r.called("c1") + r.called("c2"); n > 0 {
		t.Errorf("%d calls during the gap", n)
	}
	r.eng.EndGap(ctx)
	r.wait("the call that is not vetoed", func() bool { return r.called("c2") == 1 })
	if r.called("c1") > 0 {
		t.Error("the read went out although a missed message vetoes it")
	}
}

// scheduleIn returns the id of a schedule of the pack p.
func scheduleIn(r *rig, name string) (id rules.ScheduleID) {
	for _, rule := range r.eng.Rules().Schedules() {
		if rule.Name == name {
			id = scheduleOf(rule)
		}
	}
	return id
}

// The end of a gap waits for what its events cause in other chats, whatever shard has these.
func TestGapEndsWithWhatItsEventsCause(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", `
chert.on("message.received", { words = "far" }, function(ev)
  chert.keep_unread("x" .. ev.chat.id)
end)`)
	const chats = 64
	for round := range 10 {
		r.eng.BeginGap(time.Hour)
		for i := range chats {
			r.deliver(fmt.Sprint("c", i), fmt.Sprintf("e%d.%d", round, i), "far")
		}
		r.eng.EndGap(ctx)
		n := 0
		done := r.lock()
		for _, o := range r.seen {
			if h := o.Handled; h != nil && h.Entry.Forward != nil {
				n++
			}
		}
		done()
		if n != (round+1)*chats {
			t.Fatalf("round %d: %d requests are handled at the end of the gap, want %d", round, n, (round+1)*chats)
		}
	}
}
