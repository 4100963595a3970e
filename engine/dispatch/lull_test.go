package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chertd/engine/store"
)

// Calls that came due in the lull of a stop go after fresh ones and before old ones, the newest
// first, and leave the old ones their share.
func TestCallsOfALullPassOldOnes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	q := NewQueue(d, nil, 0)
	now := epoch.Add(time.Hour)
	stop := lull{from: now.Add(-20 * time.Second), to: now.Add(-time.Second)}
	q.lull = func(string) lull { return stop }
	next := func() (Pick, bool) {
		p, _, ok, err := q.Next(t.Context(), now, func(string) bool { return true }, func(string) int { return 0 }, anyGroup)
		if err != nil {
			t.Fatal(err)
		}
		return p, ok
	}
	next() // the store has nothing
	set := func(chat string, ago time.Duration, retry bool) {
		q.Set(Pick{Chat: chat, Line: "A", Due: now.Add(-ago), Retry: retry})
	}
	for i := range 3 {
		set(fmt.Sprint("old", i), time.Hour-time.Duration(i)*time.Second, false)
	}
	set("before the probe", 21*time.Second, false)
	for i := range 7 {
		set(fmt.Sprint("lull", i), time.Duration(15-i)*time.Second, false)
	}
	set("a retry", 10*time.Second, true)
	set("a new time", 9*time.Second, false)
	set("removed", 8*time.Second, false)
	set("fresh", time.Second/2, false)
	var order []string
	for i := 0; ; i++ {
		if i == 1 { // they are known to be of the lull by now
			q.Set(Pick{Chat: "a new time", Line: "A", Due: now.Add(time.Minute)})
			q.Set(Pick{Chat: "removed", Line: "A"})
		}
		p, ok := next()
		if !ok {
			break
		}
		if old := p.Chat[:3] == "old" || p.Chat == "before the probe" || p.Chat == "a retry"; p.Retry != old {
			t.Errorf("%s: retry %t", p.Chat, p.Retry)
		}
		order = append(order, p.Chat)
		q.Take(p)
	}
	want := []string{"fresh", "lull6", "lull5", "lull4", "lull3", "lull2", "lull1", "old0", "lull0", "old1", "old2", "before the probe", "a retry"}
	if !slices.Equal(order, want) {
		t.Errorf("order %q\\n want %q", order, want)
	}
}

// Of two stops, that of all calls and that of a line, the one that ended last counts.
func TestTheLastLullCounts(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	none, early, late := lull{}, lull{at(1), at(20)}, lull{at(3), at(30)}
	open, opener := lull{from: at(2)}, lull{from: at(4)}
	for _, test := range []struct{ a, b, want lull }{
		{none, none, none}, {none, early, early}, {early, late, late}, {early, open, open}, {open, opener, opener}, {none, open, open},
	} {
		for _, got := range []lull{later(test.a, test.b), later(test.b, test.a)} {
			if got != test.want {
				t.Errorf("of %v and %v it is %v, want %v", test.a, test.b, got, test.want)
			}
		}
	}
}

// What is remembered of a lull is bounded: the oldest is forgotten, and goes as an old call.
func TestRecentCallsAreBounded(t *testing.T) {
	t.Parallel()
	var r recents
	group := func(string) int { return 0 }
	for i := range 10 {
		r.add(dueAfter(i), 4)
		r.add(dueAfter(i), 4)
	}
	if len(r.list) != 4 || len(r.at) != 4 || r.has("c5") || !r.has("c6") {
		t.Errorf("kept %v, %v", r.list, r.at)
	}
	r.remove("c9")
	if last, ok := r.newest(anyGroup, group); !ok || last.Chat != "c8" {
		t.Errorf("the newest is %v", last)
	}
	r.prune(dueAfter(8).At)
	if len(r.list) != 1 || len(r.at) != 1 {
		t.Errorf("after pruning: %v, %v", r.list, r.at)
	}
	if _, ok := r.newest(func(int) bool { return false }, group); ok {
		t.Error("a group without room has a call")
	}
}

func dueAfter(i int) store.Due {
	return store.Due{Chat: fmt.Sprint("c", i), At: epoch.Add(time.Duration(i) * time.Second)}
}
