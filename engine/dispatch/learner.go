package dispatch

import (
	"math"
	"time"
)

// learner learns at which rate Chert accepts calls, from the 429s alone, and paces calls
// just below that. At a 429 the server's bucket is empty, or its window is full. So
// between two 429s it has accepted what it allows in that time, less what it could have
// accepted while calls were slower than that: what was accepted is never more than the limit.
//
// After a 429 calls keep just below the learned limit: the hold. Then the climb probes
// whether more is accepted: in small steps at first, each twice the one before, until the
// next 429. If that comes while calls go out above the learned limit, it was expected and
// confirms the limit. Otherwise the limit was lowered.
//
// A measurement begins at a 429 and never at the start of the process, when nothing is
// known about the server's bucket. The learner reads no clock. Its zero value has learned
// nothing, and holds nothing back.
type learner struct {
	limit  float64   // calls per second; 0: nothing is learned
	unsure float64   // by how much the limit may be wrong, as a share of it
	jumped time.Time // when a much higher limit was found
	found  float64   // and which
	proven float64   // what was accepted per second until the last moment, for a minute at least; 0: not known
	trial  float64   // the limit before it was raised for a trial; 0: it was not
	tried  float64   // where the climb before the trial ended
	usual  float64   // at which pace above the limit 429s come, as a multiple of it
	margin float64   // how far below the limit the hold stays, as a share of it

	pace  bucket
	climb climb
	sent  int64 // requests so far, also those that were given back

	last    span      // since the last moment with 429s
	change  span      // since the moment at which the limit may have changed
	began   time.Time // when the first request went out
	known   int64     // what was sent when the last 429 came in: up to here it is one moment
	guessed bool      // the limit is a guess
	moment  moment    // the one whose pause lasts
	echoed  bool
	low     int       // moments in a row that were not expected
	hits    float64   // 429s of a moment, on average
	hit     int       // 429s of the last one
	resume  time.Time // when the last pause ends
	resting float64   // seconds of pauses since the last moment
	rested  float64   // seconds of the last pause
	at      time.Time // when the limit was last measured
}

// span counts what went out since a 429.
type span struct {
	from time.Time // when the refused call went out; zero: there was none
	n    int64     // its number
	void int64     // later requests that were not accepted
	idle float64   // seconds in which more could have gone out
}

// rate returns how many requests were accepted up to request n at a time, and how many per
// second; 0 if it is not known.
func (s *span) rate(at time.Time, n int64) (calls, rate float64) {
	if !s.set() {
		return 0, 0
	}
	calls = float64(n - s.n - s.void)
	if seconds := at.Sub(s.from).Seconds(); seconds > 0 {
		rate = calls / seconds
	}
	return calls, rate
}

// sentNow notes a request that goes out, and returns its number.
func (l *learner) sentNow(now time.Time) (n int64, pace float64) {
	l.sent++
	if l.sent == 1 {
		l.began = now
	}
	if l.limit > 0 {
		l.pace.tokens--
		l.press(now)
	}
	return l.sent, l.pace.rate
}

// wait returns how long it is until the next request may go out; 0: now.
func (l *learner) wait(now time.Time) time.Duration {
	if l.limit <= 0 {
		return 0
	}
	l.advance(now)
	before := l.pace.last
	if !before.IsZero() && now.After(before) {
		full := l.pace.tokens + now.Sub(before).Seconds()*l.pace.rate
		if over := full - l.pace.burst; over > 0 {
			l.idle(over / l.pace.rate)
		}
	}
	return l.pace.wait(now)
}

// idle notes seconds in which nothing waited for the pace.
func (l *learner) idle(seconds float64) {
	l.last.idle += seconds
	l.change.idle += seconds
	l.climb.idle += seconds
}

// voided notes that a request was not accepted.
func (l *learner) voided(n int64) {
	if n > l.last.n {
		l.last.void++
	}
	if n > l.change.n {
		l.change.void++
	}
}

// returned notes that a request did not go out.
func (l *learner) returned(n int64) {
	if n == 0 {
		return
	}
	l.voided(n)
	l.pace.tokens = min(l.pace.tokens+1, l.pace.burst)
}

// rest notes that no request goes out until then.
func (l *learner) rest(until time.Time, seconds float64) {
	l.rested = seconds
	l.resting += seconds
	l.resume = until
	l.pace.tokens, l.pace.last = 0, until
	l.climb.from, l.climb.idle = until, 0
}

// moment is a moment at which requests were refused. Those that were in flight then may
// still be.
type moment struct {
	n      int64     // the first request that was refused; 0: there is no such moment
	at     time.Time // when it went out
	pace   float64   // at that time
	count  int       // 429s
	before float64   // the pace of the level before
	recent climb
}

// refused notes a 429 of the request with the number n that went out at a time with a pace.
// Those that follow before a request is accepted again are of the same moment.
func (l *learner) refused(n int64, at time.Time, pace float64) {
	m := &l.moment
	switch {
	case m.n == 0 && n <= l.known:
		l.voided(n) // too late for its moment
		return
	case m.n == 0:
		*m = moment{n: n, at: at, pace: pace, before: l.climb.before(l), recent: l.climb}
		l.climb = climb{from: l.climb.from}
		l.setRate()
	case n < m.n:
		m.n, m.at, m.pace = n, at, pace
	}
	m.count++
	l.known = l.sent
	if !l.last.set() && (l.limit <= 0 || l.guessed) {
		l.guess(m)
	}
}

// guess sets a limit to begin with, from what was accepted so far. It is no measurement.
func (l *learner) guess(m *moment) {
	l.guessed = true
	l.limit = max(float64(m.n-1), 1) / max(1, m.at.Sub(l.began).Seconds())
	l.unsure, l.low, l.margin = mostUnsure, 1, startMargin
	l.setRate()
}

// accepted notes an answer to the request with the number n that is no 429. If it went out
// after a pause, what refused requests before it has passed.
func (l *learner) accepted(n int64) {
	if l.moment.n > 0 && n > l.known {
		l.conclude()
	}
}

// conclude learns from a moment.
func (l *learner) conclude() {
	m := l.moment
	l.moment = moment{}
	calls := m.n - 1 - l.last.n - l.last.void
	void := int64(m.count - 1)
	if l.last.set() && (calls <= 0 || calls < echo && l.low == 0 && !l.echoed) {
		l.echoed = true
		l.hit += m.count
		l.last.void += void + 1
		l.change.void += void + 1
		l.setPace()
		return
	}
	l.echoed = false
	if l.hit > 0 {
		l.hits += (min(float64(l.hit), 3) - l.hits) / 4
	}
	l.hit = m.count
	since := 0.0
	if c, r := l.last.rate(l.resume, m.n-1); c > 0 && l.resume.Sub(l.last.from) >= time.Minute {
		since = r
	}
	l.measure(&m, m.n, l.resume, m.pace)
	l.last = span{from: l.resume, n: m.n, void: void}
	if l.change.n == m.n {
		l.change.void = void
	} else {
		l.change.void += void + 1
	}
	l.proven = since
	l.resting = 0
	l.at = m.at
	l.setPace()
}

func (s *span) set() bool { return !s.from.IsZero() }

// echo is how many calls may be accepted until a 429 still belongs to the one before.
const echo = 5

// measure takes the limit from what was accepted since earlier 429s.
func (l *learner) measure(m *moment, n int64, at time.Time, pace float64) {
	defer func() {
		if at.Sub(l.at) < time.Minute {
			l.limit = max(l.limit, 0.85*l.proven)
		}
		// What a window has accepted in it goes out of it in the same rhythm.
		if !l.jumped.IsZero() && at.Sub(l.jumped) < time.Minute {
			l.limit = max(l.limit, 0.85*l.found)
		}
	}()
	calls, since := l.last.rate(at, n-1)
	changeCalls, changed := l.change.rate(at, n-1)
	clean := l.last.set() && calls > 0 && l.last.idle < 0.1*at.Sub(l.last.from).Seconds()
	here := span{from: at, n: n}
	switch {
	case l.guessed:
		l.guessed, l.change = false, here
	case pace > l.limit*1.001 && !(clean && since < 0.9*l.limit && l.resting > 0.4*at.Sub(l.last.from).Seconds()):
		l.above(m, n, at, pace, calls, since, changeCalls, changed)
	case l.trial > 0 && calls > 0 && l.low == 0:
		// The limit was raised to see whether calls at that rate are accepted.
		raised := l.limit
		l.limit = between(since*(1+1/calls), max(l.trial, min(0.97*l.proven, raised*0.99)), raised*0.99)
		l.usual = l.tried * l.trial / l.limit
		l.unsure = max(l.unsure/2, unsureAfter(calls))
		l.trial = 0
		l.change = here
	default:
		soon := calls < 60 || at.Sub(l.last.from) < time.Minute+10*time.Second
		if l.last.set() && l.low > 0 && soon {
			l.low++
			switch {
			case !clean:
				l.limit *= 0.85
			default:
				l.limit = min(changed*(1+1/changeCalls), l.limit*0.985)
			}
			l.unsure = max(unsureAfter(changeCalls), 0.01)
			l.usual, l.trial = 0, 0
			break
		}
		l.low = 1
		floor := 0.97 * l.proven
		defer func() { l.limit = max(l.limit, floor) }()
		l.margin = min(l.margin+0.005, mostMargin)
		if clean && calls >= 8 {
			l.unsure = max(unsureAfter(calls), 0.01)
			l.limit = min(since*(1+1/calls), l.limit*0.99)
		} else {
			l.limit *= 0.97
			l.unsure = min(mostUnsure, max(l.unsure*2, 0.01))
		}
		l.change = here
	}
}

// above learns from a 429 at a pace above the limit.
func (l *learner) above(m *moment, n int64, at time.Time, pace, calls, since, changeCalls, changed float64) {
	l.low = 0
	l.margin = max(l.margin*0.9, minMargin)
	ratio := pace / l.limit
	before := m.before
	if calls > 0 && calls < 100 {
		since *= (calls - 1) / calls
	}
	l.limit = max(l.limit, since, changed)
	target := (m.recent.recent(at, n) + m.recent.recent(m.at, n)) / 2
	known := target > 0
	if length := at.Sub(l.last.from); !known && length >= 55*time.Second && l.resting > 0.05*length.Seconds() {
		target, known = l.limit, true
	}
	if !known {
		target = (l.limit + before) / 2
	}
	switch {
	case ratio <= 1.015+1.2*max(0, l.usual-1) || known && target <= 1.005*l.limit:
		l.usual = 1 + (l.usual-1)*0.95
		l.unsure = max(l.unsure/2, leastUnsure)
		l.trial = 0
	case target <= l.limit:
		l.unsure = max(l.unsure/2, leastUnsure)
	case known && target > 1.3*l.limit:
		l.limit = target
		l.unsure, l.change = 0.04, span{from: at, n: n}
		l.usual, l.trial = 0, 0
		l.jumped, l.found = at, l.limit
	default:
		l.trial = l.limit
		l.limit = target
		l.tried = ratio
		l.unsure = between((target-l.trial)/l.trial/2, leastUnsure, mostUnsure)
	}
}

// unsureAfter returns how unsure a measurement over some calls is.
func unsureAfter(calls float64) float64 { return between(1/max(calls, 1), leastUnsure, mostUnsure) }

const (
	startMargin = 0.015
	minMargin   = 0.01
	mostMargin  = 0.06
	leastUnsure = 0.005
	mostUnsure  = 0.125
)

func between(x, least, most float64) float64 { return math.Min(math.Max(x, least), most) }
