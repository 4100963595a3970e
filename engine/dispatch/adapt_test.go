package dispatch

import (
	"container/heap"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"chertd/engine/chert"
)

var shapeSeeds = flag.Int("shapes", 1, "seeds for each shape of limit")

// limiter is a limit of a simulated server.
type limiter interface {
	// take takes a request, or refuses it with the time after which to come again; 0: it
	// does not say.
	take(now float64) (ok bool, retryAfter float64)
	set(rate float64) // calls per second
}

// serverBucket is a token bucket.
type serverBucket struct {
	rate, burst, tokens, last float64 // burst in seconds of the rate
}

// most is how many tokens the bucket holds.
func (b *serverBucket) most() float64 { return max(1, b.rate*b.burst) }

func (b *serverBucket) set(rate float64) { b.rate = rate }

func (b *serverBucket) take(now float64) (bool, float64) {
	b.tokens = min(b.tokens+(now-b.last)*b.rate, b.most())
	b.last = now
	if b.tokens >= 1 {
		b.tokens--
		return true, 0
	}
	return false, math.Ceil((1 - b.tokens) / b.rate)
}

// fixedWindow accepts so many requests in each minute.
type fixedWindow struct {
	rate  float64
	tell  bool    // say when the next window begins
	phase float64 // when the first one begins
	at    float64 // when this one began
	count int     // accepted in it
}

func (w *fixedWindow) set(rate float64) { w.rate = rate }

func (w *fixedWindow) take(now float64) (bool, float64) {
	begins := math.Floor((now-w.phase)/window)*window + w.phase
	if begins != w.at {
		w.at, w.count = begins, 0
	}
	if w.count < int(w.rate*window+0.5) {
		w.count++
		return true, 0
	}
	if !w.tell {
		return false, 0
	}
	return false, math.Ceil(begins + window - now)
}

// slidingWindow accepts so many requests in any minute.
type slidingWindow struct {
	rate float64
	tell bool
	sent []float64
}

func (w *slidingWindow) set(rate float64) { w.rate = rate }

func (w *slidingWindow) take(now float64) (bool, float64) {
	for len(w.sent) > 0 && w.sent[0] <= now-window {
		w.sent = w.sent[1:]
	}
	n := int(w.rate*window + 0.5)
	if len(w.sent) < n {
		w.sent = append(w.sent, now)
		return true, 0
	}
	if !w.tell {
		return false, 0
	}
	return false, math.Ceil(w.sent[len(w.sent)-n] + window - now)
}

// happening is something at a time of the simulation.
type happening struct {
	at float64
	n  int
	do func()
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].n < h[j].n
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// loop is a daemon with calls to make, a network and a server with a limit.
type loop struct {
	gov     *Governor
	server  limiter
	dice    *rand.Rand
	now     float64
	agenda  happenings
	n       int
	flying  int
	demand  func(now float64) bool // whether a call is due
	wakes   int
	made    []int // accepted, by second
	refused []int
	rate    float64
}

const onWire = 32

func (l *loop) after(d float64, do func()) {
	l.n++
	heap.Push(&l.agenda, happening{l.now + d, l.n, do})
}

func (l *loop) time() time.Time { return epoch.Add(time.Duration(l.now * 1e9)) }

func (l *loop) run(until float64) {
	for len(l.agenda) > 0 && l.agenda[0].at <= until {
		h := heap.Pop(&l.agenda).(happening)
		l.now = h.at
		h.do()
	}
	l.now = until
}

func (l *loop) count(list *[]int) {
	s := int(l.now)
	for len(*list) <= s {
		*list = append(*list, 0)
	}
	(*list)[s]++
}

// try makes calls until one has to wait.
func (l *loop) try() {
	for l.flying < onWire && l.demand(l.now) {
		permit, wait := l.gov.Admit(l.time())
		if wait > 0 {
			l.again(wait.Seconds() + 0.001*l.dice.Float64())
			return
		}
		l.flying++
		l.after(0.03+0.03*l.dice.Float64(), func() {
			ok, retryAfter := l.server.take(l.now)
			if ok {
				l.count(&l.made)
			} else {
				l.count(&l.refused)
			}
			l.after(0.03+0.06*l.dice.Float64(), func() {
				l.flying--
				var err *chert.Error
				if !ok {
					err = &chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: time.Duration(retryAfter) * time.Second}
				}
				l.gov.Answered(l.time(), permit, "c", err)
				l.again(0)
			})
		})
	}
}

// again tries after a time, and not any more when it was going to.
func (l *loop) again(d float64) {
	l.wakes++
	wake := l.wakes
	l.after(d, func() {
		if wake == l.wakes {
			l.try()
		}
	})
}

func sum(list []int, from, to float64) (n float64) {
	for s := int(from); s < int(to) && s < len(list); s++ {
		n += float64(list[s])
	}
	return n
}

// figures returns the goodput and the share of 429s between two times.
func (l *loop) figures(from, to float64) (goodput, share float64) {
	made, refused := sum(l.made, from, to), sum(l.refused, from, to)
	return made / (l.rate * (to - from)), refused / max(1, made+refused)
}

// settled returns how long it takes from a time until the goodput is as required for five
// minutes or 200 calls, and all further calls are within the budget of 429s.
func (l *loop) settled(from, to, goodput float64) float64 {
	length := max(300, 200/l.rate)
	for t := from; t+length <= to; t++ {
		good, _ := l.figures(t, t+length)
		if _, share := l.figures(t, to); good >= goodput && share <= 0.01 {
			return t - from
		}
	}
	return math.Inf(1)
}

// shape is a limit of a server, and the least goodput that is required of it.
type shape struct {
	name    string
	rate    float64 // per second
	goodput float64
	server  func(dice *rand.Rand) limiter
}

func shapes() (list []shape) {
	for _, rate := range []float64{0.5, 1, 2, 5, 10, 20, 50} {
		for _, burst := range []float64{1, 2, 5} {
			good := 0.95
			if burst == 1 {
				good = 0.90
			}
			list = append(list, shape{fmt.Sprintf("bucket %v/s, burst %v s", rate, burst), rate, good, func(*rand.Rand) limiter {
				return &serverBucket{rate: rate, burst: burst, tokens: burst * rate}
			}})
		}
	}
	for _, n := range []float64{60, 600} {
		for _, tell := range []bool{true, false} {
			says := map[bool]string{true: "retry_after", false: "no retry_after"}[tell]
			list = append(list, shape{fmt.Sprintf("fixed window %v/min, %s", n, says), n / 60, 0.95, func(dice *rand.Rand) limiter {
				return &fixedWindow{rate: n / 60, tell: tell, phase: 60*dice.Float64() - 60}
			}}, shape{fmt.Sprintf("sliding window %v/min, %s", n, says), n / 60, 0.95, func(*rand.Rand) limiter {
				return &slidingWindow{rate: n / 60, tell: tell}
			}})
		}
	}
	return list
}

// budget is what must hold of a phase of a simulation.
type budget struct {
	goodput float64 // least
	refused float64 // largest share of calls answered 429
	settled float64 // seconds at most
}

// outcome is the worst of some simulations.
type outcome struct{ goodput, refused, settled float64 }

func (o *outcome) add(goodput, refused, settled float64) {
	if o.goodput == 0 || goodput < o.goodput {
		o.goodput = goodput
	}
	o.refused, o.settled = max(o.refused, refused), max(o.settled, settled)
}

// What Chert allows is learned from its 429s alone, whatever its limit looks like, and again
// when it changes. With -v it prints the table of docs/speed.md.
func TestGovernorLearnsTheLimit(t *testing.T) {
	t.Parallel()
	if testing.Short() || raceEnabled {
		t.Skip("it simulates days, on one goroutine")
	}
	for _, s := range shapes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var steady, half, double outcome
			for seed := range *shapeSeeds {
				for _, factor := range []float64{0.5, 2} {
					dice := rand.New(rand.NewPCG(uint64(seed), uint64(factor*10)))
					l := newLoop(&s, dice)
					change := 900 + max(1200, 1500/s.rate) + 600*dice.Float64()
					l.run(change)
					goodput, refused := l.figures(900, change)
					steady.add(goodput, refused, 0)
					l.rate *= factor
					l.server.set(l.rate)
					after, o := 120.0, &half
					if factor > 1 {
						after, o = 900, &double
					}
					end := change + after + max(1200, 1500/l.rate)
					l.run(end)
					goodput, refused = l.figures(change+after, end)
					o.add(goodput, refused, l.settled(change, end, s.goodput))
				}
			}
			t.Logf("| %s | %.1f%% | %.2f%% | %.0f s | %.1f%% | %.2f%% | %.0f s | %.1f%% | %.2f%% |", s.name, 100*steady.goodput, 100*steady.refused,
				half.settled, 100*half.goodput, 100*half.refused, double.settled, 100*double.goodput, 100*double.refused)
			steady.check(t, "unchanged", budget{s.goodput, 0.01, 0})
			half.check(t, "halved", budget{s.goodput, 0.01, 120})
			double.check(t, "doubled", budget{s.goodput, 0.01, 900})
		})
	}
}

func (o *outcome) check(t *testing.T, limit string, b budget) {
	t.Helper()
	if o.goodput < b.goodput || o.refused > b.refused || o.settled > b.settled {
		t.Errorf("limit %s: goodput %.4f, refused %.4f, settled after %.0f s; want at least %v, at most %v and %v s",
			limit, o.goodput, o.refused, o.settled, b.goodput, b.refused, b.settled)
	}
}

func newLoop(s *shape, dice *rand.Rand) *loop {
	l := &loop{gov: NewGovernor(400, 20), server: s.server(dice), dice: dice, demand: func(float64) bool { return true }, rate: s.rate}
	l.gov.SetAdaptive(true)
	l.again(0)
	return l
}

func shapeOf(t *testing.T, name string) *shape {
	t.Helper()
	for _, s := range shapes() {
		if s.name == name {
			return &s
		}
	}
	t.Fatalf("there is no shape %q", name)
	return nil
}

// Calls that come for half a minute in two minutes are made at the learned rate while they
// come, and the idle time in between is not measured.
func TestGovernorLearnsFromPartTimeLoad(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"bucket 2/s, burst 2 s", "bucket 10/s, burst 2 s", "bucket 50/s, burst 5 s"} {
		l := newLoop(shapeOf(t, name), rand.New(rand.NewPCG(1, 1)))
		busy := func(now float64) bool { return math.Mod(now, 120) < 30 }
		l.demand = busy
		for at := 0.0; at < 4*3600; at += 120 {
			l.run(at)
			l.again(0)
		}
		var made, refused float64
		for at := 3600.0; at < 4*3600-120; at += 120 {
			made += sum(l.made, at, at+30)
			refused += sum(l.refused, at, at+30)
		}
		share := made / (l.rate * 30 * 89)
		if share < 0.9 || refused > 0.01*made {
			t.Errorf("%s: %.1f%% of what the limit allows in the busy half minutes, %.2f%% refused", name, 100*share, 100*refused/made)
		}
	}
}

// A restarted process continues with the learned rate. Neither the time that it was down nor
// the bucket that is full by then is a measurement.
func TestGovernorContinuesWithTheLearnedRate(t *testing.T) {
	t.Parallel()
	for _, down := range []float64{1, 60, 5 * 3600} {
		l := newLoop(shapeOf(t, "bucket 5/s, burst 2 s"), rand.New(rand.NewPCG(1, 1)))
		l.run(3600)
		kept := l.gov.Learned()
		if kept.Rate < 4.8 || kept.Rate > 5.1 {
			t.Fatalf("after an hour it has learned %+v", kept)
		}
		l.demand = func(float64) bool { return false }
		l.run(3600 + down)
		l.demand = func(float64) bool { return true }
		l.gov = NewGovernor(400, 20)
		l.gov.SetAdaptive(true)
		l.gov.RestoreLearned(kept)
		if got := l.gov.Learned(); got != kept {
			t.Errorf("it continues with %+v, want %+v", got, kept)
		}
		l.again(0)
		l.run(3600 + down + 600)
		if good, share := l.figures(3600+down+1, 3600+down+600); good < 0.95 || share > 0.01 {
			t.Errorf("down for %v s: goodput %.3f, %.3f%% refused", down, good, 100*share)
		}
		if now := l.gov.Learned(); now.Rate < 0.95*kept.Rate || now.Rate > 1.05*kept.Rate {
			t.Errorf("down for %v s: it learned %v, and had learned %v", down, now.Rate, kept.Rate)
		}
	}
}

// The ceiling holds whatever was learned, and adaptive off ignores what was learned.
func TestGovernorKeepsToTheLowerRate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		ceiling  float64
		learned  LearnedRate
		adaptive bool
		want     float64
		isLearnt bool
	}{
		{"learned", 50, LearnedRate{Rate: 5, Unsure: 0.005, At: epoch}, true, 5 * (1 - startMargin), true},
		{"no ceiling", 0, LearnedRate{Rate: 5, Unsure: 0.005, At: epoch}, true, 5 * (1 - startMargin), true},
		{"a lower ceiling", 2, LearnedRate{Rate: 5, Unsure: 0.005, At: epoch}, true, 2, false},
		{"off", 50, LearnedRate{Rate: 5, Unsure: 0.005, At: epoch}, false, 50, false},
		{"nothing", 50, LearnedRate{}, true, 50, false},
		{"nonsense", 50, LearnedRate{Rate: math.Inf(1)}, true, 50, false},
		{"not a number", 50, LearnedRate{Rate: math.NaN()}, true, 50, false},
		{"less than nothing", 50, LearnedRate{Rate: -1}, true, 50, false},
	} {
		g := NewGovernor(tc.ceiling, 1)
		g.SetAdaptive(tc.adaptive)
		g.RestoreLearned(tc.learned)
		if got, learned := g.Rate(); math.Abs(got-tc.want) > 1e-9 || learned != tc.isLearnt {
			t.Errorf("%s: at most %v, learned %t; want %v, %t", tc.name, got, learned, tc.want, tc.isLearnt)
		}
		now, calls := epoch, 0
		for now.Before(epoch.Add(time.Minute)) {
			if wait := admit(g, now); wait > 0 {
				now = now.Add(wait)
			} else {
				calls++
			}
		}
		if want := tc.want * 60; math.Abs(float64(calls)-want) > 2 {
			t.Errorf("%s: %d calls in a minute, want %v", tc.name, calls, want)
		}
	}
}

// 429s of calls that were in flight together, and those until a call is accepted again, are
// one moment, and a permit that was given back is not a call.
func TestGovernorCountsA429OfOneMomentOnce(t *testing.T) {
	t.Parallel()
	limit := &chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: time.Second}
	learn := func(together int) LearnedRate {
		g := NewGovernor(0, 1)
		g.SetAdaptive(true)
		now := epoch
		for range 6 {
			for range 10 {
				permit, wait := g.Admit(now)
				for ; wait > 0; permit, wait = g.Admit(now) {
					now = now.Add(wait)
				}
				g.Answered(now, permit, "c", nil)
			}
			var permits []Permit
			for range together {
				permit, wait := g.Admit(now)
				for ; wait > 0; permit, wait = g.Admit(now) {
					now = now.Add(wait)
				}
				permits = append(permits, permit)
			}
			spare, wait := g.Admit(now.Add(10 * time.Second))
			if wait == 0 {
				g.Return(spare)
			}
			for _, permit := range permits {
				g.Answered(now, permit, "c", limit)
			}
		}
		return g.Learned()
	}
	if one, many := learn(1), learn(2); one.Rate == 0 || many.Rate == 0 || many.Rate > 1.5*one.Rate || many.Rate < one.Rate/1.5 {
		t.Errorf("it learned %v from single 429s, and %v from two at a time", one.Rate, many.Rate)
	}
}

// A clock that is set back by hours neither stops calls nor is a measurement.
func TestGovernorLearnsAgainAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	g := NewGovernor(0, 1)
	g.SetAdaptive(true)
	g.RestoreLearned(LearnedRate{Rate: 5, Unsure: 0.005, At: epoch})
	admit(g, epoch)
	now, calls := epoch.Add(-6*time.Hour), 0
	for begin := now; now.Before(begin.Add(time.Minute)); {
		if wait := admit(g, now); wait > 0 {
			now = now.Add(wait)
		} else {
			calls++
		}
	}
	if calls < 290 || calls > 305 {
		t.Errorf("%d calls in the minute after the clock was set back, want about 296", calls)
	}
}

// Requests that are not calls are accepted by the same limit, and their 429s count as well.
func TestGovernorLearnsFromOtherRequests(t *testing.T) {
	t.Parallel()
	g := NewGovernor(0, 1)
	g.SetAdaptive(true)
	now := epoch
	for range 4 {
		for range 10 {
			wait, retry := g.Spend(now, false)
			for ; retry; wait, retry = g.Spend(now, false) {
				now = now.Add(wait)
			}
			now = now.Add(wait)
		}
		if !g.Limited(now, &chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: 10 * time.Second}) {
			t.Fatal("a 429 is not recognized")
		}
		permit, wait := g.Admit(now)
		for ; wait > 0; permit, wait = g.Admit(now) {
			now = now.Add(wait)
		}
		g.Answered(now, permit, "c", nil)
	}
	if r := g.Learned(); r.Rate < 0.5 || r.Rate > 1.5 {
		t.Errorf("10 of 11 requests are accepted each 10 s, and it has learned %+v", r)
	}
}

// One 429 while few requests go out says little: what is due later goes out at no less than
// half of the ceiling.
func TestOneRefusalOfFewRequestsSaysLittle(t *testing.T) {
	t.Parallel()
	g := NewGovernor(10, 20)
	g.SetAdaptive(true)
	now := time.Unix(1_800_000_000, 0)
	for range 4 {
		permit, wait := g.Admit(now)
		if wait > 0 {
			t.Fatalf("a call waits %v", wait)
		}
		now = now.Add(4 * time.Second)
		g.Answered(now, permit, "c", nil)
	}
	if wait, _ := g.Spend(now, false); wait > 0 {
		t.Fatalf("a request of the events log waits %v", wait)
	}
	g.Limited(now, &chert.Error{Status: 429, Code: chert.CodeRateLimited, RetryAfter: time.Second, Retryable: true})
	now = now.Add(time.Second)
	began, sent := now, 0
	for sent < 40 {
		permit, wait := g.Admit(now)
		if wait > 0 {
			now = now.Add(wait)
			continue
		}
		sent++
		g.Answered(now, permit, "c", nil)
	}
	if took := now.Sub(began); took > 9*time.Second {
		t.Errorf("40 calls took %v after one 429, with a ceiling of 10/s", took)
	}
}

// A burst after a long rest meets a limit: what went out before the rest, and the rest, say
// nothing about it. Calls soon go out as the limit allows.
func TestBurstAfterARestLearnsTheLimit(t *testing.T) {
	t.Parallel()
	g := NewGovernor(50, 50)
	g.SetAdaptive(true)
	server := &serverBucket{rate: 5, burst: 2, tokens: 10}
	epoch := time.Unix(1_800_000_000, 0)
	now, accepted, refused := epoch, 0, 0
	call := func() {
		permit, wait := g.Admit(now)
		if wait > 0 {
			now = now.Add(wait)
			return
		}
		var failed *chert.Error
		if ok, after := server.take(now.Sub(epoch).Seconds()); ok {
			accepted++
		} else {
			refused++
			failed = &chert.Error{Status: 429, Code: chert.CodeRateLimited, RetryAfter: time.Duration(after) * time.Second, Retryable: true}
		}
		now = now.Add(time.Millisecond)
		g.Answered(now, permit, "c", failed)
	}
	call() // a request at the start, and a minute without any
	now = now.Add(time.Minute)
	for began := now; now.Before(began.Add(time.Minute)); {
		call()
	}
	if accepted < 5*60*85/100 || refused > 10 {
		t.Errorf("in a minute after the rest %d calls were accepted of 310, %d refused", accepted, refused)
	}
}
