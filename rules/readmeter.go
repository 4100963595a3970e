package rules

import (
	"fmt"
	"slices"
	"time"

	"chertd/luabind/diag"
)

// ReadMeter enforces limits.reads of a pack: at most Limit.N of its read calls are in
// flight or ended within Limit.Per. A call takes a place before it is made, and keeps it
// until Limit.Per after its end; a call that was not made frees its place. The zero
// ReadMeter has no limit. Only one goroutine at a time may use it.
type ReadMeter struct {
	Limit  Rate
	places []place
	next   time.Time // the last result of Free
}

// place is the place of one call.
type place struct {
	out   bool      // the call has not ended
	ended time.Time // zero: the place is free
}

// Place is the index of a place in a ReadMeter.
type Place int

// NoPlace is the Place of a call without a limit.
const NoPlace Place = -1

// ReadCount is a count of a pack's read calls, which limits.reads bounds. Counts
// are numbered: a new one starts when the limit is raised and when an operator
// makes the pack live again.
type ReadCount struct {
	Pack  string
	Count int64      // its number
	Limit Rate       // when the count started; zero: not known
	Calls []ReadCall // as read from a store, which keeps them one by one
}

// ReadCall is a read call that counts towards a pack's limits.reads.
type ReadCall struct {
	Pack  string
	Place Place     // in the pack's ReadMeter; a later call replaces it there
	Count int64     // the number of the count it belongs to
	At    time.Time // when it ended or, if that is not known, began; zero: the place is free
}

// Reserve takes a place for a call that is about to be made; ok is false if the limit is
// reached.
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

// lookForPlace is the longest wait of a call before it tries again: the limit may have
// changed, or the count started again.
const lookForPlace = time.Minute

// Free returns when a call that found no place should try again. Each result is a little
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

// Ended records the end of a place's call, and whether it was made, that is sent,
// whatever its result.
func (m *ReadMeter) Ended(p Place, now time.Time, made bool) {
	if p == NoPlace {
		return
	}
	m.places[p] = place{}
	if made {
		m.places[p].ended = now
	}
}

// Restore records a call of an earlier process.
func (m *ReadMeter) Restore(p Place, ended time.Time) {
	for len(m.places) <= int(p) {
		m.places = append(m.places, place{})
	}
	m.places[p].ended = ended
}

// Forget starts the count again. Calls in flight keep their places.
func (m *ReadMeter) Forget() {
	for i := range m.places {
		m.places[i].ended = time.Time{}
	}
}

// Reached describes a limit that was reached, for people: "more than 300 reads in 10m".
func (r Rate) Reached() string { return "more than " + r.Words() }

// taken reports whether a place is taken at a time. If the clock was set back, an ended
// call may seem to be in the future: it counts.
func (p *place) taken(now time.Time, per time.Duration) bool {
	return p.out || !p.ended.IsZero() && now.Sub(p.ended) < per
}

// Raised reports whether a limit allows calls that another does not.
func (r Rate) Raised(from Rate) bool { return r.N > from.N || r.Per < from.Per }

// Words returns the limit for people: "300 reads in 10m".
func (r Rate) Words() string { return fmt.Sprintf("%d reads in %s", r.N, diag.Duration(r.Per)) }
