package dispatch

import (
	"slices"
	"time"
)

// Culprits distinguishes failures of one chat or phone line from failures of all.
// Whoever fails, and then stays unanswered while others are answered, fails alone.
// The zero value is ready. It is not safe for concurrent use.
type Culprits struct {
	recent map[string]bool     // failed since the last answer to anyone
	alone  map[string]*culprit // failed before an answer to another, and was not answered since
}

type culprit struct {
	failed time.Time // the last failure
	again  bool      // it also failed after others were answered
}

// Failed notes a failure. It returns whether this one fails alone, and how many
// others failed since the last answer without failing alone.
func (c *Culprits) Failed(now time.Time, who string) (alone bool, failed int) {
	if k := c.alone[who]; k != nil {
		k.failed, k.again = now, true
		return true, len(c.recent)
	}
	if c.recent == nil {
		c.recent = map[string]bool{}
	}
	if len(c.recent) < maxCulprits {
		c.recent[who] = true
	}
	return false, len(c.recent)
}

// Answered notes an answer. Everyone else who failed since the last answer did so
// alone.
func (c *Culprits) Answered(now time.Time, who string) {
	delete(c.recent, who)
	delete(c.alone, who)
	if len(c.recent) == 0 {
		return
	}
	if c.alone == nil {
		c.alone = map[string]*culprit{}
	}
	for other, k := range c.alone {
		if now.Sub(k.failed) >= culpritFor {
			delete(c.alone, other)
		}
	}
	for other := range c.recent {
		if len(c.alone) < maxCulprits {
			c.alone[other] = &culprit{failed: now}
		}
	}
	clear(c.recent)
}

// Alone returns how many fail while others are answered, and the first of them by
// name, except for some.
func (c *Culprits) Alone(now time.Time, except ...string) (n int, first string) {
	for who, k := range c.alone {
		if !k.again || now.Sub(k.failed) >= culpritFor || slices.Contains(except, who) {
			continue
		}
		if n == 0 || who < first {
			first = who
		}
		n++
	}
	return n, first
}

// known reports whether a failure of somebody was noted, and no answer since.
func (c *Culprits) known(who string) bool { return c.recent[who] || c.alone[who] != nil }
