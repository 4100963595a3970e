package dispatch

import "time"

// moment has the 429s of one moment: those of requests that were in flight together, and
// those that follow until a request is accepted again. They count once.
type moment struct {
	n      int64     // number of the first request that was refused; 0: there is no moment now
	at     time.Time // when it went out
	pace   float64   // by which it went out; 0: by none
	tried  time.Time // when the last request that was refused went out
	before float64   // length of the pauses before the moment that still count, in seconds
	waits  float64   // length of the pauses after which requests were still refused, in seconds
	count  int       // 429s
	climb  climb     // as it was
}

// refuse notes a 429 of the request with the number n that went out at a time by a pace,
// under a ceiling of requests per second.
func (l *learner) refuse(n int64, at time.Time, pace, ceiling float64) {
	m := &l.moment
	switch {
	case m.n == 0 && n <= l.known:
		l.void(n) // its moment has passed
		return
	case m.n == 0:
		*m = moment{n: n, at: at, tried: at, pace: pace, climb: l.climb, before: l.resting}
		l.setPace()
	case n < m.n:
		m.n, m.at, m.pace = n, at, pace
	}
	if m.count > 0 && n > l.known { // it went out after the last pause
		m.waits = l.resting - m.before
	}
	if at.After(m.tried) {
		m.tried = at
	}
	m.count++
	l.known = l.sent
	if !l.last.set() && (l.limit <= 0 || l.guessed) {
		l.guess(ceiling)
	}
}

// guess sets a limit to begin with, by what was accepted until the first moment. It is not
// a measurement. If few requests went out before, that says nothing about how many would
// have been accepted: then half of the ceiling is a better guess.
func (l *learner) guess(ceiling float64) {
	calls, _, seconds := l.first.accepted(l.moment.n-1, l.moment.at)
	l.guessed = true
	l.limit = max(calls, 1) / max(1, seconds)
	if oldest := l.latest[l.sent%int64(len(l.latest))]; oldest.IsZero() || l.moment.at.Sub(oldest) > pressedFor {
		l.limit = max(l.limit, ceiling/2)
	}
	l.unsure, l.low, l.margin = mostUnsure, 1, startMargin
	l.setRate()
}

// full returns how long a window that is used up refuses requests from now on, as far as is
// known; 0: not at all. It is for answers that do not name the time.
//
// A bucket would soon have had room for some calls again. So if they are refused for longer
// than that, it is a window that is used up. A window whose boundaries were seen is used up
// when it has accepted about what the limit allows. If it has accepted less, the limit may
// be of another kind now, and its end is looked for.
func (l *learner) full(now time.Time) time.Duration {
	w, m := &l.windows, &l.moment
	if m.n == 0 || !w.now.set() || now.Sub(m.at).Seconds() > window {
		return 0
	}
	rate, known := w.counted(m)
	expected := w.seen && known && rate >= 0.9*l.limit
	if !expected && m.waits < bucketRest/l.limit {
		return 0
	}
	return w.usedUp(m, expected || !w.seen).Sub(now)
}

// accept notes that the request with the number n, which went out at a time, was answered,
// and not by a 429. If it went out after the pause, the moment is over.
func (l *learner) accept(n int64, at time.Time) {
	if l.moment.n > 0 && n > l.known {
		l.conclude(at)
	}
}

// conclude learns from the moment that is over, as a request was accepted that went out at a
// time.
func (l *learner) conclude(accepted time.Time) {
	m := l.moment
	l.moment = moment{}
	calls, rate, seconds := l.last.accepted(m.n-1, l.resume)
	void := int64(m.count - 1)
	brief := l.brief(&m)
	// What a sliding window accepts within a minute of being used up has gaps.
	gap := l.long && brief && seconds < window
	if l.last.set() && (calls <= 0 || gap || calls < echo && l.low == 0 && !l.echoed) {
		l.echoed = true
		l.hit += m.count
		l.last.void += void + 1
		l.change.void += void + 1
		l.lately.void += void + 1
		l.setPace()
		return
	}
	l.echoed, l.long = false, !brief
	full, known := l.windows.counted(&m)
	end, early := accepted, accepted.Sub(m.tried).Seconds()
	if l.named { // in whole seconds, from the refusal on
		end, early = l.resume, l.resume.Sub(m.tried).Seconds()+1-l.pause
	}
	known = l.windows.end(&m, end, early) && known
	if l.hit > 0 {
		l.hits += (min(float64(l.hit), mostHits) - l.hits) / 4
	}
	l.hit = m.count
	if known {
		l.counted(&m, full)
	} else {
		l.measure(&m)
	}
	l.last = span{from: l.resume, n: m.n, void: void}
	if l.change.n == m.n {
		l.change = l.last
	} else {
		l.change.void += void + 1
	}
	if l.low < 2 || l.low%4 == 0 {
		l.lately = l.last
	} else {
		l.lately.void += void + 1
	}
	l.proven = 0
	if seconds >= window {
		l.proven = rate
	}
	l.resting, l.at = 0, m.at
	l.setPace()
}
