package rules

import (
	"sync/atomic"
	"time"
)

// SetAside says when a rule that keeps failing is set aside: alone, for a
// while, after which one event probes whether it works again. Zero fields take
// the defaults.
type SetAside struct {
	After   int           // failures in a row; default 20; negative: never
	CoolOff time.Duration // until the probe; default 1 m
}

const (
	defaultAsideAfter   = 20
	defaultAsideCoolOff = time.Minute
)

// SkippedAside stands in Outcome.Skipped of a rule that is set aside. Its event
// is recorded as failed, to be run again once the rule is mended.
const SkippedAside = "set aside"

// recordedAside is how many rules of a pack that are set aside an event records.
// They stand for all of them: 200 lines for each event kept the store from
// everyone else's.
const recordedAside = 8

// health is how a rule of one pack version has fared lately. The shards share
// it; it is lost with the process, which is a probe of its own.
type health struct {
	failures atomic.Int32 // in a row
	until    atomic.Int64 // set aside until then, Unix milliseconds; 0: it is not
}

// admit reports whether the rule may run now. Of the events that come when the
// time is over the first is the probe.
func (h *health) admit(s SetAside, now time.Time) bool {
	until := h.until.Load()
	if until == 0 {
		return true
	}
	return now.UnixMilli() >= until && h.until.CompareAndSwap(until, now.Add(s.CoolOff).UnixMilli())
}

// ended notes how a run ended, and returns until when the rule is set aside if
// it was by this failure.
func (h *health) ended(s SetAside, failed bool, now time.Time) (until time.Time) {
	if !failed {
		if h.failures.Load() != 0 {
			h.failures.Store(0)
			h.until.Store(0)
		}
		return time.Time{}
	}
	if n := h.failures.Add(1); s.After < 0 || int(n) < s.After {
		return time.Time{}
	}
	until = now.Add(s.CoolOff)
	h.until.Store(until.UnixMilli())
	return until
}

// withDefaults fills in what is not given.
func (s SetAside) withDefaults() SetAside {
	if s.After == 0 {
		s.After = defaultAsideAfter
	}
	if s.CoolOff <= 0 {
		s.CoolOff = defaultAsideCoolOff
	}
	return s
}
