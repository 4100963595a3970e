package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/engine/control"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// tailProgress is what a tail has shown, so that it can begin again without a gap.
type tailProgress struct {
	began   time.Time // when the earliest line of the first connection was handled
	again   bool      // it is not the first connection
	through int64     // all events up to it were shown
	// seen has the events that were shown, by sequence: those after through, and those whose
	// outcome may change, up to control.MaxTailAgain of them.
	seen map[int64]*tailShown
	// dropped is set once an event whose outcome may change is not in seen any more.
	dropped bool
}

// maxTailSeen bounds tailProgress.seen. Of more, events are shown twice.
const maxTailSeen = 20_000

// tailShown is an event as a tail has shown it.
type tailShown struct {
	outcome string
	reads   bool            // it requested a read, which decides about its outcome
	open    map[string]bool // its actions that may change, by id
}

// isOpen reports whether an action of a status may get another one.
func isOpen(status string) bool {
	switch chat.Status(status) {
	case chat.Waiting, chat.Sent, chat.Blocked, chat.Dead:
		return true
	}
	return false
}

func newTailShown(line *control.Tailed) *tailShown {
	e := &tailShown{outcome: tailOutcome(line)}
	for i := range line.Actions {
		a := &line.Actions[i]
		e.reads = e.reads || a.Kind == string(chat.Read)
		if isOpen(a.Status) {
			if e.open == nil {
				e.open = map[string]bool{}
			}
			e.open[a.ID] = true
		}
	}
	return e
}

// mayChange reports whether the event may get another outcome.
func (e *tailShown) mayChange() bool {
	return len(e.open) > 0 || isOpen(e.outcome) || e.outcome == control.OutcomeFailed
}

// ended notes that the end of an action of the event was shown.
func (e *tailShown) ended(a *control.TailedAction, outcome string) {
	if !isOpen(a.Status) {
		delete(e.open, a.ID)
	}
	best := outcome == control.OutcomeRead || outcome == string(chat.Done)
	if last := len(e.open) == 0 || len(e.open) == 1 && e.open[a.ID]; (best || last) && (a.Kind == string(chat.Read) || !e.reads) {
		e.outcome = outcome
	}
}

// news reports whether a line is to be shown, and notes it.
func (p *tailProgress) news(line *control.Tailed) bool {
	if !p.again && (p.began.IsZero() || line.At.Before(p.began)) { // lines are in the order of the journal
		p.began = line.At
	}
	show := line.Kind != control.TailMark
	known := p.seen[line.Seq]
	switch {
	case line.Seq == 0:
	case line.Kind == control.TailEvent:
		now := newTailShown(line)
		if !line.Rerun {
			show = known == nil && !(p.again && line.At.Before(p.began)) || known != nil && known.outcome != now.outcome
		}
		if known != nil || (line.Seq > p.through || now.mayChange()) && len(p.seen) < maxTailSeen {
			p.seen[line.Seq] = now
		}
	case line.Kind == control.TailAction && known != nil && len(line.Actions) == 1:
		known.ended(&line.Actions[0], line.Outcome)
	}
	if line.Through > p.through {
		p.through = line.Through
		p.prune()
	}
	return show
}

// prune forgets events up to through whose outcome can't change, and of the others the oldest.
func (p *tailProgress) prune() {
	maps.DeleteFunc(p.seen, func(seq int64, e *tailShown) bool { return seq <= p.through && !e.mayChange() })
	open := p.open()
	for _, seq := range open[:max(0, len(open)-control.MaxTailAgain)] {
		delete(p.seen, seq)
		p.dropped = true
	}
}

// open returns the events up to through that were shown and may have another outcome when the
// tail begins again, the oldest first.
func (p *tailProgress) open() (seqs []int64) {
	for seq, e := range p.seen {
		if seq <= p.through && e.mayChange() {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs
}

// lostNote says what a tail that begins again shows, and what it does not.
func (p *tailProgress) lostNote(lost time.Time) control.Tailed {
	shown := "those shown before whose outcome is another one now"
	if p.dropped {
		shown += fmt.Sprintf(" (of the newest %d that were open)", control.MaxTailAgain)
	}
	return control.Tailed{Kind: control.TailNote, At: time.Now(), Summary: fmt.Sprintf(
		"connected again, after %s: events handled meanwhile follow, and %s. Of other events, calls that failed or ended meanwhile are not shown", diag.About(time.Since(lost)), shown)}
}
