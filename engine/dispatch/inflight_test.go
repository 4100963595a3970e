package dispatch

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drained takes all calls of a queue and returns their chats, in order.
func drained(t interface{ Fatal(...any) }, q *Queue, now time.Time) (chats []string) {
	for {
		p, _, ok, err := q.Next(context.Background(), now, func(string) bool { return true }, func(string) int { return 0 })
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return chats
		}
		q.Take(p)
		chats = append(chats, p.Chat)
	}
}

// Calls of several groups come and end in any order. There are never more in flight than
// the limit, a group takes no more than are free, no call is lost, and while calls are
// parked a group without calls always has room.
func TestCallsInFlightAreBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 9).Draw(rt, "limit")
		groups := rapid.IntRange(1, 4).Draw(rt, "groups")
		f := newInFlight(limit, 1)
		q := NewQueue(&lineShelf{calls: map[string]Pick{}}, 0)
		drained(rt, q, epoch) // it knows the store now
		calls := make([]int, groups)
		total, n, gone := 0, 0, 0
		// pick does what the dispatcher does with all that is due.
		pick := func() {
			for {
				p, _, ok, err := q.Next(context.Background(), epoch, func(string) bool { return true }, func(string) int { return 0 })
				if err != nil {
					rt.Fatal(err)
				}
				if !ok {
					return
				}
				group := int(p.Chat[0] - '0')
				room := f.room(group)
				if want := calls[group] < limit-total; room != want {
					rt.Fatalf("group %d with %v of %d has room: %t", group, calls, limit, room)
				}
				if !room {
					if !f.park(group, p, q) {
						rt.Fatalf("%d calls are parked, and one more is not", f.parked)
					}
					continue
				}
				q.Take(p)
				f.enter(group)
				calls[group]++
				total++
			}
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			group := rapid.IntRange(0, groups-1).Draw(rt, "group")
			if rapid.Bool().Draw(rt, "comes") {
				n++
				q.Set(Pick{Chat: fmt.Sprintf("%d/%03d", group, n), Due: epoch})
			} else if calls[group] > 0 {
				calls[group]--
				total--
				gone++
				f.leave(group, q)
			}
			pick()
			if f.count() != total || total > limit {
				rt.Fatalf("%d calls are in flight, want %d, %d at most", f.count(), total, limit)
			}
			if total+gone+f.parked != n {
				rt.Fatalf("of %d calls %d are in flight, %d have ended and %d are parked", n, total, gone, f.parked)
			}
			if f.parked > 0 && total == 0 {
				rt.Fatalf("%d calls are parked, and none is in flight", f.parked)
			}
		}
		for gone < n {
			for group := range calls {
				for calls[group] > 0 {
					calls[group]--
					total--
					gone++
					f.leave(group, q)
					pick()
				}
			}
			if total == 0 && gone < n {
				rt.Fatalf("%d of %d calls were never made", n-gone, n)
			}
		}
		if f.parked > 0 || len(f.groups) > 0 {
			rt.Fatalf("all have ended, yet %d are parked, and %d groups are known", f.parked, len(f.groups))
		}
	})
}

// Parked calls are bounded, and those that return to the queue make room for others.
func TestParkedCallsAreBounded(t *testing.T) {
	t.Parallel()
	f := newInFlight(1, 1)
	q := NewQueue(&lineShelf{calls: map[string]Pick{}}, 2*defaultCapacity)
	drained(t, q, epoch)
	f.enter(0)
	for i := range defaultCapacity + 1 {
		p := Pick{Chat: fmt.Sprint(i), Due: epoch}
		q.Set(p)
		if got, want := f.park(0, p, q), i < defaultCapacity; got != want {
			t.Fatalf("call %d is parked: %t", i, got)
		}
	}
	if q.Len() != 1 {
		t.Errorf("%d calls in the queue, want the one that was not parked", q.Len())
	}
	f.leave(0, q)
	if q.Len() != 2 {
		t.Errorf("%d calls in the queue after a call has ended, want another one", q.Len())
	}
	// No call of a group that has room by now is parked.
	if p := (Pick{Chat: "0", Due: epoch}); !f.park(0, p, q) || q.Len() != 2 {
		t.Error("a call of a group that has room was parked")
	}
	f.enter(0)
	if p := (Pick{Chat: "0", Due: epoch}); !f.park(0, p, q) || q.Len() != 1 {
		t.Error("after one has returned none can be parked")
	}
}
