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

// TestParkedCallsReturn lets chats of two groups take long, sets calls of
// theirs aside, and lets them answer in any order: as many are asked as there are
// places, each answer returns one call to the queue, and the last one all.
func TestParkedCallsReturn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var b busyGroups
		q := NewQueue(&lineShelf{calls: map[string]Pick{}}, 0)
		drained(rt, q, epoch) // it knows the store now
		limit := rapid.IntRange(1, 3).Draw(rt, "places")
		waiting := map[int]int{}
		aside := map[int][]Pick{}
		inQueue := map[string]bool{}
		n := 0
		leave := func(group int) {
			b.leave(group, q)
			waiting[group]--
			back := aside[group][:min(1, len(aside[group]))]
			if waiting[group] == 0 {
				back = aside[group]
			}
			aside[group] = aside[group][len(back):]
			for _, p := range back {
				inQueue[p.Chat] = true
			}
		}
		check := func() {
			if total := len(aside[0]) + len(aside[1]); b.parked != total {
				rt.Fatalf("%d calls count as parked, want %d", b.parked, total)
			}
			if q.Len() != len(inQueue) {
				rt.Fatalf("%d calls in the queue, want %d", q.Len(), len(inQueue))
			}
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			group := rapid.IntRange(0, 1).Draw(rt, "group")
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				b.enter(group)
				waiting[group]++
			case 1:
				if waiting[group] > 0 {
					leave(group)
				}
			case 2, 3:
				n++
				p := Pick{Chat: fmt.Sprintf("c%03d", n), Due: epoch}
				q.Set(p)
				want := askNow
				switch {
				case waiting[group] >= limit:
					want = askLater
				case waiting[group] > 0:
					want = askWithoutPlace
				}
				if got := b.admit(group, limit); got != want {
					rt.Fatalf("with %d of %d waiting a chat is asked: %d, want %d", waiting[group], limit, got, want)
				}
				switch want {
				case askNow:
					q.Take(p)
				case askWithoutPlace:
					q.Take(p)
					waiting[group]++
				case askLater:
					if !b.park(group, p, q) {
						rt.Fatalf("%d calls are parked, and one more is not", b.parked)
					}
					aside[group] = append(aside[group], p)
				}
			}
			check()
		}
		for group := range 2 {
			for waiting[group] > 0 {
				leave(group)
				check()
			}
		}
		for _, c := range drained(rt, q, epoch) {
			delete(inQueue, c)
		}
		if len(inQueue) > 0 || b.parked > 0 || len(b.groups) > 0 {
			rt.Fatalf("all have answered, yet %v are missing, %d are parked, and %d groups are busy", inQueue, b.parked, len(b.groups))
		}
	})
}

// Parked calls are bounded, and each that returns to the queue makes room for another.
func TestParkedCallsAreBounded(t *testing.T) {
	t.Parallel()
	var b busyGroups
	q := NewQueue(&lineShelf{calls: map[string]Pick{}}, 2*defaultCapacity)
	drained(t, q, epoch)
	b.enter(0)
	for i := range defaultCapacity + 1 {
		p := Pick{Chat: fmt.Sprint(i), Due: epoch}
		q.Set(p)
		if got, want := b.park(0, p, q), i < defaultCapacity; got != want {
			t.Fatalf("call %d is parked: %t", i, got)
		}
	}
	if q.Len() != 1 {
		t.Errorf("%d calls in the queue, want the one that was not parked", q.Len())
	}
	b.leave(0, q)
	if q.Len() != defaultCapacity+1 {
		t.Errorf("%d calls in the queue after the group has answered, want all", q.Len())
	}
	b.enter(0)
	if p := (Pick{Chat: "0", Due: epoch}); !b.park(0, p, q) || q.Len() != defaultCapacity {
		t.Error("after all have returned none can be parked")
	}
	// No call of a group that has just answered is parked.
	b.leave(0, q)
	if p := (Pick{Chat: "0", Due: epoch}); !b.park(0, p, q) || q.Len() != defaultCapacity+1 {
		t.Error("a call of a group that has answered was parked")
	}
}
