package dispatch

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPlacesAreShared takes and leaves places at random, and holds each line to
// what the comment of places says.
func TestPlacesAreShared(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		total := rapid.IntRange(1, 12).Draw(rt, "places")
		p := newPlaces(total)
		now := time.Unix(1_000_000, 0)
		flights := map[string][]time.Time{}
		works, failed, seen := map[string]bool{}, map[string]bool{}, map[string]time.Time{}
		taken := 0
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			line := fmt.Sprint("L", rapid.IntRange(0, 2).Draw(rt, "line"))
			if rapid.Bool().Draw(rt, "ends") {
				if len(flights[line]) == 0 {
					continue
				}
				at := rapid.IntRange(0, len(flights[line])-1).Draw(rt, "which")
				made, bad := rapid.IntRange(0, 4).Draw(rt, "made") > 0, rapid.Bool().Draw(rt, "bad")
				p.leave(line, flights[line][at], made, bad)
				flights[line] = append(flights[line][:at:at], flights[line][at+1:]...)
				taken--
				if made {
					works[line], failed[line] = !bad, bad
				}
				if len(flights[line]) == 0 {
					works[line] = false
				}
				continue
			}
			now = now.Add(rapid.SampledFrom([]time.Duration{1, time.Millisecond, 400 * time.Millisecond, hangsAfter, aloneAfter}).Draw(rt, "later"))
			seen[line] = now
			alone := true
			for other, at := range seen {
				alone = alone && (other == line || now.Sub(at) >= aloneAfter)
			}
			used, free := len(flights[line]), total-taken
			want := used < total-max(total/4, 1)
			switch {
			case used == 0:
				want = true
			case alone && works[line]:
				want = true
			case !alone && (failed[line] || now.Sub(flights[line][0]) >= hangsAfter):
				want = used < free
			}
			want = want && free > 0
			if got := p.take(line, now, false); got != want {
				rt.Fatalf("%s with %d of %d places, %d free, alone %t, works %t, failed %t: %t", line, used, total, free, alone, works[line], failed[line], got)
			}
			if want {
				flights[line] = append(flights[line], now)
				taken++
			}
			if p.used(line) != len(flights[line]) {
				rt.Fatalf("%d in flight, want %d", p.used(line), len(flights[line]))
			}
		}
	})
}

// TestHangingLinesLeavePlaces: one line that hangs leaves half of the places to
// the others, two a third at least a quarter.
func TestHangingLinesLeavePlaces(t *testing.T) {
	t.Parallel()
	p := newPlaces(8)
	now := time.Unix(1_000_000, 0)
	p.take("well", now, false)
	p.leave("well", now, true, false)
	for hanging := 1; hanging <= 2; hanging++ {
		// Each call hangs for ten seconds, and is followed by another.
		for range 100 {
			now = now.Add(2 * time.Second)
			for i := range hanging {
				line := fmt.Sprint("ill", i)
				for p.lines[line] != nil && len(p.lines[line].began) > 0 && now.Sub(p.lines[line].began[0]) >= 10*time.Second {
					p.leave(line, p.lines[line].began[0], true, true)
				}
				for p.take(line, now, false) {
				}
			}
		}
		if free := p.total - p.taken; free < []int{0, 4, 2}[hanging] {
			t.Errorf("%d lines that hang leave %d places", hanging, free)
		}
		if !p.may("well", now) {
			t.Errorf("%d lines that hang leave no place to another", hanging)
		}
	}
}

// TestPlacesForgetLines: lines without calls in flight take no memory, unless
// they failed, and of those there are only so many.
func TestPlacesForgetLines(t *testing.T) {
	t.Parallel()
	p := newPlaces(2)
	now := time.Unix(1_000_000, 0)
	for i := range 3 * maxLines {
		line := fmt.Sprint(i)
		p.take(line, now, false)
		p.leave(line, now, true, i%2 == 0)
	}
	if n := len(p.lines); n > maxLines+1 || p.taken != 0 {
		t.Errorf("%d lines in memory, %d places taken", n, p.taken)
	}
	p = newPlaces(2)
	p.take("a", now, false)
	p.leave("a", now, true, false)
	if len(p.lines) != 0 {
		t.Error("a line whose calls went well is still in memory")
	}
}

// A line whose calls fail leaves half of the places to the others, also after
// all of them have ended; one that works leaves a quarter.
func TestFailingLineIsRemembered(t *testing.T) {
	t.Parallel()
	for failed, want := range map[bool]int{true: 4, false: 6} {
		p := newPlaces(8)
		now := epoch
		p.take("other", now, false)
		p.leave("other", now, true, false)
		p.take("line", now, false)
		p.leave("line", now, true, failed)
		n := 0
		for p.take("line", now.Add(time.Millisecond), false) {
			n++
		}
		if n != want {
			t.Errorf("a line whose last call failed (%t) takes %d of 8 places, want %d", failed, n, want)
		}
	}
}
