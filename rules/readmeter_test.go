package rules

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Never more than N calls are on the wire or ended within the span, whatever
// ends when and how; and a call goes out whenever there are fewer.
func TestReadMeterNeverLeaks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := Rate{N: rapid.IntRange(1, 4).Draw(t, "n"), Per: time.Duration(rapid.IntRange(1, 20).Draw(t, "per")) * time.Second}
		m := &ReadMeter{Limit: limit}
		now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
		type call struct {
			place Place
			ended time.Time // zero: on the wire
		}
		var calls []call // that were made, or may be
		counted := func() (n int) {
			for _, c := range calls {
				if c.ended.IsZero() || now.Before(c.ended.Add(m.Limit.Per)) {
					n++
				}
			}
			return n
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"call", "call", "call", "end", "refuse", "wait", "forget", "limit"}).Draw(t, "step") {
			case "call":
				before := counted()
				p, ok := m.Reserve(now)
				if free := m.Free(now); !ok && (!free.After(now) || free.After(now.Add(lookForPlace))) {
					t.Fatalf("at %v a place may be free at %v", now, free)
				}
				if ok != (before < m.Limit.N) {
					t.Fatalf("with %d calls of %s, another may go out: %t", before, m.Limit.Words(), ok)
				}
				if ok {
					for _, c := range calls {
						if c.place == p && c.ended.IsZero() {
							t.Fatalf("place %d is that of a call on the wire", p)
						}
					}
					calls = append(calls, call{place: p})
				}
			case "end", "refuse":
				var out []int
				for i := range calls {
					if calls[i].ended.IsZero() {
						out = append(out, i)
					}
				}
				if len(out) == 0 {
					continue
				}
				i := rapid.SampledFrom(out).Draw(t, "which")
				if rapid.Bool().Draw(t, "made") {
					m.Ended(calls[i].place, now, true)
					calls[i].ended = now
				} else {
					m.Ended(calls[i].place, now, false)
					calls = append(calls[:i:i], calls[i+1:]...)
				}
			case "wait":
				now = now.Add(time.Duration(rapid.IntRange(0, 12_000).Draw(t, "ms")) * time.Millisecond)
			case "forget":
				m.Forget()
				var out []call
				for _, c := range calls {
					if c.ended.IsZero() {
						out = append(out, c)
					}
				}
				calls = out
			case "limit":
				m.Limit.N = rapid.IntRange(1, 4).Draw(t, "another n")
			}
		}
	})
}

// Free gives the calls that wait for a place the times of free ones, one after another.
func TestReadMeterTellsWhenAPlaceIsFree(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	m := &ReadMeter{Limit: Rate{N: 2, Per: 20 * time.Second}}
	for i := range 2 {
		p, _ := m.Reserve(noon)
		m.Ended(p, noon.Add(time.Duration(i)*time.Second), true)
	}
	now := noon.Add(2 * time.Second)
	for i, want := range []int{20, 30, 40, 50, 60, 62, 62} {
		if got := m.Free(now); !got.Equal(noon.Add(time.Duration(want) * time.Second)) {
			t.Errorf("call %d may find one at %v, want %d s past noon", i, got, want)
		}
	}
}

func TestReadMeterWithoutLimit(t *testing.T) {
	t.Parallel()
	m := &ReadMeter{}
	for range 1000 {
		p, ok := m.Reserve(time.Time{})
		if !ok {
			t.Fatal("a pack without a limit was held back")
		}
		m.Ended(p, time.Time{}, true)
	}
}

// A clock that is set back frees no place.
func TestReadMeterOfAClockSetBack(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	m := &ReadMeter{Limit: Rate{N: 1, Per: time.Minute}}
	p, _ := m.Reserve(noon)
	m.Ended(p, noon, true)
	if _, ok := m.Reserve(noon.Add(-time.Hour)); ok {
		t.Error("a call goes out an hour before the one that counts")
	}
	if _, ok := m.Reserve(noon.Add(time.Minute)); !ok {
		t.Error("no call goes out a minute after the one that counts")
	}
}

func TestReadMeterRestores(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	m := &ReadMeter{Limit: Rate{N: 2, Per: time.Minute}}
	m.Restore(3, noon)
	if _, ok := m.Reserve(noon); !ok {
		t.Error("one call of two was made, and another does not go out")
	}
	if _, ok := m.Reserve(noon); ok {
		t.Error("a third call goes out")
	}
	if got := m.Limit.Reached(); got != "more than 2 reads in 1m" {
		t.Errorf("says %q", got)
	}
}

func TestRaised(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		to, from Rate
		want     bool
	}{
		{Rate{4, time.Minute}, Rate{3, time.Minute}, true},
		{Rate{3, time.Second}, Rate{3, time.Minute}, true},
		{Rate{3, time.Minute}, Rate{3, time.Minute}, false},
		{Rate{2, time.Minute}, Rate{3, time.Minute}, false},
		{Rate{3, time.Hour}, Rate{3, time.Minute}, false},
	} {
		if got := tt.to.Raised(tt.from); got != tt.want {
			t.Errorf("%v after %v is raised: %t", tt.to, tt.from, got)
		}
	}
}
