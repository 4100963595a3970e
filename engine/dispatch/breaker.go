package dispatch

import (
	"slices"
	"strings"
	"time"

	"chertd/engine/chert"
	"chertd/engine/store"
)

// LineStop is why the calls of one phone line wait, apart from one probe at a time: the
// open state of the line's circuit breaker. It is kept across restarts.
type LineStop = store.LineStop

// breaker is the circuit breaker of one phone line. It opens when calls of several chats
// of the line have failed and none has succeeded in between. Then one call at a time goes
// out as a probe, and the first that succeeds closes it. Calls that wait meanwhile are not
// attempted: their retries do not add up, and the rate is left to other lines.
//
// An answer about a chat, the account or the rate says nothing about the line.
type breaker struct {
	failing []string   // chats whose calls failed since one succeeded, at most lineChats
	stop    *LineStop  // nil: it is closed
	probe   probeTimes // of stop
	lull    lull       // of the last stop that has ended
}

// lastLull returns the lull of the stop, or of the last one.
func (b *breaker) lastLull() lull {
	if b.stop != nil {
		return lull{from: b.probe.failed}
	}
	return b.lull
}

// mayProbe returns how long it is until a probe may go out; 0: now, or the breaker is closed.
func (b *breaker) mayProbe(now time.Time) time.Duration {
	if b.stop == nil {
		return 0
	}
	return b.probe.left(now)
}

// failed notes the failure of a call of a chat, and reports whether it opened the breaker.
func (b *breaker) failed(now time.Time, line, chat string, err *chert.Error) (opened bool) {
	if !slices.Contains(b.failing, chat) && len(b.failing) < lineChats {
		b.failing = append(b.failing, chat)
	}
	if b.stop == nil && len(b.failing) < lineChats {
		return false
	}
	if opened = b.stop == nil; opened {
		b.stop, b.probe = &LineStop{Line: line, Since: now}, probeTimes{}
	}
	// Calls that were in flight when it opened do not delay its next probe.
	if opened || b.probe.left(now) == 0 {
		b.probe.after(now, 0)
	}
	b.stop.Code, b.stop.HTTP, b.stop.Error, b.stop.TraceID = err.Code, err.Status, err.Error(), err.TraceID
	return opened
}

// failsLine reports whether a failed call counts for the breaker of its line. 4002 is
// about one recipient, and has a time to wait.
func failsLine(lineFailed bool, err *chert.Error) bool {
	d, _ := chert.LookUp(err.Code)
	return lineFailed && d.Scope != chert.ScopeChat
}

// answered notes how a call of a line ended, while it still has its place. It reports
// whether the line's breaker opened or closed.
func (p *places) answered(now time.Time, line, chat string, err *chert.Error, lineFailed bool) (changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lines[line]
	switch {
	case err == nil:
		closed := l.breaker.stop != nil
		if closed {
			l.breaker.lull = lull{l.breaker.probe.failed, now}
		}
		l.breaker = breaker{lull: l.breaker.lull}
		if closed {
			p.probeAll()
		}
		return closed
	case failsLine(lineFailed, err):
		return l.breaker.failed(now, line, chat, err)
	}
	return false
}

// probeAll lets the probes of all lines go out without their wait: what has ended for one
// line may have ended for all. It is called with mu held.
func (p *places) probeAll() {
	for _, l := range p.lines {
		if l.breaker.stop != nil {
			l.breaker.probe = probeTimes{failed: l.breaker.probe.failed}
		}
	}
}

// mayProbe returns how long it is until a call of a line may go out as a probe of its
// breaker; 0: now, or its breaker is closed.
func (p *places) mayProbe(line string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.lines[line]; l != nil {
		return l.breaker.mayProbe(now)
	}
	return 0
}

// lull returns the last lull of the calls of a line.
func (p *places) lull(line string) lull {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.lines[line]; l != nil {
		return l.breaker.lastLull()
	}
	return lull{}
}

// stops returns the lines whose breakers are open, in order of their names.
func (p *places) stops() (all []LineStop) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		if l.breaker.stop != nil {
			all = append(all, *l.breaker.stop)
		}
	}
	slices.SortFunc(all, func(a, b LineStop) int { return strings.Compare(a.Line, b.Line) })
	return all
}

// restore opens breakers that were open in an earlier process. Their first probes may go
// out immediately.
func (p *places) restore(stops []LineStop) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range stops[:min(len(stops), maxLines)] {
		p.lines[s.Line] = &lineCalls{failed: true, breaker: breaker{stop: &s}}
	}
}
