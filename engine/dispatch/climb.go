package dispatch

import (
	"math"
	"time"
)

// climb is how far the pace is above that of the hold. A level lasts while requests wait
// for the pace: nothing is learned from a pace that nobody needs.
type climb struct {
	level int     // 0: the hold
	unit  float64 // the first step, as a share of the limit; each further one is twice the last

	from  time.Time // when the last request went out, or the last pause ends
	idle  float64   // seconds since then in which no request waited
	run   stretch   // for which requests have waited without a break
	done  stretch   // of this level
	marks [8]mark   // the beginnings of the last levels, newest first
}

// stretch is a number of calls, and a time in seconds.
type stretch struct {
	calls   int
	seconds float64
}

func (s stretch) reaches(o stretch) bool { return s.calls >= o.calls && s.seconds >= o.seconds }

func (s *stretch) add(o stretch) {
	s.calls += o.calls
	s.seconds += o.seconds
}

// mark is a time, the number of the last request until then, and how many seconds until
// then no request waited.
type mark struct {
	at   time.Time
	n    int64
	idle float64
}

// note notes a request that goes out.
func (c *climb) note(now time.Time) {
	one := stretch{1, max(0, now.Sub(c.from).Seconds())}
	if c.from.IsZero() {
		one.seconds = 0
	}
	if c.idle > 0.1*one.seconds {
		c.run = stretch{}
	} else {
		counted := c.run.reaches(shortestRun)
		c.run.add(one)
		switch {
		case counted:
			c.done.add(one)
		case c.run.reaches(shortestRun):
			c.done.add(c.run)
		}
	}
	c.from, c.idle = now, 0
}

// pace returns the pace of the level, for a limit and the hold's margin below it.
func (c *climb) pace(limit, margin float64) float64 {
	return limit * (1 - margin + c.unit*(math.Exp2(float64(c.level))-1))
}

// before returns the pace of the level before this one.
func (c *climb) before(limit, margin float64) float64 {
	b := climb{level: max(c.level-1, 0), unit: c.unit}
	return b.pace(limit, margin)
}

// recent returns how many requests per second went out in the levels that cover the last
// minute in which requests waited, up to a mark; 0 if they don't.
func (c *climb) recent(to mark) float64 {
	for _, m := range c.marks {
		if d := to.at.Sub(m.at).Seconds() - (to.idle - m.idle); !m.at.IsZero() && d >= window {
			return float64(to.n-m.n) / d
		}
	}
	return 0
}

// advance begins the next level if it is time.
func (l *learner) advance(now time.Time) {
	c := &l.climb
	if c.level == 0 {
		if !l.held(now) {
			return
		}
		c.unit = l.unsure
		if now.Sub(l.at) > oldLimit {
			c.unit = max(c.unit, 4*leastUnsure)
		}
	} else {
		// Steps of a limit that is known roughly are larger, and may be shorter.
		part := between(2*leastUnsure/l.unsure, 0.5, 1)
		if !c.done.reaches(stretch{int(part * float64(levelLength.calls)), part * levelLength.seconds}) {
			return
		}
	}
	c.level++
	c.done = stretch{}
	copy(c.marks[1:], c.marks[:])
	c.marks[0] = mark{now, l.sent, l.idle}
	l.setRate()
}

// held reports whether the hold is over: the better the limit is known, the longer it lasts.
// Each climb costs a moment of 429s, which may be 1% of the calls. After an hour the limit
// may be another.
func (l *learner) held(now time.Time) bool {
	age := now.Sub(l.at)
	if age > oldLimit {
		return true
	}
	if l.unsure >= 2*leastUnsure && l.change.set() && now.Sub(l.change.from).Seconds() < window {
		return false
	}
	share := leastUnsure / l.unsure
	calls := float64(l.sent - l.last.n - l.last.void)
	return calls >= max(8, share*holdCalls)*max(1, l.hits) &&
		age.Seconds() >= share*between(holdPauses*l.pause, leastHold, mostHold)
}
