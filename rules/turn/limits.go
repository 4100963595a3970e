package turn

import (
	"context"
	"time"

	"chertd/rules"
)

// Limits hold versions of packs to their limits.reads. It serves one goroutine at a time. The
// zero value limits nothing.
type Limits struct {
	meters map[rules.Meter]*rules.ReadMeter
}

// Place is a place that a call has in a meter.
type Place struct {
	rules.Meter
	At rules.Place
}

// Meter returns a meter, new if there is none yet.
func (l *Limits) Meter(of rules.Meter) *rules.ReadMeter {
	if l.meters == nil {
		l.meters = map[rules.Meter]*rules.ReadMeter{}
	}
	if l.meters[of] == nil {
		l.meters[of] = &rules.ReadMeter{}
	}
	return l.meters[of]
}

// Limited reports whether a meter has a limit.
func (l *Limits) Limited(of rules.Meter) bool {
	return l.meters[of] != nil && l.meters[of].Limit.N > 0
}

// Reserve takes a place for a call in each of the meters that have a limit, or in none:
// then it returns those that have none left.
func (l *Limits) Reserve(of []rules.Meter, now time.Time) (got []Place, full []Full) {
	for _, of := range of {
		if !l.Limited(of) {
			continue
		}
		meter := l.meters[of]
		if p, ok := meter.Reserve(now); ok {
			got = append(got, Place{of, p})
			continue
		}
		full = append(full, Full{of, meter.Limit, meter.Free(now)})
	}
	if len(full) > 0 {
		l.Ended(got, now, false)
		got = nil
	}
	return got, full
}

// Ended records that the call of the places has ended, and whether it was made: sent
// to Chert, with any result.
func (l *Limits) Ended(places []Place, now time.Time, made bool) {
	for _, p := range places {
		l.meters[p.Meter].Ended(p.At, now, made)
	}
}

// Calls hold the packs of a set to their limits.reads where there is no store: in
// specs and eval.
type Calls struct {
	limits Limits
	out    map[string][]Place // of calls on the wire, by chat
}

// NewCalls returns the meters of a set's packs, in which nothing counts yet.
func NewCalls(set *rules.Set) *Calls {
	c := &Calls{out: map[string][]Place{}}
	for _, p := range set.Packs() {
		if p.Manifest.Reads.N > 0 {
			c.limits.Meter(rules.Meter{Pack: p.Name}).Limit = p.Manifest.Reads
		}
	}
	return c
}

// Reserve implements Places.
func (c *Calls) Reserve(_ context.Context, chatID string, meters []rules.Meter, now time.Time) ([]Full, error) {
	got, full := c.limits.Reserve(meters, now)
	if len(full) == 0 {
		c.out[chatID] = got
	}
	return full, nil
}

// Ended records that the call of a chat ended, and whether it was made.
func (c *Calls) Ended(chatID string, now time.Time, made bool) {
	c.limits.Ended(c.out[chatID], now, made)
	delete(c.out, chatID)
}
