package dispatch

import (
	"math"
	"time"
)

// climb is how far a pace is above the hold: level 0 is the hold.
type climb struct {
	level int
	unit  float64   // the first step, as a share of the limit
	from  time.Time // when the last request went out
	idle  float64   // since then

	run   float64 // seconds for which requests have waited for the pace without a break
	calls int
	done  float64 // of this level
	count int
	marks [8]mark // when the last levels began, the newest first
}

type mark struct {
	at time.Time
	n  int64
}

const (
	levelTime  = 20.0 // seconds
	levelCalls = 10
	runTime    = 5.0
	runCalls   = 5
	holdTime   = 90.0
	holdCalls  = 200
	oldLimit   = time.Hour
)

// press notes a request that goes out.
func (l *learner) press(now time.Time) {
	c := &l.climb
	gap := now.Sub(c.from).Seconds()
	if c.from.IsZero() || gap < 0 {
		gap = 0
	}
	if c.idle > 0.1*gap {
		c.run, c.calls = 0, 0
	} else {
		before := c.run >= runTime && c.calls >= runCalls
		c.run += gap
		c.calls++
		switch {
		case before:
			c.done += gap
			c.count++
		case c.run >= runTime && c.calls >= runCalls:
			c.done += c.run
			c.count += c.calls
		}
	}
	c.from, c.idle = now, 0
}

// advance raises the pace if it is time.
func (l *learner) advance(now time.Time) {
	c := &l.climb
	if c.level == 0 {
		if !l.held(now) {
			return
		}
		c.unit = l.unsure
		if now.Sub(l.at) > oldLimit {
			c.unit = max(c.unit, 0.02)
		}
	} else if c.done < levelTime*l.part() || c.count < int(levelCalls*l.part()) {
		return
	}
	c.level++
	c.done, c.count = 0, 0
	copy(c.marks[1:], c.marks[:7])
	c.marks[0] = mark{now, l.sent}
	l.setRate()
}

// part is less than 1 while the limit is known roughly only.
func (l *learner) part() float64 { return between(0.01/l.unsure, 0.5, 1) }

// held reports whether the hold is over.
func (l *learner) held(now time.Time) bool {
	calls := float64(l.sent - l.last.n - l.last.void)
	if !l.last.set() {
		calls = float64(l.sent)
	}
	age := now.Sub(l.at)
	if age > oldLimit {
		return true
	}
	if l.unsure > 0.009 && l.change.set() && now.Sub(l.change.from) < time.Minute {
		return false
	}
	share := leastUnsure / l.unsure
	return calls >= max(8, share*holdCalls)*max(1, l.hits) && age.Seconds() >= share*between(50*l.rested, holdTime, 600)
}

// recent returns the rate over the last minute, or longer; 0 if that is not known.
func (c *climb) recent(at time.Time, n int64) float64 {
	for _, m := range c.marks {
		if d := at.Sub(m.at).Seconds(); !m.at.IsZero() && d >= 60 {
			return float64(n-m.n) / d
		}
	}
	return 0
}

// setPace begins a hold.
func (l *learner) setPace() {
	l.climb = climb{from: l.climb.from}
	l.setRate()
}

func (l *learner) setRate() {
	y := l.climb.rate(l)
	l.pace.rate = y
	l.pace.burst = max(1, y*0.2)
	l.pace.tokens = min(l.pace.tokens, l.pace.burst)
}

// rate returns the pace of a level.
func (c *climb) rate(l *learner) float64 {
	y := l.limit * (1 - l.margin)
	if c.level > 0 {
		y += l.limit * c.unit * (math.Exp2(float64(c.level)) - 1)
	}
	return y
}

// before returns the pace of the level before this one.
func (c *climb) before(l *learner) float64 {
	d := *c
	d.level = max(d.level-1, 0)
	return d.rate(l)
}
