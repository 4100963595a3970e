package dispatch

import (
	"math"
	"time"
)

// learner learns at which rate Chert accepts requests, from its 429s alone, and paces
// requests just below that.
//
// At a 429 the server's bucket is empty, or its window is full. So what it has accepted
// between two of them, over the time, is never more than its limit. It is less if requests
// went out so slowly that its bucket was full for a while.
//
// After a 429, requests keep just below the learned limit: the hold. Then a climb probes
// whether more is accepted, in steps that double, until the next 429. If that comes above
// the learned limit, it confirms the limit or shows a higher one. If it comes below, Chert
// has lowered its limit, or it was learned too high.
//
// A measurement begins at a 429, and never at the start of the process: nothing is known
// about the server's bucket then. The learner reads no clock. Its zero value has learned
// nothing and holds nothing back.
type learner struct {
	limit  float64   // requests per second; 0: nothing is learned
	unsure float64   // by how much limit may be wrong, as a share of it
	margin float64   // how far below limit the hold is, as a share of it
	at     time.Time // of the last 429 that limit was learned from

	pace    bucket
	climb   climb
	windows windows

	sent   int64        // number of the last request; requests that were given back are counted
	latest [8]time.Time // when the latest requests went out, by their numbers modulo 8
	idle   float64      // seconds so far in which no request waited for the pace
	first  span         // since the first request, or the first after a rest; nothing is known about the bucket then
	last   span         // since the last moment of 429s
	lately span         // since the first of up to four moments below the limit
	change span         // since the moment at which the limit may have changed

	moment  moment
	known   int64 // number of the last request when the last 429 came in
	guessed bool  // limit is a guess: there was one moment
	echoed  bool  // the last moment had an echo
	long    bool  // the last moment had longer pauses than those of a bucket

	pause   float64   // length of the last pause, in seconds
	named   bool      // Chert named its length
	resume  time.Time // when it ends
	resting float64   // length of all pauses since the last moment, in seconds

	low  int     // how many moments in a row came below the limit
	hits float64 // 429s of a moment, on average, for the length of the hold
	hit  int     // 429s of the last moment

	proven float64 // rate that was accepted before the last moment, for a minute or longer; 0: not known
	trial  trial
	jump   jump
}

// trial is a limit that was raised to see whether requests at that rate are accepted.
type trial struct {
	from  float64 // the limit before; 0: there is no trial
	ratio float64 // where the climb before it ended, as a multiple of from
	usual float64 // where climbs end when the limit is right, by a trial that failed; 0: not known
}

// jump is a much higher limit that was found.
type jump struct {
	at    time.Time
	limit float64
}

// span counts what is sent from a moment on.
type span struct {
	from time.Time // zero: there was no such moment
	n    int64     // requests up to this number are not counted
	void int64     // later requests that were not accepted
	idle float64   // seconds in which no request waited for the pace

	spare float64 // by how many seconds pauses were too long
}

func (s *span) set() bool { return !s.from.IsZero() }

// accepted returns how many requests up to number n were accepted, how many that is per
// second until a time, and in how many seconds; zeros if the span is not set.
func (s *span) accepted(n int64, until time.Time) (calls, perSecond, seconds float64) {
	if !s.set() {
		return 0, 0, 0
	}
	calls, seconds = float64(n-s.n-s.void), until.Sub(s.from).Seconds()
	if calls > 0 && seconds > 0 {
		perSecond = calls / seconds
	}
	return calls, perSecond, seconds
}

// send notes a request that goes out. It returns its number, and the pace that it goes by.
func (l *learner) send(now time.Time) (n int64, pace float64) {
	// Until something is learned, what went out before a rest says nothing about what comes
	// after it.
	size := int64(len(l.latest))
	if before := l.latest[(l.sent+size-1)%size]; !l.first.set() || l.limit <= 0 && now.Sub(before) > pressedFor {
		l.first = span{from: now, n: l.sent}
	}
	l.latest[l.sent%size] = now
	if l.moment.n == 0 {
		l.windows.next(now, l.sent)
	}
	l.sent++
	if l.limit > 0 {
		l.pace.tokens--
		l.climb.note(now)
	}
	return l.sent, l.pace.rate
}

// wait returns how long it is until the next request may go out; 0: now.
func (l *learner) wait(now time.Time) time.Duration {
	if l.limit <= 0 {
		return 0
	}
	if now.Before(l.at) { // the clock was set back
		l.at, l.last, l.change, l.jump, l.windows = now, span{}, span{}, jump{}, windows{}
	}
	l.advance(now)
	if last := l.pace.last; !last.IsZero() && now.After(last) {
		full := l.pace.tokens + now.Sub(last).Seconds()*l.pace.rate
		if over := full - l.pace.burst; over > 0 {
			idle := over / l.pace.rate
			l.idle += idle
			l.last.idle += idle
			l.change.idle += idle
			l.lately.idle += idle
			l.climb.idle += idle
		}
	}
	return l.pace.wait(now)
}

// void notes that the request with the number n was not accepted.
func (l *learner) void(n int64) {
	for _, s := range []*span{&l.first, &l.last, &l.lately, &l.change, &l.windows.now} {
		if n > s.n {
			s.void++
		}
	}
}

// takeBack notes that the request with the number n did not go out; 0: it has none.
func (l *learner) takeBack(n int64) {
	if n > 0 {
		l.void(n)
		l.pace.tokens = min(l.pace.tokens+1, l.pace.burst)
	}
}

// rest notes that no request goes out until a time, because of a 429. With named, Chert has
// named the time.
func (l *learner) rest(now, until time.Time, named bool) {
	begins := now
	if l.resume.After(now) {
		begins = l.resume
	}
	l.resting += max(0, until.Sub(begins).Seconds())
	l.pause, l.resume, l.named = until.Sub(now).Seconds(), until, named
	l.pace.last = until
	// A sliding window has room for one more request than before, and its rhythm is that
	// of a minute ago: the first request waits longer. Where the limit may be lower, it
	// shows how low, and does not.
	l.pace.tokens = 0
	if l.moment.pace <= l.limit {
		l.pace.tokens = 1
	}
	l.climb.from, l.climb.idle = until, 0
}

// setPace begins a hold.
func (l *learner) setPace() {
	l.climb = climb{from: l.climb.from}
	l.setRate()
}

// setRate sets the pace to that of the climb's level. Its burst is what is needed to catch
// up when a timer was late: the server's own may be 1.
func (l *learner) setRate() {
	l.pace.rate = l.climb.pace(l.limit, l.margin)
	l.pace.burst = max(1, l.pace.rate*lateness)
	l.pace.tokens = min(l.pace.tokens, l.pace.burst)
}

func between(x, least, most float64) float64 { return math.Min(math.Max(x, least), most) }
