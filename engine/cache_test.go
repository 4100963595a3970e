package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chertd/rules/chat"
)

// The cache has what was put last, of each kind the chats that were used last, up to its
// limit, and beyond it only those that are pinned or have a call in flight.
func TestCacheKeepsWhatWasUsedLast(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	c := newChatCache(3, 6)
	var used []*chat.Chat // as put last, the latest first
	find := func(id string) int {
		return slices.IndexFunc(used, func(x *chat.Chat) bool { return x.ID == id })
	}
	idle := func(x *chat.Chat) bool { return x.Flight == nil && len(x.Waiting) == 0 }
	exempt := func(x *chat.Chat) bool { return x.Flight != nil || c.pinned[x.ID] }
	for range 5000 {
		id := fmt.Sprint("c", dice.IntN(16))
		at := find(id)
		switch dice.IntN(6) {
		case 0:
			if dice.IntN(2) == 0 {
				clear(c.pinned)
			} else {
				c.pinned[id] = true
			}
		case 1, 2:
			got := c.get(id)
			if got != nil && (at < 0 || got != used[at]) {
				t.Fatalf("%s is %p, and %v was put", id, got, used)
			}
			if got != nil {
				used = append([]*chat.Chat{got}, slices.Delete(used, at, at+1)...)
			}
		default:
			x := &chat.Chat{ID: id}
			switch dice.IntN(4) {
			case 0:
				x.Flight = &chat.Flight{}
			case 1:
				x.Waiting = []chat.Action{{Kind: chat.Read, Due: time.Unix(1, 0)}}
			}
			if at >= 0 {
				used = slices.Delete(used, at, at+1)
			}
			used = append([]*chat.Chat{x}, used...)
			c.put(id, x, time.Unix(1, 0))
			kept := false
			for _, y := range slices.Backward(used) { // the one that was used longest ago goes first
				switch {
				case idle(y) != idle(x) || exempt(y):
				case c.peek(y.ID) == y:
					kept = true
				case kept:
					t.Fatalf("%s was dropped before one that was used longer ago", y.ID)
				}
			}
			// All was due from the first batch on, or is in flight.
			due := 0
			for _, x := range c.byID {
				if !idle(x.chat) {
					due++
				}
			}
			if got := c.calls.recent(); got != due {
				t.Fatalf("%d calls count as due, want %d", got, due)
			}
			// What the cache has dropped is not known any more.
			used = slices.DeleteFunc(used, func(x *chat.Chat) bool { return c.peek(x.ID) != x })
			for _, kind := range []struct {
				l    *recentChats
				idle bool
			}{{&c.idle, true}, {&c.busy, false}} {
				n, spared := 0, 0
				for _, x := range used {
					if idle(x) == kind.idle {
						n++
						if exempt(x) {
							spared++
						}
					}
				}
				if n != kind.l.n || idle(x) == kind.idle && n > max(kind.l.limit, spared+1) {
					t.Fatalf("the cache counts %d of a kind and has %d, %d of them exempt; the limit is %d", kind.l.n, n, spared, kind.l.limit)
				}
			}
			if c.peek(id) != x {
				t.Fatalf("%s was put and is not there", id)
			}
		}
		if len(c.byID) != len(used) {
			t.Fatalf("the cache has %d chats, want %d", len(c.byID), len(used))
		}
	}
}
