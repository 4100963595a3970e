package rules

import (
	"sync/atomic"
	"time"
)

// SuspendPolicy says when a rule that keeps failing is suspended: alone, for a
// while, after which one event probes whether it works again. Zero fields take
// the defaults.
type SuspendPolicy struct {
	After   int           // failures in a row; default 20; negative: never
	CoolOff time.Duration // until the probe; default 1 m
}

const (
	defaultSuspendAfter = 20
	defaultSuspendFor   = time.Minute
)

// SkippedSuspended stands in Outcome.Skipped of a rule that is suspended. Its event
// is recorded as failed, to be run again once the rule is mended.
const SkippedSuspended = "suspended"

// recordedSuspended is how many rules of a pack that are suspended an event records.
// They stand for all of them: 200 lines for each event kept the store from
// everyone else's.
const recordedSuspended = 8

// health is how a rule of one pack version has fared lately. The shards share
// it; it is lost with the process, which is a probe of its own.
type health struct {
	failures atomic.Int32 // in a row
	until    atomic.Int64 // suspended until then, Unix milliseconds; 0: it is not
}

// admit reports whether the rule may run now. Of the events that come when the
// time is over the first is the probe.
func (h *health) admit(s SuspendPolicy, now time.Time) bool {
	until := h.until.Load()
	if until == 0 {
		return true
	}
	return now.UnixMilli() >= until && h.until.CompareAndSwap(until, now.Add(s.CoolOff).UnixMilli())
}

// ended notes how a run ended, and returns until when the rule is suspended if
// it was by this failure.
func (h *health) ended(s SuspendPolicy, failed bool, now time.Time) (until time.Time) {
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
func (s SuspendPolicy) withDefaults() SuspendPolicy {
	if s.After == 0 {
		s.After = defaultSuspendAfter
	}
	if s.CoolOff <= 0 {
		s.CoolOff = defaultSuspendFor
	}
	return s
}
