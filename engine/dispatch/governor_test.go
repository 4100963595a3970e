package dispatch

import (
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
			wait := g.Admit(now)
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

func TestGovernorReturnsLeave(t *testing.T) {
	t.Parallel()
	g := NewGovernor(1, 1)
	if g.Admit(epoch) != 0 {
		t.Fatal("the first call must go at once")
	}
	g.Return()
	if wait := g.Admit(epoch); wait != 0 {
		t.Errorf("leave was given back, yet the next call waits %v", wait)
	}
	if wait := g.Admit(epoch); wait != time.Second {
		t.Errorf("the bucket is empty: wait is %v, want 1s", wait)
	}
}

func TestGovernorWaitsForRetryAfterExactly(t *testing.T) {
	t.Parallel()
	g := NewGovernor(100, 100)
	g.Answered(epoch, &chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: 7 * time.Second})
	g.Answered(epoch, &chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: 2 * time.Second})
	if wait := g.Admit(epoch); wait != 7*time.Second {
		t.Errorf("wait is %v, want the longer retry_after of 7s", wait)
	}
	if wait := g.Admit(epoch.Add(7 * time.Second)); wait != 0 {
		t.Errorf("after retry_after the next call still waits %v", wait)
	}
	// All lines saturated for one recipient concerns its chat, not the rest.
	g.Answered(epoch.Add(8*time.Second), &chert.Error{Status: 503, Code: 4002, Retryable: true, RetryAfter: time.Minute})
	if wait := g.Admit(epoch.Add(8 * time.Second)); wait != 0 {
		t.Errorf("4002 stopped every chat for %v", wait)
	}
}

func TestGovernorProbesAStoppedAccount(t *testing.T) {
	t.Parallel()
	wrong := &chert.Error{Status: 401, Code: 2004, Message: "bad signature"}
	g := NewGovernor(0, 0)
	g.Admit(epoch)
	g.Answered(epoch, wrong)
	if s := g.Stopped(); s == nil || s.Code != 2004 {
		t.Fatalf("stopped is %+v, want code 2004", s)
	}
	if wait := g.Admit(epoch); wait != time.Second {
		t.Fatalf("first probe after %v, want 1s", wait)
	}
	now := epoch.Add(time.Second)
	if wait := g.Admit(now); wait != 0 {
		t.Fatalf("the probe waits %v", wait)
	}
	if g.Admit(now) == 0 {
		t.Fatal("two probes at a time")
	}
	g.Answered(now, wrong)
	if wait := g.Admit(now); wait != 2*time.Second {
		t.Errorf("second probe after %v, want 2s", wait)
	}
	now = now.Add(2 * time.Second)
	g.Admit(now)
	g.Answered(now, &chert.Error{Status: 404, Code: 2002}) // about a chat: the account is fine
	if g.Stopped() != nil || g.Admit(now) != 0 || g.Admit(now) != 0 {
		t.Error("the account takes calls again, yet they are held back")
	}
}

// A clock that is set back by hours stops no calls for hours.
func TestGovernorBearsAClockSetBack(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		learn *chert.Error
		most  time.Duration
	}{
		{"the rate", nil, time.Second},
		{"retry_after", &chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: 20 * time.Second}, 21 * time.Second},
		{"the account", &chert.Error{Status: 403, Code: 2005}, accountProbeMax + time.Second},
	} {
		g := NewGovernor(1, 1)
		if g.Admit(epoch) != 0 {
			t.Fatalf("%s: the first call must go at once", tc.name)
		}
		if tc.learn != nil {
			g.Answered(epoch, tc.learn)
		}
		back := epoch.Add(-6 * time.Hour)
		now := back
		for wait := g.Admit(now); wait > 0; wait = g.Admit(now) {
			if now = now.Add(wait); now.Sub(back) > tc.most {
				t.Errorf("%s: no call %v after the clock was set back", tc.name, now.Sub(back))
				break
			}
		}
	}
}
