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

var shapeSeeds = flag.Int("shapes.seeds", 3, "seeds for each shape of limit")
var only = flag.String("shapes.only", "", "")
var trace = flag.Bool("shapes.trace", false, "")

// limiter is a limit of a simulated server.
type limiter interface {
	// take takes a request, or refuses it with the time after which to come again; 0: it
	// does not say.
	take(now float64) (ok bool, retryAfter float64)
	set(rate float64) // calls per second
}

type serverBucket struct {
	rate, burst, tokens, last float64 // burst in seconds of the rate
}

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

const windowLength = 60

type fixedWindow struct {
	rate  float64
	tell  bool
	phase float64
	at    float64
	count int
}

func (w *fixedWindow) set(rate float64) { w.rate = rate }

func (w *fixedWindow) take(now float64) (bool, float64) {
	begins := math.Floor((now-w.phase)/windowLength)*windowLength + w.phase
	if begins != w.at {
		w.at, w.count = begins, 0
	}
	if w.count < int(w.rate*windowLength+0.5) {
		w.count++
		return true, 0
	}
	if !w.tell {
		return false, 0
	}
	return false, math.Ceil(begins + windowLength - now)
}

type slidingWindow struct {
	rate float64
	tell bool
	sent []float64
}

func (w *slidingWindow) set(rate float64) { w.rate = rate }

func (w *slidingWindow) take(now float64) (bool, float64) {
	for len(w.sent) > 0 && w.sent[0] <= now-windowLength {
		w.sent = w.sent[1:]
	}
	n := int(w.rate*windowLength + 0.5)
	if len(w.sent) < n {
		w.sent = append(w.sent, now)
		return true, 0
	}
	if !w.tell {
		return false, 0
	}
	return false, math.Ceil(w.sent[len(w.sent)-n] + windowLength - now)
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

// settled returns how long it takes from a time until what follows is within the budgets.
func (l *loop) settled(from, to, goodput float64) float64 {
	length := max(300, 200/l.rate)
	for t := from; t+length <= to; t++ {
		good, share := l.figures(t, t+length)
		if good >= goodput && share <= 0.0101 {
			return t - from
		}
	}
	return math.Inf(1)
}

type shape struct {
	name    string
	rate    float64
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
			list = append(list, shape{fmt.Sprintf("bucket %v/s burst %vs", rate, burst), rate, good, func(*rand.Rand) limiter {
				return &serverBucket{rate: rate, burst: burst, tokens: burst * rate}
			}})
		}
	}
	for _, n := range []float64{60, 600} {
		for _, tell := range []bool{true, false} {
			says := map[bool]string{true: "retry_after", false: "silent"}[tell]
			list = append(list, shape{fmt.Sprintf("fixed %v/min %s", n, says), n / 60, 0.95, func(dice *rand.Rand) limiter {
				return &fixedWindow{rate: n / 60, tell: tell, phase: 60*dice.Float64() - 60}
			}}, shape{fmt.Sprintf("sliding %v/min %s", n, says), n / 60, 0.95, func(*rand.Rand) limiter {
				return &slidingWindow{rate: n / 60, tell: tell}
			}})
		}
	}
	return list
}

func TestShapes(t *testing.T) {
	if testing.Short() {
		t.Skip()
	}
	for _, s := range shapes() {
		if *only != "" && s.name != *only {
			continue
		}
		type worst struct{ start, steady, share, half, halfGood, halfShare, dbl, dblGood, dblShare float64 }
		w := worst{steady: 9, halfGood: 9, dblGood: 9}
		for seed := range *shapeSeeds {
			for _, factor := range []float64{0.5, 2} {
				dice := rand.New(rand.NewPCG(uint64(seed), uint64(factor*10)))
				l := &loop{gov: NewGovernor(400, 20), server: s.server(dice), dice: dice, demand: func(float64) bool { return true }, rate: s.rate}
				l.gov.SetAdaptive(true)
				l.again(0)
				phase := max(1200, 1500/s.rate)
				change := 900 + phase + 600*dice.Float64()
				l.run(change)
				if *trace {
					fmt.Println("start settles", l.settled(0, change, s.goodput))
				}
				w.start = max(w.start, l.settled(0, change, s.goodput))
				good, share := l.figures(900, change)
				w.steady, w.share = min(w.steady, good), max(w.share, share)
				l.rate *= factor
				l.server.set(l.rate)
				if *trace {
					fmt.Printf("---- %s seed %d: %v good %.4f share %.4f change by %v\n", s.name, seed, l.now, good, share, factor)
				}
				after := 120.0
				if factor > 1 {
					after = 900
				}
				end := change + after + max(1200, 1500/l.rate)
				l.run(end)
				settled := l.settled(change, end, s.goodput)
				good, share = l.figures(change+after, end)
				if factor < 1 {
					w.half, w.halfGood, w.halfShare = max(w.half, settled), min(w.halfGood, good), max(w.halfShare, share)
				} else {
					w.dbl, w.dblGood, w.dblShare = max(w.dbl, settled), min(w.dblGood, good), max(w.dblShare, share)
				}
			}
		}
		ok := func(b bool) string {
			if b {
				return " "
			}
			return "!"
		}
		fmt.Printf("%-28s start %4.0fs | %5.1f%%%s %4.2f%%%s | half %4.0fs%s %5.1f%%%s %4.2f%%%s | double %4.0fs%s %5.1f%%%s %4.2f%%%s\n", s.name, w.start,
			100*w.steady, ok(w.steady >= s.goodput), 100*w.share, ok(w.share <= 0.01),
			w.half, ok(w.half <= 120), 100*w.halfGood, ok(w.halfGood >= s.goodput), 100*w.halfShare, ok(w.halfShare <= 0.01),
			w.dbl, ok(w.dbl <= 900), 100*w.dblGood, ok(w.dblGood >= s.goodput), 100*w.dblShare, ok(w.dblShare <= 0.01))
	}
}
