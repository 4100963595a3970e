package turn

import (
	"context"
	"time"

	"chertd/rules"
)

// Limits hold packs to their limits.reads. It serves one goroutine at a time. The
// zero value limits nothing.
type Limits struct {
	packs map[string]*rules.ReadMeter
}

// Place is a place that a call has in a pack's meter.
type Place struct {
	Pack string
	At   rules.Place
}

// Meter returns a pack's meter, new if it has none.
func (l *Limits) Meter(pack string) *rules.ReadMeter {
	if l.packs == nil {
		l.packs = map[string]*rules.ReadMeter{}
	}
	if l.packs[pack] == nil {
		l.packs[pack] = &rules.ReadMeter{}
	}
	return l.packs[pack]
}

// Limited reports whether a pack has a limit.
func (l *Limits) Limited(pack string) bool { return l.packs[pack] != nil && l.packs[pack].Limit.N > 0 }

// Reserve takes a place for a call in the meter of each of the packs that have a
// limit, or in none: then it returns those that have none left.
func (l *Limits) Reserve(packs []string, now time.Time) (got []Place, full []Full) {
	for _, pack := range packs {
		if !l.Limited(pack) {
			continue
		}
		meter := l.packs[pack]
		if p, ok := meter.Reserve(now); ok {
			got = append(got, Place{pack, p})
			continue
		}
		full = append(full, Full{pack, meter.Limit, meter.Free(now)})
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
		l.packs[p.Pack].Ended(p.At, now, made)
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
			c.limits.Meter(p.Name).Limit = p.Manifest.Reads
		}
	}
	return c
}

// Reserve implements Places.
func (c *Calls) Reserve(_ context.Context, chatID string, packs []string, now time.Time) ([]Full, error) {
	got, full := c.limits.Reserve(packs, now)
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
