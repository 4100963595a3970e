package dispatch

// measure corrects the limit after a moment. It counts from the end of one pause to the end
// of the next, which is exact for a fixed window as well: both are its beginning.
func (l *learner) measure(m *moment) {
	calls, since, seconds := l.last.accepted(m.n-1, l.resume)
	clean := calls > 0 && l.last.idle < 0.1*seconds
	least := l.least(m)
	// A window that was used up soon after it began: what is accepted in it says more than
	// the pace.
	usedUp := clean && since < 0.9*l.limit && l.resting > 0.4*seconds
	switch {
	case l.guessed:
		l.guessed = false
		l.changed(m)
	case m.pace > 1.001*l.limit && !usedUp:
		l.above(m)
	case l.trial.from > 0 && calls > 0 && l.low == 0:
		raised := l.limit
		most := 0.99 * raised
		l.limit = between(since*(1+1/calls), max(l.trial.from, min(0.97*l.proven, most)), most)
		l.trial = trial{usual: l.trial.ratio * l.trial.from / l.limit}
		l.unsure = max(l.unsure/2, unsureAfter(calls))
		l.changed(m)
	case l.last.set() && l.low > 0 && (calls < 60 || seconds < window+10):
		l.below(m, clean)
	default:
		l.low = 1
		l.margin = min(l.margin+0.005, mostMargin)
		lower := 0.97 * l.limit
		if clean && calls >= 8 {
			// It may be one call more, and one was lost if the server's bucket is as small.
			lower = min(since*(1+2/calls), 0.99*l.limit)
			l.unsure = max(min(2*l.unsure, unsureAfter(calls)), 2*leastUnsure)
		} else {
			l.unsure = between(2*l.unsure, 2*leastUnsure, mostUnsure)
		}
		l.limit = max(lower, 0.97*l.proven)
		l.changed(m)
	}
	// What a sliding window has accepted leaves it in the same rhythm a minute later. So
	// what is accepted for a shorter time may be far less than the limit.
	if l.resume.Sub(l.at).Seconds() < window {
		l.limit = max(l.limit, 0.85*l.proven)
	}
	l.limit = max(l.limit, least)
	if l.jump.limit > 0 && l.resume.Sub(l.jump.at).Seconds() < window {
		l.limit = max(l.limit, 0.85*l.jump.limit)
	}
}

// counted learns from a moment at which a window was used up that has accepted so many
// requests per second of its length. That is exact to about one call.
func (l *learner) counted(m *moment, full float64) {
	if m.pace <= 1.001*l.limit {
		l.low, l.margin = 1, startMargin
		l.limit, l.unsure = min(l.limit, full), min(unsureAfter(full*window), 4*leastUnsure)
	} else {
		l.low, l.margin = 0, max(0.9*l.margin, minMargin)
		l.limit, l.unsure = max(l.limit, full), leastUnsure
	}
	l.guessed, l.trial = false, trial{}
	l.changed(m)
}

// brief reports whether the pauses of the moment are as short as those of a bucket. Those
// of a window may be as long as it is.
func (l *learner) brief(m *moment) bool {
	return l.resting-m.before < max(bucketRest/l.limit, 2*minPause.Seconds())
}

// least returns what the limit is at least if it is a window that was used up: what was
// accepted within its length; 0 if the moment shows no window.
func (l *learner) least(m *moment) (perSecond float64) {
	if l.brief(m) {
		return 0
	}
	for _, s := range []*span{&l.last, &l.change} {
		if calls, _, seconds := s.accepted(m.n-1, m.at); seconds <= window {
			perSecond = max(perSecond, calls/window)
		}
	}
	return perSecond
}

// changed notes that the limit may have changed before a moment, and is measured from it on.
func (l *learner) changed(m *moment) { l.change = span{from: l.resume, n: m.n} }

// below learns from the second and further moments below the limit, soon after each other:
// the limit is now what was accepted since the first of them, and at most one call more.
func (l *learner) below(m *moment, clean bool) {
	l.low++
	// The pauses of a window say nothing about when the limit fell.
	for _, s := range []*span{&l.last, &l.lately} {
		_, rate, _ := l.change.accepted(m.n-1, l.resume)
		if n, since, _ := s.accepted(m.n-1, l.resume); l.brief(m) && clean && n > 0 && since*(1+1/n) < fell*rate {
			l.change = *s // the limit fell only then
		}
	}
	step := 0.985
	if l.low > 8 { // the measurement does not follow
		step = 0.97
	}
	if l.named && l.pause < 2.5/l.limit {
		l.change.spare += roundedUp
	}
	calls, _, seconds := l.change.accepted(m.n-1, l.resume)
	if clean && calls > 0 {
		l.limit = min((calls+1)/(seconds-l.change.spare), step*l.limit)
	} else {
		l.limit *= 0.85
	}
	l.unsure = max(unsureAfter(calls), 2*leastUnsure)
	l.trial = trial{}
}

// above learns from a moment above the limit. If the climb has ended where climbs end when
// the limit is right, that confirms it. Otherwise it is raised to what was accepted lately.
func (l *learner) above(m *moment) {
	calls, since, seconds := l.last.accepted(m.n-1, l.resume)
	_, changed, _ := l.change.accepted(m.n-1, l.resume)
	l.low = 0
	l.margin = max(0.9*l.margin, minMargin)
	ratio := m.pace / l.limit
	before := m.climb.before(l.limit, l.margin)
	if calls > 0 && calls < 100 {
		since *= (calls - 1) / calls
	}
	l.limit = max(l.limit, since, changed)

	lately := m.climb.recent(mark{l.resume, m.n, l.idle})
	// After several pauses in vain, the last one ends with the window.
	if !l.named && m.count < 3 || l.named && l.pause < 2.5/l.pace.rate { // the pause is longer than what was missing
		lately = (lately + m.climb.recent(mark{m.at, m.n, l.idle})) / 2
	}
	rested := l.resting > 0.05*seconds
	known := lately > 0
	switch {
	case known:
	case seconds >= window-5 && rested:
		lately, known = l.limit, true
	default:
		lately = (l.limit + before) / 2
	}
	usual := ratio <= 1.015+1.2*max(0, l.trial.usual-1)
	if !usual && known && before > 1.01*l.limit && !rested {
		lately = max(lately, 1.01*l.limit)
	}
	switch {
	case usual || known && lately <= 1.005*l.limit:
		l.unsure = max(l.unsure/2, leastUnsure)
		l.trial = trial{usual: 1 + 0.95*(l.trial.usual-1)}
	case lately <= l.limit:
		l.unsure = max(l.unsure/2, leastUnsure)
	case known && lately > 1.3*l.limit:
		l.limit, l.unsure = lately, 6*leastUnsure
		l.trial, l.jump = trial{}, jump{at: l.resume, limit: lately}
		l.changed(m)
	default:
		l.trial.from, l.trial.ratio = l.limit, ratio
		l.unsure = between((lately-l.limit)/l.limit/2, leastUnsure, 4*leastUnsure)
		l.limit = lately
	}
}

// unsureAfter returns how unsure a measurement over some calls is: it may be wrong by one.
func unsureAfter(calls float64) float64 { return between(1/max(calls, 1), leastUnsure, mostUnsure) }
