package dispatch

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chertd/rules/chat"
)

// lateDesk has one place, which chat b takes for five seconds, and a chat late that was
// asked before, has handed out its call after a second and waits for the place.
func lateDesk(t *testing.T) (*desk, *Dispatcher, func()) {
	d := newDesk(t)
	d.took = 5 * time.Second
	d.stuck = func(id string) time.Duration {
		if id == "late" {
			return time.Second
		}
		return 0
	}
	d.queue = NewQueue(d, func(id string) int { return len(id) }, 0)
	dispatcher, stop := d.run(Config{Concurrency: 1})
	d.ask("late", 1, 0)
	synctest.Wait()
	d.ask("b", 2, 0)
	time.Sleep(2 * time.Second)
	d.wantCalls("b@0s")
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.chats["late"].Flight == nil {
		t.Fatal("the chat has not handed out its call")
	}
	return d, dispatcher, stop
}

func (d *desk) wantNoFlight(id string) {
	d.t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.chats[id].Flight != nil {
		d.t.Errorf("a call of chat %s is in flight", id)
	}
}

// A veto stops a call that waits for a place on the wire.
func TestVetoStopsACallThatWaitsForAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, dispatcher, stop := lateDesk(t)
		defer stop()
		d.mu.Lock()
		d.step("late", chat.Outcomes{Seq: 3, New: true, Message: true, IDs: []string{"3"}, Requests: []chat.Request{{Kind: chat.RequestKeepUnread, Pack: "v", Rule: "v"}}})
		d.mu.Unlock()
		time.Sleep(time.Minute)
		d.wantCalls("b@0s")
		d.wantNoFlight("late")
		if n := dispatcher.InFlight(); n != 0 {
			t.Errorf("%d calls count as in flight in the end", n)
		}
	})
}

// A pause and a stop turn back a call that waits for a place.
func TestPauseTurnsBackACallThatWaitsForAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, dispatcher, stop := lateDesk(t)
		defer stop()
		dispatcher.Pause(true)
		d.wantNoFlight("late")
		time.Sleep(time.Minute)
		d.wantCalls("b@0s")
		dispatcher.Pause(false)
		time.Sleep(time.Minute)
		d.wantCalls("b@0s", "late@1m3s")
	})
	synctest.Test(t, func(t *testing.T) {
		d, dispatcher, stop := lateDesk(t)
		stop()
		d.wantNoFlight("late")
		d.wantCalls("b@0s")
		if n := dispatcher.InFlight(); n != 0 {
			t.Errorf("%d calls count as in flight after the stop", n)
		}
	})
}

// Calls whose answers are not durable count as in flight, and their number is bounded. One
// group has half of it, so that its shard does not delay others.
func TestAnswersThatAreNotDurableBoundTheCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const places, group = 2, (2 + MaxUndurable) / 2
		d := newDesk(t)
		d.undurable = true
		d.queue = NewQueue(d, func(id string) int { return int(id[0]) }, 0)
		dispatcher, stop := d.run(Config{Concurrency: places})
		defer stop()
		want := func(calls, inFlight int) {
			t.Helper()
			synctest.Wait()
			d.mu.Lock()
			defer d.mu.Unlock()
			if n := dispatcher.InFlight(); len(d.calls) != calls || n != inFlight {
				t.Errorf("%d calls, %d in flight; want %d, %d", len(d.calls), n, calls, inFlight)
			}
		}
		for i := range group + 10 {
			d.ask(fmt.Sprint("a", i), int64(i+1), 0)
		}
		want(group, group)
		for i := range 10 {
			d.ask(fmt.Sprint("b", i), int64(i+1), 0)
		}
		want(group+10, group+10)
		release := func(n int) {
			d.mu.Lock()
			held := d.held[:n]
			d.held = d.held[n:]
			d.mu.Unlock()
			for _, durable := range held {
				durable()
			}
		}
		release(20)
		want(group+20, group)
		d.mu.Lock()
		d.undurable = false
		d.mu.Unlock()
		release(group)
		want(group+20, 0)
	})
}

// A group whose shard is stuck has a few chats asked, not all that are due: calls that come
// later, and are fresher, would wait behind them.
func TestFewChatsOfAGroupAreAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const places = 2
		d := newDesk(t)
		var asked, most atomic.Int64
		d.stuck = func(string) time.Duration {
			most.Store(max(most.Load(), asked.Add(1)))
			time.Sleep(time.Second)
			asked.Add(-1)
			return 0
		}
		_, stop := d.run(Config{Concurrency: places})
		defer stop()
		for i := range 100 {
			d.ask(fmt.Sprint("c", i), int64(i+1), 0)
		}
		time.Sleep(2 * time.Minute)
		d.mu.Lock()
		defer d.mu.Unlock()
		// Those that have a place while they begin to be asked come on top.
		if n := most.Load(); n < places || n > places*(asksPerPlace+1) || len(d.calls) != 100 {
			t.Errorf("%d chats were asked together, and %d of 100 calls made", n, len(d.calls))
		}
	})
}
