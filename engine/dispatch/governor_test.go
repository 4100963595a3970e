package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
)

var epoch = time.Unix(1_700_000_000, 0)

func TestGovernorHoldsTheCeiling(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		limit float64
		burst int
	}{{10, 20}, {1, 1}, {0.5, 3}, {1000, 50}} {
		g := NewGovernor(tc.limit, tc.burst)
		now, calls := epoch, 0
		const span = 60 * time.Second
		for now.Before(epoch.Add(span)) {
			_, wait := g.Admit(now)
			if wait == 0 {
				calls++
				continue
			}
			now = now.Add(wait)
		}
		most := int(tc.limit*span.Seconds()) + tc.burst
		if calls > most || calls < most-1 {
			t.Errorf("limit %v burst %d: %d calls in a minute, want %d", tc.limit, tc.burst, calls, most)
		}
	}
}

func TestGovernorTakesPermitsBack(t *testing.T) {
	t.Parallel()
	g := NewGovernor(1, 1)
	permit, wait := g.Admit(epoch)
	if wait != 0 {
		t.Fatal("the first call must go immediately")
	}
	g.Return(permit)
	if wait := admit(g, epoch); wait != 0 {
		t.Errorf("the permit was given back, but the next call waits %v", wait)
	}
	if wait := admit(g, epoch); wait != time.Second {
		t.Errorf("the bucket is empty: wait is %v, want 1s", wait)
	}
}

func TestGovernorWaitsForRetryAfterExactly(t *testing.T) {
	t.Parallel()
	g := NewGovernor(100, 100)
	g.Answered(epoch, Permit{}, "c1", &chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: 7 * time.Second})
	g.Answered(epoch, Permit{}, "c1", &chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: 2 * time.Second})
	if wait := admit(g, epoch); wait != 7*time.Second {
		t.Errorf("wait is %v, want the longer retry_after of 7s", wait)
	}
	if wait := admit(g, epoch.Add(7*time.Second)); wait != 0 {
		t.Errorf("after retry_after the next call still waits %v", wait)
	}
	// All lines saturated for one recipient concerns its chat, not the rest.
	g.Answered(epoch.Add(8*time.Second), Permit{}, "c1", &chert.Error{Status: 503, Code: 4002, Retryable: true, RetryAfter: time.Minute})
	if wait := admit(g, epoch.Add(8*time.Second)); wait != 0 {
		t.Errorf("4002 stopped every chat for %v", wait)
	}
}

func TestGovernorProbesAStoppedAccount(t *testing.T) {
	t.Parallel()
	wrong := &chert.Error{Status: 401, Code: 2004, Message: "bad signature"}
	g := NewGovernor(0, 0)
	early, _ := g.Admit(epoch)
	first, _ := g.Admit(epoch)
	g.Answered(epoch, first, "c1", wrong)
	if s := g.Stopped(); s == nil || s.Code != 2004 || s.Foreign || !s.Since.Equal(epoch) {
		t.Fatalf("stopped is %+v, want code 2004 since now", s)
	}
	if wait := admit(g, epoch); wait != time.Second {
		t.Fatalf("first probe after %v, want 1s", wait)
	}
	now := epoch.Add(time.Second)
	probe, wait := g.Admit(now)
	if wait != 0 {
		t.Fatalf("the probe waits %v", wait)
	}
	if _, wait := g.Admit(now); wait == 0 {
		t.Fatal("two probes at a time")
	}
	// What was in flight when the stop began neither ends it nor the probe.
	if g.Holds(early, now) || !g.Holds(probe, now) {
		t.Error("during a stop only the probe may go out")
	}
	g.Answered(now, early, "c2", nil)
	if g.Stopped() == nil || admit(g, now) == 0 {
		t.Fatal("a call from before the stop ended it, or let a second probe go")
	}
	g.Answered(now, probe, "c1", wrong)
	if wait := admit(g, now); wait != 2*time.Second {
		t.Errorf("second probe after %v, want 2s", wait)
	}
	now = now.Add(2 * time.Second)
	probe, _ = g.Admit(now)
	g.Return(probe) // its chat had nothing to do
	if probe, wait = g.Admit(now); wait != 0 {
		t.Errorf("after a probe that was given back the next one waits %v", wait)
	}
	g.Answered(now, probe, "c1", &chert.Error{Message: "no answer", Retryable: true})
	if s, wait := g.Stopped(), admit(g, now); s == nil || wait != 4*time.Second {
		t.Errorf("a probe without an answer: stopped is %+v and the next probe waits %v, want 4s", s, wait)
	}
	now = now.Add(4 * time.Second)
	probe, _ = g.Admit(now)
	g.Answered(now, probe, "c1", &chert.Error{Status: 404, Code: 2002}) // about a chat: the account is fine
	if g.Stopped() != nil || admit(g, now) != 0 || admit(g, now) != 0 {
		t.Error("the account takes calls again, yet they are held back")
	}
}

// The waits between probes double up to half a minute, however many calls were in
// flight when the stop began.
func TestGovernorProbesRarely(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]*chert.Error{
		"account": {Status: 403, Code: 2005, Message: "suspended"},
		"foreign": {Status: 404, Foreign: true, Retryable: true},
	} {
		g := NewGovernor(0, 0)
		for i := range 20 {
			g.Answered(epoch, Permit{}, fmt.Sprint("c", i), err)
		}
		var waits []string
		now := epoch
		for range 8 {
			wait := admit(g, now)
			now = now.Add(wait)
			permit, _ := g.Admit(now)
			g.Answered(now, permit, "c1", err)
			waits = append(waits, wait.String())
		}
		if got := strings.Join(waits, " "); got != "1s 2s 4s 8s 16s 30s 30s 30s" {
			t.Errorf("%s: probes after %s", name, got)
		}
		g.ProbeNow()
		if admit(g, now) != 0 {
			t.Errorf("%s: the settings have changed, and the probe still waits", name)
		}
	}
}

// Foreign answers stop all calls once several chats received one, with none of
// Chert's in between.
func TestGovernorStopsOnForeignAnswersOfSeveralChats(t *testing.T) {
	t.Parallel()
	page := &chert.Error{Status: 404, Message: "Not Found", Foreign: true, Retryable: true}
	for _, tc := range []struct {
		name    string
		answers []string // chats that receive the page; "" is an answer of Chert's, "-" none at all
		stops   bool
	}{
		{"one chat", []string{"a", "a", "a", "a", "a", "a"}, false},
		{"two chats", []string{"a", "b", "a", "b"}, false},
		{"three chats", []string{"a", "b", "c"}, true},
		{"three chats, one again", []string{"a", "a", "b", "a", "c"}, true},
		{"with Chert's in between", []string{"a", "b", "", "c", "a", "", "b", "c"}, false},
		{"with none at all in between", []string{"a", "b", "-", "c"}, true},
	} {
		g := NewGovernor(0, 0)
		for _, c := range tc.answers {
			switch c {
			case "":
				g.Answered(epoch, Permit{}, "x", &chert.Error{Status: 404, Code: 2002})
			case "-":
				g.Answered(epoch, Permit{}, "x", &chert.Error{Message: "reset", Retryable: true, Unknown: true})
			default:
				g.Answered(epoch, Permit{}, c, page)
			}
		}
		if s := g.Stopped(); (s != nil) != tc.stops || s != nil && (!s.Foreign || s.HTTP != 404 || s.Message != "Not Found") {
			t.Errorf("%s: stopped is %+v, want %t", tc.name, s, tc.stops)
		}
	}
}

// The stop tells the last answer: what was an account's error may have become a
// proxy's page, with another fix.
func TestGovernorKeepsTheLastCause(t *testing.T) {
	t.Parallel()
	g := NewGovernor(0, 0)
	g.Answered(epoch, Permit{}, "a", &chert.Error{Status: 401, Code: 2004, Message: "bad signature"})
	now := epoch.Add(time.Second)
	probe, _ := g.Admit(now)
	g.Answered(now, probe, "a", &chert.Error{Status: 503, Message: "maintenance", Foreign: true, Retryable: true, RetryAfter: 10 * time.Second})
	if s := g.Stopped(); s == nil || !s.Foreign || s.Code != 0 || s.HTTP != 503 || !s.Since.Equal(epoch) {
		t.Errorf("stopped is %+v, want the foreign answer, since the beginning", s)
	}
	if wait := admit(g, now); wait != 10*time.Second {
		t.Errorf("the next probe waits %v, want the 10s that were asked for", wait)
	}
}

// A 429's wait is kept exactly within its bounds, whoever answered it, and by the
// back-off where none was asked for. Those of one moment count once.
func TestGovernorPauses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		asked time.Duration
		err   chert.Error
		want  time.Duration
	}{
		{"exactly", 7 * time.Second, chert.Error{Status: 429, Code: 1007}, 7 * time.Second},
		{"with fractions", 2500 * time.Millisecond, chert.Error{Status: 429, Code: 1007}, 2500 * time.Millisecond},
		{"not at all", 0, chert.Error{Status: 429, Code: 1007}, time.Second},
		{"tiny", time.Millisecond, chert.Error{Status: 429, Code: 1007}, time.Second},
		{"the most", time.Hour, chert.Error{Status: 429, Code: 1007}, time.Hour},
		{"absurd", 24 * time.Hour, chert.Error{Status: 429, Code: 1007}, time.Hour},
		{"whatever the status", 5 * time.Second, chert.Error{Status: 200, Code: 1007}, 5 * time.Second},
		{"a proxy's", 5 * time.Second, chert.Error{Status: 429, Foreign: true}, 5 * time.Second},
		{"another code's 429", 5 * time.Second, chert.Error{Status: 429, Code: 4001}, 0},
		{"one chat's", 5 * time.Second, chert.Error{Status: 503, Code: 4002}, 0},
		{"a proxy's 503", 5 * time.Second, chert.Error{Status: 503, Foreign: true}, 0},
	} {
		g := NewGovernor(0, 0)
		err := tc.err
		err.Retryable, err.RetryAfter = true, tc.asked
		permit, _ := g.Admit(epoch)
		g.Answered(epoch, Permit{}, "c1", &err)
		if wait := admit(g, epoch); wait != tc.want {
			t.Errorf("%s: wait is %v, want %v", tc.name, wait, tc.want)
		}
		if g.Holds(permit, epoch) != (tc.want == 0) {
			t.Errorf("%s: a call that has a permit already goes out: %t", tc.name, tc.want != 0)
		}
		if tc.want > 0 && (admit(g, epoch.Add(tc.want-1)) == 0 || admit(g, epoch.Add(tc.want)) != 0) {
			t.Errorf("%s: the pause does not end after %v", tc.name, tc.want)
		}
	}

	g := NewGovernor(0, 0)
	limit := &chert.Error{Status: 429, Code: 1007, Retryable: true}
	now := epoch
	var waits []string
	for range 5 {
		for range 8 {
			g.Answered(now, Permit{}, "c1", limit)
		}
		wait := admit(g, now)
		waits = append(waits, wait.String())
		now = now.Add(wait)
	}
	g.Answered(now, Permit{}, "c1", nil)
	g.Answered(now, Permit{}, "c1", limit)
	waits = append(waits, admit(g, now).String())
	if got := strings.Join(waits, " "); got != "1s 2s 4s 8s 16s 1s" {
		t.Errorf("429s without a time, and a success before the last: waits are %s", got)
	}
}

// A pause is taken up by the next process, and no pause is longer than an hour.
func TestGovernorRestoresAPause(t *testing.T) {
	t.Parallel()
	g := NewGovernor(0, 0)
	g.Answered(epoch, Permit{}, "c1", &chert.Error{Status: 429, Code: 1007, Message: "slow down", Retryable: true, RetryAfter: time.Minute})
	kept := g.Pause()
	if want := (Pause{Asked: epoch, Until: epoch.Add(time.Minute), Why: "slow down"}); kept != want {
		t.Fatalf("the pause is %+v, want %+v", kept, want)
	}
	for _, tc := range []struct {
		name string
		kept Pause
		now  time.Duration // since epoch
		want time.Duration
	}{
		{"in the middle", kept, 20 * time.Second, 40 * time.Second},
		{"at its end", kept, time.Minute, 0},
		{"long after", kept, 24 * time.Hour, 0},
		{"the clock was set back", kept, -6 * time.Hour, time.Minute},
		{"absurd", Pause{Asked: epoch, Until: epoch.Add(1000 * time.Hour)}, 0, time.Hour},
		{"nonsense", Pause{Asked: epoch, Until: epoch.Add(-time.Hour)}, -2 * time.Hour, 0},
		{"none", Pause{}, 0, 0},
	} {
		g := NewGovernor(0, 0)
		g.Restore(tc.kept)
		if wait := admit(g, epoch.Add(tc.now)); wait != tc.want {
			t.Errorf("%s: wait is %v, want %v", tc.name, wait, tc.want)
		}
	}
}

// admit returns the wait that Admit returns.
func admit(g *Governor, now time.Time) time.Duration {
	permit, wait := g.Admit(now)
	if wait == 0 && permit.probe != nil {
		g.Return(permit) // it was only asked for the wait
	}
	return wait
}

// A clock that is set back by hours stops no calls for hours.
func TestGovernorPacesWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		learn *chert.Error
		most  time.Duration
	}{
		{"the rate", nil, time.Second},
		{"retry_after", &chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: 20 * time.Second}, 21 * time.Second},
		{"the account", &chert.Error{Status: 403, Code: 2005}, probeMax + time.Second},
	} {
		g := NewGovernor(1, 1)
		if admit(g, epoch) != 0 {
			t.Fatalf("%s: the first call must go immediately", tc.name)
		}
		if tc.learn != nil {
			g.Answered(epoch, Permit{}, "c1", tc.learn)
		}
		back := epoch.Add(-6 * time.Hour)
		now := back
		for wait := admit(g, now); wait > 0; wait = admit(g, now) {
			if now = now.Add(wait); now.Sub(back) > tc.most {
				t.Errorf("%s: no call %v after the clock was set back", tc.name, now.Sub(back))
				break
			}
		}
	}
}

// Whenever the ceiling is set to another, calls go by the new one from then on: a
// burst is no more than it allows, and comes together at its rate. A burst is at
// least one call.
func TestGovernorChangesItsCeiling(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name         string
		limit, to    float64
		burst, toTwo int
		idle         time.Duration // from the first moment, when the burst is used up, to the change
		want         []time.Duration
	}{
		{"no burst", 1, 1, 0, 0, 0, []time.Duration{1, 2, 3}},
		{"a smaller burst", 1, 1, 5, 2, 10, []time.Duration{0, 0, 1}},
		{"no burst any more", 1, 1, 5, 0, 10, []time.Duration{0, 1, 2}},
		{"a larger burst is not there yet", 1, 1, 1, 5, 10, []time.Duration{0, 1, 2}},
		{"a higher rate", 0.5, 1, 1, 1, 0, []time.Duration{1, 2, 3}},
		{"a lower rate", 1, 0.25, 1, 1, 0, []time.Duration{4, 8, 12}},
		{"no ceiling", 1, 0, 1, 1, 0, []time.Duration{0, 0, 0}},
		{"a ceiling where there was none", 0, 0.5, 0, 1, 0, []time.Duration{0, 2, 4}},
	} {
		g := NewGovernor(tc.limit, tc.burst)
		for range max(tc.burst, 1) {
			if wait := admit(g, epoch); wait != 0 {
				t.Fatalf("%s: within the burst the wait is %v", tc.name, wait)
			}
		}
		if wait := admit(g, epoch); tc.limit > 0 && wait == 0 {
			t.Errorf("%s: a call more than the burst goes out", tc.name)
		}
		begin := epoch.Add(tc.idle * time.Second)
		g.Wait(begin) // the tokens up to here come in at the old ceiling
		g.SetCeiling(tc.to, tc.toTwo)
		now := begin
		for i, want := range tc.want {
			wait := admit(g, now)
			for ; wait > 0; wait = admit(g, now) {
				now = now.Add(wait)
			}
			if got := now.Sub(begin); got != want*time.Second {
				t.Errorf("%s: call %d goes out after %v, want %v", tc.name, i, got, want*time.Second)
			}
		}
	}
}
