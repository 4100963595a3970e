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
//
// A chat that must be asked for its call claims a place meanwhile, and until there is one.
// While there are other lines, the claims of a line whose calls hang or fail count as taken:
// what waits for it must not keep chats of others from being asked.
type places struct {
	total int

	mu     sync.Mutex
	taken  int
	lines  map[string]*lineCalls // with a call in flight, or whose last one failed, or an open breaker
	recent [2]sighting           // the two lines seen last
}

type lineCalls struct {
	began   []time.Time // of the calls in flight
	claims  int         // calls that are asked for, or wait for a place after that
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
	return p.allows(line, now)
}

// allows is may with mu held.
func (p *places) allows(line string, now time.Time) bool {
	free := p.total - p.taken
	l := p.lines[line]
	if free <= 0 || l == nil {
		return free > 0
	}
	used := len(l.began)
	switch {
	case l.breaker.stop != nil:
		return used+l.claims == 0 && l.breaker.mayProbe(now) == 0
	case p.inTrouble(line, now):
		return used+l.claims < free || used+l.claims == 0
	case used == 0, l.works && !p.others(line, now):
		return true
	}
	return used < p.total-max(p.total/4, 1)
}

// inTrouble reports whether calls of a line hang or fail, and there are other lines. It is
// called with mu held.
func (p *places) inTrouble(line string, now time.Time) bool {
	l := p.lines[line]
	hangs := len(l.began) > 0 && now.Sub(l.began[0]) >= hangsAfter
	return (l.failed || hangs) && p.others(line, now)
}

// claim notes that a call of a line that has given back its place will need one again.
func (p *places) claim(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lines[line]
	if l == nil {
		l = &lineCalls{}
		p.lines[line] = l
	}
	l.claims++
}

// unclaim ends a claim.
func (p *places) unclaim(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines[line].claims--
	p.forget(line)
}

// givesUp reports whether a call that claims a place must not wait for it: its line's calls
// hang or fail, and what waits for them would keep chats of other lines from being asked.
func (p *places) givesUp(line string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[line].breaker.stop != nil || p.inTrouble(line, now)
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

// take takes a place if the line may have one, and reports whether it did. With claimed it
// is for a call that claims one, and the claim ends with it.
func (p *places) take(line string, now time.Time, claimed bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.see(line, now)
	l := p.lines[line]
	if claimed {
		l.claims--
	}
	if !p.allows(line, now) {
		if claimed {
			l.claims++
		}
		return false
	}
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
	p.forget(line)
}

// forget removes what is known of a line if it is nothing. It is called with mu held.
func (p *places) forget(line string) {
	l := p.lines[line]
	known := l.failed || len(l.breaker.failing) > 0 || l.breaker.stop != nil || !l.breaker.lull.from.IsZero()
	if len(l.began)+l.claims == 0 && (!known || len(p.lines) > maxLines) {
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
