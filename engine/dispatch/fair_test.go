package dispatch

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chert"
)

var fairRuns = flag.Int("fair", 10, "how many random runs TestEveryDueReadIsCalled makes")

const healthy = 100 * time.Millisecond

// trouble is how a line that is not well answers.
var trouble = map[string]func() (time.Duration, *chert.Error){
	"is slow": func() (time.Duration, *chert.Error) { return 5 * time.Second, nil },
	"hangs":   func() (time.Duration, *chert.Error) { return time.Hour, nil },
	"fails": func() (time.Duration, *chert.Error) {
		return healthy, &chert.Error{Status: 502, Code: 4001, Retryable: true}
	},
	"fails slowly": func() (time.Duration, *chert.Error) {
		return 5 * time.Second, &chert.Error{Status: 504, Retryable: true}
	},
	"resets": func() (time.Duration, *chert.Error) {
		return 0, &chert.Error{Message: "connection reset", Retryable: true, Unknown: true}
	},
}

// p99 returns the wait that one in a hundred exceeds.
func p99(waits []time.Duration) time.Duration {
	waits = slices.Sorted(slices.Values(waits))
	if len(waits) == 0 {
		return -1
	}
	return waits[min(len(waits)*99/100, len(waits)-1)]
}

// TestLineInTroubleDelaysNoOther: whatever one line does, the calls of another
// go out as soon as they do when both are well.
func TestLineInTroubleDelaysNoOther(t *testing.T) {
	t.Parallel()
	// Two lines for two minutes: one has 300 chats at the start, both have new ones.
	run := func(t *testing.T, answer func() (time.Duration, *chert.Error)) *desk {
		var d *desk
		synctest.Test(t, func(t *testing.T) {
			d = newDesk(t)
			d.lines = func(line string) (time.Duration, *chert.Error) {
				if line == "A" && answer != nil {
					return answer()
				}
				return healthy, nil
			}
			_, stop := d.run(Config{Concurrency: 8, Timeout: 10 * time.Second, Governor: NewGovernor(10, 20)})
			defer stop()
			for i := range 300 {
				d.ask(fmt.Sprint("A/old", i), int64(i+1), 0)
			}
			for i := range 360 {
				time.Sleep(time.Second / 3)
				d.ask(fmt.Sprint("B/", i), int64(i+1000), 0)
				if i%3 == 0 {
					d.ask(fmt.Sprint("A/new", i), int64(i+1000), 0)
				}
			}
			time.Sleep(10 * time.Second)
		})
		return d
	}
	well := run(t, nil)
	if n := len(well.waits["B"]); n != 360 {
		t.Fatalf("%d of 360 calls of B went out with both lines well", n)
	}
	for name, answer := range trouble {
		d := run(t, answer)
		if n := len(d.waits["B"]); n != 360 {
			t.Errorf("A %s: %d of 360 calls of B went out", name, n)
		}
		was, is := p99(well.waits["B"]), p99(d.waits["B"])
		if is > was+was/10 {
			t.Errorf("A %s: B's p99 is %v, %v where both are well", name, is, was)
		}
		if d.most > 8 || d.highest["A"] > 6 {
			t.Errorf("A %s: %d calls together, of A %d", name, d.most, d.highest["A"])
		}
		t.Logf("A %s: B's p99 %v, with both well %v; calls of A %d, at most %d together", name, is, was, len(d.waits["A"]), d.highest["A"])
	}
}

// TestAloneALineMayTakeAllPlaces once its calls succeed, and leaves some before:
// another may come that it would keep waiting for a whole timeout.
func TestAloneALineMayTakeAllPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		took := time.Hour
		d.lines = func(string) (time.Duration, *chert.Error) { return took, nil }
		_, stop := d.run(Config{Concurrency: 8, Timeout: 10 * time.Second})
		for i := range 100 {
			d.ask(fmt.Sprint("A/", i), int64(i+1), 0)
		}
		time.Sleep(time.Minute)
		d.mu.Lock()
		if d.highest["A"] != 6 {
			t.Errorf("%d calls together while all hang, want 6", d.highest["A"])
		}
		took = healthy
		d.mu.Unlock()
		time.Sleep(3 * time.Hour)
		d.mu.Lock()
		took = time.Second
		d.mu.Unlock()
		for i := range 100 {
			d.ask(fmt.Sprint("A/more", i), int64(i+1000), 0)
		}
		time.Sleep(time.Minute)
		d.mu.Lock()
		if d.highest["A"] != 8 {
			t.Errorf("%d calls together, want all 8", d.highest["A"])
		}
		d.mu.Unlock()
		stop()
	})
}

// TestBacklogDelaysNoNewChat: after an outage new chats are read immediately, and
// the backlog in its order, with at least its share.
func TestBacklogDelaysNoNewChat(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{0, 64} { // all in memory, and most in the store
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			d.queue = NewQueue(d, nil, capacity)
			d.took = healthy
			for i := range 2000 {
				d.ask(fmt.Sprintf("A/old%04d", i), int64(i+1), 0)
			}
			time.Sleep(10 * time.Minute)
			_, stop := d.run(Config{Concurrency: 8, Governor: NewGovernor(10, 20)})
			defer stop()
			time.Sleep(3 * time.Second)
			d.mu.Lock()
			d.waits = map[string][]time.Duration{}
			d.mu.Unlock()
			for i := range 400 { // new ones take most of the rate
				time.Sleep(time.Second / 8)
				d.ask(fmt.Sprintf("A/new%04d", i), int64(i+5000), 0)
				if limit := 64 + 2; capacity > 0 && d.queue.Len() > limit {
					t.Errorf("%d calls in memory, want %d at most", d.queue.Len(), limit)
				}
			}
			d.mu.Lock()
			old, slow := 0, 0
			for _, w := range d.waits["A"] {
				if w >= time.Minute {
					old++
				} else if w > 2500*time.Millisecond {
					slow++
				}
			}
			if slow > 0 || len(d.waits["A"])-old < 390 {
				t.Errorf("of %d new chats %d were called within 2.5 s, %d later", 400, len(d.waits["A"])-old-slow, slow)
			}
			if old < 400/8 {
				t.Errorf("%d of the backlog were called meanwhile, want an eighth of all at least", old)
			}
			d.mu.Unlock()
			time.Sleep(5 * time.Minute)
			d.mu.Lock()
			defer d.mu.Unlock()
			if len(d.due) != 0 {
				t.Errorf("%d chats were not called", len(d.due))
			}
			var order []string
			for _, c := range d.calls {
				if c[:5] == "A/old" {
					order = append(order, c[:9])
				}
			}
			for i, id := range order {
				// Those that go out in one moment do so in any order.
				if was, _ := strconv.Atoi(strings.TrimLeft(id[5:], "0")); max(was-i, i-was) > 20 {
					t.Errorf("%s of the backlog was called as number %d", id, i)
					break
				}
			}
		})
	}
}

// TestEveryDueReadIsCalled: with any number of lines of which some are in
// trouble for a time, delayed reads, outages and little memory, every due read
// is called in the end, and there are never more calls in flight than places.
func TestEveryDueReadIsCalled(t *testing.T) {
	t.Parallel()
	for run := range *fairRuns {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(run), 7))
			d := newDesk(t)
			d.queue = NewQueue(d, func(chat string) int { return len(chat) % 3 }, []int{0, 16, 100}[r.IntN(3)])
			ills := []string{"hangs", "fails", "fails slowly", "resets"}
			ill := map[string]func() (time.Duration, *chert.Error){}
			d.lines = func(line string) (time.Duration, *chert.Error) {
				if f := ill[line]; f != nil {
					return f()
				}
				return healthy, nil
			}
			places := 1 + r.IntN(8)
			dispatcher, stop := d.run(Config{
				Concurrency: places, Timeout: 10 * time.Second, Governor: NewGovernor(20, 20),
			})
			defer stop()
			d.stuck = func(chat string) time.Duration {
				if len(chat)%3 == 1 && time.Since(d.began)%time.Minute < 5*time.Second {
					return 3 * time.Second
				}
				return 0
			}
			lines := 1 + r.IntN(5)
			for i := range 600 {
				time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
				line := fmt.Sprint("L", r.IntN(lines))
				d.ask(fmt.Sprint(line, "/", i), int64(i+1), time.Duration(r.IntN(3)*r.IntN(20))*time.Second)
				d.mu.Lock()
				switch r.IntN(60) {
				case 0:
					ill[line] = trouble[ills[r.IntN(len(ills))]]
				case 1:
					clear(ill)
				case 2:
					dispatcher.Pause(true)
				case 3, 4, 5:
					dispatcher.Pause(false)
				}
				d.mu.Unlock()
			}
			d.mu.Lock()
			clear(ill)
			d.mu.Unlock()
			dispatcher.Pause(false)
			time.Sleep(3 * time.Hour) // backoff included
			d.mu.Lock()
			defer d.mu.Unlock()
			if len(d.due) != 0 {
				t.Errorf("run %d: %d chats were never called", run, len(d.due))
			}
			for id, c := range d.chats {
				if len(c.Waiting) > 0 || c.Flight != nil {
					t.Errorf("run %d: chat %s still waits", run, id)
				}
			}
			if d.most > places {
				t.Errorf("run %d: %d calls together with %d places", run, d.most, places)
			}
		})
	}
}

// TestStuckShardDelaysItsOwnChatsOnly: chats whose shard does not answer give
// their places on the wire to others.
func TestStuckShardDelaysItsOwnChatsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.took = healthy
		isStuck := func(id string) bool { return id[:5] == "stuck" }
		d.stuck = func(id string) time.Duration {
			if isStuck(id) && time.Since(d.began) < time.Minute {
				return time.Minute - time.Since(d.began)
			}
			return 0
		}
		d.queue = NewQueue(d, func(id string) int {
			if isStuck(id) {
				return 1
			}
			return 0
		}, 0)
		_, stop := d.run(Config{Concurrency: 8})
		defer stop()
		for i := range 50 {
			d.ask(fmt.Sprint("stuck", i), int64(i+1), 0)
		}
		for i := range 100 {
			d.ask(fmt.Sprint("other", i), int64(i+100), 0)
		}
		time.Sleep(3 * time.Second)
		d.mu.Lock()
		if len(d.calls) != 100 || d.most != 8 {
			t.Errorf("%d calls, %d together, while a shard was stuck; want the 100 of the others, 8 together", len(d.calls), d.most)
		}
		d.mu.Unlock()
		time.Sleep(time.Minute)
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.calls) != 150 || len(d.due) != 0 {
			t.Errorf("%d calls after the shard continued, want 150", len(d.calls))
		}
		if d.most > 8 {
			t.Errorf("%d calls together", d.most)
		}
	})
}

// What comes while a shard is stuck, and has more chats due than may be asked, goes
// out immediately if it is of another shard.
func TestStuckShardDelaysNothingThatComesLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.stuck = func(id string) time.Duration {
			if id[0] == 's' {
				return time.Minute
			}
			return 0
		}
		d.queue = NewQueue(d, func(id string) int { return int(id[0]) }, 0)
		_, stop := d.run(Config{Concurrency: 2})
		defer stop()
		for i := range 10 {
			d.ask(fmt.Sprint("stuck", i), int64(i+1), 0)
		}
		time.Sleep(time.Second)
		d.ask("other", 100, 0)
		time.Sleep(time.Second)
		d.ask("another", 101, 0)
		time.Sleep(time.Second)
		d.wantCalls("other@1s", "another@2s")
	})
}

// While answers become durable slowly, calls come faster than they go out, and more wait
// than fit into memory. Each goes out nevertheless, as fast as answers become durable.
func TestCallsBeyondMemoryGoOutAsAnswersBecomeDurable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const chats, commit = 4000, 50 * time.Millisecond
		d := newDesk(t)
		d.undurable = true
		d.took = time.Millisecond
		d.queue = NewQueue(d, func(id string) int { return int(id[len(id)-1]) % 4 }, 300)
		dispatcher, stop := d.run(Config{Concurrency: 8})
		ticks := 0
		tick := func() {
			time.Sleep(commit)
			ticks++
			d.mu.Lock()
			held := d.held
			d.held = nil
			d.mu.Unlock()
			for _, durable := range held {
				durable()
			}
		}
		for i := range chats {
			if i%400 == 399 {
				tick()
			}
			d.ask(fmt.Sprint("c", i), int64(i+1), 0)
		}
		// All groups together may have four fifths of the limit in flight.
		for perTick := (8 + MaxUndurable) * 3 / 4; ticks < chats/perTick; {
			tick()
		}
		tick()
		d.mu.Lock()
		if len(d.calls) != chats {
			t.Errorf("%d of %d calls went out in %d commits", len(d.calls), chats, ticks)
		}
		d.mu.Unlock()
		tick()
		stop()
		if n := dispatcher.InFlight(); n != 0 {
			t.Errorf("%d calls are in flight in the end", n)
		}
	})
}
