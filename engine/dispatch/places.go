package dispatch

import (
	"sync"
	"time"
)

// places are the places on the wire: how many calls are in flight, and of which line.
//
// A line takes the last quarter of the places only if it is the only one and its
// calls succeed. While there are other lines, a line whose calls hang or fail takes
// another place only while it holds fewer than are free. So one such line leaves
// half of the places to the others, and two leave a third.
//
// While the breaker of a line is open, the line takes one place at a time, for a probe.
type places struct {
	total int

	mu     sync.Mutex
	taken  int
	lines  map[string]*lineCalls // with a call in flight, or whose last one failed, or an open breaker
	recent [2]sighting           // the two lines seen last
}

type lineCalls struct {
	began   []time.Time // of the calls in flight
	works   bool        // the last call that ended was answered
	failed  bool        // the last call that ended failed
	breaker breaker
}

// sighting is when a line was last seen to have calls.
type sighting struct {
	line string
	at   time.Time
}

func newPlaces(total int) *places { return &places{total: total, lines: map[string]*lineCalls{}} }

// may reports whether another call of a line may be made now.
func (p *places) may(line string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.see(line, now)
	free := p.total - p.taken
	l := p.lines[line]
	if l != nil && l.breaker.stop != nil {
		return free > 0 && len(l.began) == 0 && l.breaker.mayProbe(now) == 0
	}
	if free <= 0 || l == nil || len(l.began) == 0 {
		return free > 0
	}
	used, alone := len(l.began), !p.others(line, now)
	switch {
	case alone && l.works:
		return true
	case !alone && (l.failed || now.Sub(l.began[0]) >= hangsAfter):
		return used < free
	}
	return used < p.total-max(p.total/4, 1)
}

// full reports whether all places are taken.
func (p *places) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken >= p.total
}

// used returns how many calls of a line are in flight.
func (p *places) used(line string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.lines[line]; l != nil {
		return len(l.began)
	}
	return 0
}

// take takes a place if the line may have one, and reports whether it did.
func (p *places) take(line string, now time.Time) bool {
	if !p.may(line, now) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lines[line]
	if l == nil {
		l = &lineCalls{}
		p.lines[line] = l
	}
	l.began = append(l.began, now)
	p.taken++
	return true
}

// leave gives back the place that was taken at a time. If a call was made, failed
// is its result.
func (p *places) leave(line string, began time.Time, made, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	l := p.lines[line]
	for i := range l.began {
		if l.began[i].Equal(began) {
			l.began = append(l.began[:i], l.began[i+1:]...)
			break
		}
	}
	if made {
		l.works, l.failed = !failed, failed
	}
	if len(l.began) == 0 && (!l.failed && len(l.breaker.failing) == 0 && l.breaker.stop == nil || len(p.lines) > maxLines) {
		delete(p.lines, line)
	}
}

// see notes that a line has calls. It is called with mu held.
func (p *places) see(line string, now time.Time) {
	switch r := &p.recent; {
	case r[0].line == line:
		r[0].at = now
	default:
		r[1], r[0] = r[0], sighting{line, now}
	}
}

// others reports whether another line has had calls within aloneAfter.
func (p *places) others(line string, now time.Time) bool {
	for _, s := range p.recent {
		if s.line != line && !s.at.IsZero() && now.Sub(s.at) < aloneAfter {
			return true
		}
	}
	return false
}
