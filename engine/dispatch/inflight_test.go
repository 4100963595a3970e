package dispatch

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func anyGroup(int) bool { return true }

// drained takes all calls of a queue and returns their chats, in order.
func drained(t interface{ Fatal(...any) }, q *Queue, now time.Time) (chats []string) {
	for {
		p, _, ok, err := q.Next(context.Background(), now, func(string) bool { return true }, func(string) int { return 0 }, anyGroup)
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
// the limit, a group takes no more than are free, no call is lost, calls of a group go out
// in their order, and a group that was refused is looked at again when it may have room.
func TestCallsInFlightAreBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 9).Draw(rt, "limit")
		groups := rapid.IntRange(1, 4).Draw(rt, "groups")
		freed := false
		f := newInFlight(limit, 1, func() { freed = true })
		q := NewQueue(&lineShelf{calls: map[string]Pick{}}, func(chat string) int { return int(chat[0] - '0') }, 0)
		drained(rt, q, epoch) // it knows the store now
		calls, waiting := make([]int, groups), make([][]string, groups)
		total, n, gone := 0, 0, 0
		// pick does what the dispatcher does with all that is due.
		pick := func() {
			for {
				p, _, ok, err := q.Next(context.Background(), epoch, func(string) bool { return true }, func(string) int { return 0 }, f.room)
				if err != nil {
					rt.Fatal(err)
				}
				if !ok {
					break
				}
				group := int(p.Chat[0] - '0')
				if calls[group] >= limit-total || p.Chat != waiting[group][0] {
					rt.Fatalf("%s goes out with %v of %d in flight and %v waiting", p.Chat, calls, limit, waiting)
				}
				q.Take(p)
				f.enter(group)
				waiting[group] = waiting[group][1:]
				calls[group]++
				total++
			}
			for group, w := range waiting {
				if len(w) > 0 && calls[group] < limit-total {
					rt.Fatalf("group %d with %v of %d in flight has room, and %v waiting", group, calls, limit, w)
				}
			}
		}
		end := func(group int) {
			calls[group]--
			total--
			gone++
			freed = false
			f.leave(group)
			if !freed && slices.ContainsFunc(waiting, func(w []string) bool { return len(w) > 0 }) {
				rt.Fatalf("a call has ended, %v wait, and nobody looks", waiting)
			}
			pick()
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			group := rapid.IntRange(0, groups-1).Draw(rt, "group")
			if rapid.Bool().Draw(rt, "comes") {
				n++
				chat := fmt.Sprintf("%d/%03d", group, n)
				waiting[group] = append(waiting[group], chat)
				q.Set(Pick{Chat: chat, Due: epoch})
				pick()
			} else if calls[group] > 0 {
				end(group)
			}
			if f.count() != total || total > limit {
				rt.Fatalf("%d calls are in flight, want %d, %d at most", f.count(), total, limit)
			}
			if total+gone+q.Len() != n {
				rt.Fatalf("of %d calls %d are in flight, %d have ended and %d are in the queue", n, total, gone, q.Len())
			}
		}
		for gone < n {
			for group := range calls {
				for calls[group] > 0 {
					end(group)
				}
			}
			if total == 0 && gone < n {
				rt.Fatalf("%d of %d calls were never made", n-gone, n)
			}
		}
		if len(f.groups) > 0 {
			rt.Fatalf("all have ended, yet %d groups are known", len(f.groups))
		}
	})
}

// A group whose chats are asked has no room until one of them has its place.
func TestGroupThatIsAskedHasNoRoom(t *testing.T) {
	t.Parallel()
	freed := 0
	f := newInFlight(10, 1, func() { freed++ })
	f.enter(0)
	f.ask(0)
	if f.room(0) || !f.room(1) {
		t.Error("a chat of group 0 is asked: it must have no room, and group 1 must")
	}
	f.asked(0)
	if freed != 1 || !f.room(0) {
		t.Errorf("the chat has its place: group 0 has no room, or was not looked at again (%d times)", freed)
	}
	f.leave(0)
	if freed != 1 {
		t.Errorf("no group was refused, and freed was called %d times", freed-1)
	}
}
