package dispatch

import "time"

// Culprits tells failures that are one's own, a chat's or a phone line's, from
// those of all. Who fails, and is not answered after that while others are, fails
// alone. The zero value is ready; it is not safe for concurrent use.
type Culprits struct {
	recent map[string]bool     // who failed since the last answer to anyone
	alone  map[string]*culprit // who failed before an answer to another, and was not answered since
}

type culprit struct {
	failed time.Time // last
	again  bool      // after others were answered, too
}

// Failed notes a failure. alone says that it is one's own; failed is how many
// have failed, and not alone, since the last answer.
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

// Answered notes an answer: who failed before it, and is somebody else, did so
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

// Alone returns how many keep failing while others are answered, and the first of
// them by name.
func (c *Culprits) Alone(now time.Time) (n int, first string) {
	for who, k := range c.alone {
		if !k.again || now.Sub(k.failed) >= culpritFor {
			continue
		}
		if n == 0 || who < first {
			first = who
		}
		n++
	}
	return n, first
}

// known reports whether somebody has failed, and was not answered since.
func (c *Culprits) known(who string) bool { return c.recent[who] || c.alone[who] != nil }
