package engine

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/control"
	"chertd/rules/chat"
)

// Limits of what one tail keeps in memory until its reader takes it.
const (
	maxTailed      = 2000    // lines
	maxTailedBytes = 2 << 20 // about
)

// tails are the readers of what the engine does as it happens. Without a reader an
// observation costs one atomic load. A slow reader loses lines and never delays the engine.
type tails struct {
	list  atomic.Pointer[[]*tail] // nil: there is none
	mu    sync.Mutex              // guards changes of list, and ended
	ended bool
}

// add adds a reader.
func (t *tails) add(r *tail) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		r.end()
		return
	}
	var list []*tail
	if old := t.list.Load(); old != nil {
		list = append(list, *old...)
	}
	list = append(list, r)
	t.list.Store(&list)
}

func (t *tails) remove(r *tail) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.list.Load()
	if old == nil {
		return
	}
	var list []*tail
	for _, other := range *old {
		if other != r {
			list = append(list, other)
		}
	}
	if len(list) == 0 {
		t.list.Store(nil)
		return
	}
	t.list.Store(&list)
}

// end ends all tails, once their readers have taken what there is, and those that begin
// later.
func (t *tails) end() {
	t.mu.Lock()
	t.ended = true
	list := t.list.Load()
	t.mu.Unlock()
	if list != nil {
		for _, r := range *list {
			r.end()
		}
	}
}

// note passes a line for people to all readers.
func (t *tails) note(at time.Time, text string) {
	if list := t.list.Load(); list != nil {
		for _, r := range *list {
			if r.hasRoom(at) {
				r.add(control.Tailed{Kind: control.TailNote, At: at, Summary: text})
			}
		}
	}
}

// observed passes an observation to the readers that want it. Shards and calls wait for it,
// so it must stay cheap.
func (t *tails) observed(o Observation) {
	list := t.list.Load()
	if list == nil {
		return
	}
	switch {
	case o.Handled != nil:
		t.handled(*list, o.Handled, false)
	case o.Rerun != nil:
		t.handled(*list, o.Rerun, true)
	case o.Attempt != nil:
		if o.Attempt.Err == nil {
			return // its actions are reported once that is durable
		}
		var line *control.Tailed
		for _, r := range *list {
			if r.filter.call(o.Attempt) && r.hasRoom(o.Attempt.Ended) {
				if line == nil {
					line = callLine(o.Attempt)
				}
				r.add(*line)
			}
		}
	case o.Ended != nil:
		t.actionEnded(*list, o.Ended)
	}
}

// handled passes on an event, and the actions of earlier events that it has ended.
func (t *tails) handled(list []*tail, h *Handled, rerun bool) {
	var line *control.Tailed
	for _, r := range list {
		if !r.filter.event(h) || !rerun && r.isKnown(h.Entry.Seq) || !r.hasRoom(h.Decision.At) {
			continue
		}
		if line == nil {
			line = eventLine(h)
			line.Rerun = rerun
		}
		own := *line
		if r.text {
			addText(&own, &h.Entry.Event)
		}
		r.add(own)
	}
	for i := range h.Actions {
		if a := &h.Actions[i]; !a.Ended.IsZero() && a.ID.Seq != h.Entry.Seq {
			t.actionEnded(list, a)
		}
	}
}

func (t *tails) actionEnded(list []*tail, a *chat.Action) {
	var line *control.Tailed
	for _, r := range list {
		if r.filter.action(a) && r.hasRoom(a.Ended) {
			if line == nil {
				line = actionLine(a)
			}
			r.add(*line)
		}
	}
}

// tail is one reader. It implements control.TailLines.
type tail struct {
	from   *tails
	filter *tailFilter
	text   bool
	// through returns a sequence up to which all events are handled and published.
	through func() int64
	wake    chan struct{} // signalled when there are lines, or it has ended

	mu      sync.Mutex // guards what follows
	known   map[int64]bool
	lines   []control.Tailed
	bytes   int
	dropped int64
	lost    time.Time // when the last one was dropped
	ended   bool
}

// isKnown reports whether the reader has been shown an event among the newest of the store.
func (r *tail) isKnown(seq int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[seq]
}

// hasRoom reports whether the reader has room for a line of a time. If it has none, the line
// counts as dropped, and need not be made. What follows is dropped as well until the reader
// comes: it sees one gap.
func (r *tail) hasRoom(at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dropped == 0 && len(r.lines) < maxTailed && r.bytes < maxTailedBytes {
		return true
	}
	r.dropped++
	r.lost = at
	return false
}

// add adds a line for which there was room a moment ago. It does not wait for the reader.
func (r *tail) add(line control.Tailed) {
	r.mu.Lock()
	r.lines = append(r.lines, line)
	r.bytes += sizeOf(&line)
	r.mu.Unlock()
	r.wakeUp()
}

func (r *tail) end() {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.wakeUp()
}

func (r *tail) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Next implements control.TailLines.
func (r *tail) Next(ctx context.Context) ([]control.Tailed, error) {
	for {
		lines, ended := r.take()
		switch {
		case len(lines) > 0:
			return lines, nil
		case ended:
			return nil, io.EOF
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Through implements control.TailLines.
func (r *tail) Through() int64 { return r.through() }

// take returns the lines that have come.
func (r *tail) take() (lines []control.Tailed, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines = r.lines
	if r.dropped > 0 {
		lines = append(lines, control.Tailed{Kind: control.TailGap, At: r.lost, Dropped: r.dropped, Summary: gapSummary(r.dropped)})
	}
	r.lines, r.bytes, r.dropped = nil, 0, 0
	return lines, r.ended
}

// Close implements control.TailLines.
func (r *tail) Close() { r.from.remove(r) }
