package dispatch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/chert"
	"chertd/rules/chat"
)

// filter answers chats whose id begins with "bad" by its own page, and lets the
// calls of others through.
type filter struct {
	*desk
	status int
}

func (f filter) Call(ctx context.Context, call chat.Call) (Reply, error) {
	trace, err := f.desk.Call(ctx, call)
	if strings.HasPrefix(call.Chat, "bad") {
		return Reply{}, &chert.Error{Status: f.status, Message: "blocked", Foreign: true, Retryable: true}
	}
	return trace, err
}

// Chats that something on the way keeps from Chert hold up no other: once calls
// have stopped for them, a chat that Chert answers is called by the second probe
// at the latest, and from then on immediately, however long the others fail.
func TestChatsBehindAFilterDelayNoOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		bad := rapid.IntRange(foreignChats, 40).Draw(rt, "bad chats")
		since := rapid.Int64Range(0, int64(10*time.Minute)).Draw(rt, "stopped for")
		seed := rapid.Uint64().Draw(rt, "seed")
		var problem string
		synctest.Test(t, func(t *testing.T) { problem = runFilter(t, bad, time.Duration(since), rand.New(rand.NewPCG(seed, 1))) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func runFilter(t *testing.T, bad int, since time.Duration, dice *rand.Rand) string {
	d := newDesk(t)
	d.took = time.Duration(dice.Int64N(int64(time.Second)))
	gov := NewGovernor(50, 10)
	_, stop := d.run(Config{Concurrency: 1 + dice.IntN(8), Governor: gov, Caller: filter{d, 403}, Timeout: 10 * time.Second})
	defer stop()
	for i := range bad {
		d.ask(fmt.Sprintf("bad%d", i), int64(i+1), 0)
		time.Sleep(time.Duration(dice.Int64N(int64(2 * time.Second))))
	}
	time.Sleep(5*time.Second + since)
	synctest.Wait()
	if gov.Stopped() == nil {
		return "calls have not stopped: several chats were answered by a page, none by Chert"
	}
	count := func() int {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.calls)
	}
	waitFor := func(id string, most time.Duration) bool {
		for range most / (100 * time.Millisecond) {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			d.mu.Lock()
			read := d.settled[id] == "done: read"
			d.mu.Unlock()
			if read {
				return true
			}
		}
		return false
	}
	untried := func() bool {
		gov.mu.Lock()
		defer gov.mu.Unlock()
		for i := range bad {
			if !gov.strays.known(fmt.Sprint("bad", i)) {
				return true
			}
		}
		return false
	}
	before := count()
	made := func() []string {
		d.mu.Lock()
		defer d.mu.Unlock()
		return slices.Clone(d.calls[before:])
	}
	d.ask("good0", 1000, 0)
	if !waitFor("good0", 2*(probeMax+2*time.Second)) {
		return fmt.Sprintf("good0 is not read after two probes' time; calls since: %v", made())
	}
	// A probe may have been on the wire, and is none of the two.
	for i, call := range made() {
		if strings.HasPrefix(call, "good0@") && i > 2 {
			return fmt.Sprintf("good0 is called after %d probes: %v", i, made())
		}
	}
	for i := range 20 {
		time.Sleep(time.Duration(dice.Int64N(int64(time.Minute))))
		id := fmt.Sprint("good", i+1)
		d.ask(id, int64(2000+i), 0)
		// Calls stop again for chats that are answered by a page for the first time.
		most := 5 * time.Second
		if untried() || gov.Stopped() != nil {
			most = 2 * (probeMax + 2*time.Second)
		}
		if !waitFor(id, most) {
			return fmt.Sprintf("%s is not read within %v; stopped: %+v", id, most, gov.Stopped())
		}
	}
	if n, _ := gov.Strays(time.Now()); n == 0 {
		return "no chat counts as kept from Chert"
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range bad {
		if d.settled[fmt.Sprintf("bad%d", i)] != "" {
			return fmt.Sprintf("bad%d was settled as %s", i, d.settled[fmt.Sprintf("bad%d", i)])
		}
	}
	return ""
}

// Chats that received foreign answers while Chert answered others do not count for a
// stop; three others do, and their first answer of Chert's ends it.
func TestCulpritsDoNotCountForAStop(t *testing.T) {
	t.Parallel()
	page := &chert.Error{Status: 403, Foreign: true, Retryable: true}
	for _, tc := range []struct {
		name  string
		after []string // chats that receive the page, after a and b did and x was answered; "+c": c is answered
		stops bool
	}{
		{"the same again", []string{"a", "b", "a", "b", "a"}, false},
		{"one more", []string{"a", "b", "c", "c"}, false},
		{"two more", []string{"c", "d", "a", "b"}, false},
		{"three more", []string{"a", "c", "d", "e"}, true},
		{"those that were answered since", []string{"+a", "+b", "a", "b", "c"}, true},
		{"three more, and an answer", []string{"c", "d", "e", "+f"}, false},
	} {
		g := NewGovernor(0, 0)
		g.Answered(epoch, Permit{}, "a", page)
		g.Answered(epoch, Permit{}, "b", page)
		g.Answered(epoch, Permit{}, "x", nil)
		for _, c := range tc.after {
			if id, ok := strings.CutPrefix(c, "+"); ok {
				g.Answered(epoch, Permit{}, id, nil)
			} else {
				g.Answered(epoch, Permit{}, c, page)
			}
		}
		if s := g.Stopped(); (s != nil) != tc.stops || s != nil && !s.Answered.Equal(epoch) {
			t.Errorf("%s: stopped is %+v, want %t", tc.name, s, tc.stops)
		}
	}
	// They are forgotten once they have not failed for long.
	g := NewGovernor(0, 0)
	g.Answered(epoch, Permit{}, "a", page)
	g.Answered(epoch, Permit{}, "x", nil)
	if n, _ := g.Strays(epoch); n != 0 {
		t.Error("a chat that failed once, before the last answer, is said to fail")
	}
	g.Answered(epoch, Permit{}, "a", page)
	if n, one := g.Strays(epoch); n != 1 || one != "a" {
		t.Errorf("%d chats are kept from Chert, such as %q", n, one)
	}
	if n, _ := g.Strays(epoch.Add(culpritFor)); n != 0 {
		t.Error("a chat is kept from Chert long after its last call")
	}
}
