package rules

import (
	"fmt"
	"slices"
	"time"
)

// ReadMeter holds a pack to its limits.reads: of its read calls, never more than
// Limit.N are on the wire or ended within Limit.Per. A call takes a place before
// it goes out and holds it, once it has ended, for Limit.Per from its end; one
// that was not made gives its place back. The zero ReadMeter has no limit. It
// serves one goroutine at a time.
type ReadMeter struct {
	Limit  Rate
	places []place
	next   time.Time // that Free promised last
}

// place is one call's.
type place struct {
	out   bool      // the call has not ended
	ended time.Time // zero: the place is free
}

// Place names a place of a ReadMeter, from 0. NoPlace is that of a call which no
// limit concerns.
type Place int

const NoPlace Place = -1

// Reserve takes a place for a call that is about to go out; ok is false if the
// limit leaves none.
func (m *ReadMeter) Reserve(now time.Time) (p Place, ok bool) {
	if m.Limit.N == 0 {
		return NoPlace, true
	}
	taken, free := 0, -1
	for i := range m.places {
		switch {
		case m.places[i].taken(now, m.Limit.Per):
			taken++
		case free < 0:
			free = i
		}
	}
	if taken >= m.Limit.N {
		return NoPlace, false
	}
	if free < 0 {
		free = len(m.places)
		m.places = append(m.places, place{})
	}
	m.places[free] = place{out: true}
	return Place(free), true
}

// lookForPlace is how long a call waits at most before it looks for a place again:
// the limit may be another then, or the count be new.
const lookForPlace = time.Minute

// Free is when a call that found no place may find one: each that asks, a little
// later than the one before.
func (m *ReadMeter) Free(now time.Time) time.Time {
	var ends []time.Time
	taken := 0
	for i := range m.places {
		if p := &m.places[i]; p.taken(now, m.Limit.Per) {
			taken++
			if !p.out {
				ends = append(ends, p.ended.Add(m.Limit.Per))
			}
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	latest := now.Add(lookForPlace)
	at := latest
	if i := max(taken-m.Limit.N, 0); i < len(ends) {
		at = ends[i]
	}
	if next := m.next.Add(m.Limit.Per / time.Duration(max(m.Limit.N, 1))); next.After(at) {
		at = next
	}
	if at.After(latest) {
		at = latest
	}
	m.next = at
	return at
}

// Ended says that the place's call has ended, and whether it was made: put on the
// wire, whatever came of it. A place that was forgotten meanwhile stays so.
func (m *ReadMeter) Ended(p Place, now time.Time, made bool) {
	if p == NoPlace {
		return
	}
	m.places[p] = place{}
	if made {
		m.places[p].ended = now
	}
}

// Restore says that a call of an earlier process had the place.
func (m *ReadMeter) Restore(p Place, ended time.Time) {
	for len(m.places) <= int(p) {
		m.places = append(m.places, place{})
	}
	m.places[p].ended = ended
}

// Forget starts the count again. Calls on the wire keep their places: they end
// after this.
func (m *ReadMeter) Forget() {
	for i := range m.places {
		m.places[i].ended = time.Time{}
	}
}

// Reached returns what a limit that was reached is called in texts for people.
func (r Rate) Reached() string { return "more than " + r.Words() }

// A clock that was set back makes a call look later than it was: it counts.
func (p *place) taken(now time.Time, per time.Duration) bool {
	return p.out || !p.ended.IsZero() && now.Sub(p.ended) < per
}

// Raised reports whether a limit lets calls go out that another would not.
func (r Rate) Raised(from Rate) bool { return r.N > from.N || r.Per < from.Per }

// Words is the limit for people: "300 reads in 10m".
func (r Rate) Words() string { return fmt.Sprintf("%d reads in %s", r.N, plainSpan(r.Per)) }

// plainSpan is a duration as rules are written: 10m, not 10m0s.
func plainSpan(d time.Duration) string {
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= u.of && d%u.of == 0 {
			return fmt.Sprintf("%d%s", d/u.of, u.name)
		}
	}
	return d.String()
}
