package source

import (
	"slices"
	"sync"
	"time"
)

const (
	// lagSpan is how long an event counts in the median and the maximum of a source's lag.
	lagSpan = 5 * time.Minute
	// lagEvents is how many events count at most: the newest.
	lagEvents = 512
)

// Lags measures how long events are under way to a source: from their creation to their
// arrival, both by Chert's clock. Its methods may be called from many goroutines.
type Lags struct {
	chertNow func() time.Time

	mu   sync.Mutex
	list []lagged // a ring, once it is full
	next int
}

// lagged is the lag of an event that arrived at a time.
type lagged struct {
	at  time.Time
	lag time.Duration
}

// Lag is how long the events of a source were under way. Zero: none has come whose time of
// creation is known.
type Lag struct {
	At     time.Time     // when the last one arrived, by Chert's clock
	Last   time.Duration // of the last one
	Median time.Duration // of those of the last lagSpan
	Max    time.Duration // of them
}

// NewLags returns a Lags; chertNow is Chert's clock, as far as it is known.
func NewLags(chertNow func() time.Time) *Lags { return &Lags{chertNow: chertNow} }

// note notes that an event has arrived that was created at a time; zero: that is unknown.
// Chert's times may be whole seconds, and clocks differ: an event arrives no earlier than it
// was created.
func (l *Lags) note(created time.Time) {
	if l == nil || created.IsZero() {
		return
	}
	now := l.chertNow()
	x := lagged{now, max(0, now.Sub(created))}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) < lagEvents {
		l.list = append(l.list, x)
	} else {
		l.list[l.next] = x
	}
	l.next = (l.next + 1) % lagEvents
}

// Stats returns the lag of the last events.
func (l *Lags) Stats() Lag {
	if l == nil {
		return Lag{}
	}
	now := l.chertNow()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == 0 {
		return Lag{}
	}
	last := l.list[(l.next+lagEvents-1)%lagEvents%len(l.list)]
	out := Lag{At: last.at, Last: last.lag}
	var recent []time.Duration
	for _, x := range l.list {
		if now.Sub(x.at) <= lagSpan {
			recent = append(recent, x.lag)
		}
	}
	if len(recent) > 0 {
		slices.Sort(recent)
		out.Median, out.Max = recent[len(recent)/2], recent[len(recent)-1]
	}
	return out
}
