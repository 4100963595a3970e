package engine

import (
	"context"
	"sync"

	"chertd/rules/turn"
)

// handledWatch notices when all events up to a sequence are handled, and all that these have
// caused: a request for another chat, a timer, the result of a call. Their outcomes are
// durable and published then.
type handledWatch struct {
	signal chan struct{} // a shard has handled more, or knows that it has no more

	mu     sync.Mutex
	seq    int64          // events up to it
	caused map[int64]bool // sequences of the events that they have caused
	limits []int64        // by shard: the highest sequence that it must have handled
	n      int            // how often limits has changed
}

// awaitHandled waits until all events that are in the journal now are handled, and those that
// they cause. It returns false if ctx ends or ended closes first, or if the engine drains.
func (e *Engine) awaitHandled(ctx context.Context, ended <-chan struct{}) bool {
	e.gaps.watching.Lock()
	defer e.gaps.watching.Unlock()
	w := &handledWatch{signal: make(chan struct{}, 1), caused: map[int64]bool{}}
	// What is journaled from here on passes by note, which waits for seq.
	w.mu.Lock()
	e.gaps.watch.Store(w)
	defer e.gaps.watch.Store(nil)
	w.seq = e.c.Store.LastSeq()
	for range e.shards {
		w.limits = append(w.limits, w.seq)
	}
	w.mu.Unlock()
	for {
		if w.complete(e.shards) {
			return true
		}
		select {
		case <-w.signal:
		case <-ended:
			return false
		case <-e.drained:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// note notes an entry that is in the journal. It is called before the outcome of the entry's
// cause counts as handled.
func (w *handledWatch) note(entry *turn.Entry, shard int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if entry.Cause == 0 || entry.Cause > w.seq && !w.caused[entry.Cause] {
		return
	}
	w.caused[entry.Seq] = true
	w.limits[shard] = max(w.limits[shard], entry.Seq)
	w.n++
}

// complete reports whether the shards have handled what w waits for.
func (w *handledWatch) complete(shards []*shard) bool {
	for {
		w.mu.Lock()
		n, limits := w.n, append([]int64(nil), w.limits...)
		w.mu.Unlock()
		for i, s := range shards {
			if s.handledThrough(limits[i]) < limits[i] {
				return false
			}
		}
		// An event that a shard has just handled may have caused one of a shard that was
		// looked at before.
		w.mu.Lock()
		same := n == w.n
		w.mu.Unlock()
		if same {
			return true
		}
	}
}

// handledThrough returns a sequence up to which all events are handled, and their outcomes
// durable and published. It may be lower than the highest one. The store knows an event
// before its shard does: only those that shards were offered count.
func (e *Engine) handledThrough() int64 {
	through := e.announced.Load()
	for _, s := range e.shards {
		through = s.handledThrough(through)
	}
	return through
}

// handledThrough returns a sequence, at most last, up to which the shard has handled its events.
func (s *shard) handledThrough(last int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.handled >= last:
		return last
	case s.taken > s.handled:
		return s.handled // the next ones are in a batch
	case len(s.queue) > 0:
		return min(last, s.queue[0].Seq-1)
	case s.behind:
		return s.handled
	}
	return last
}

// noteHandled notes that all events that the shard has taken are handled.
func (s *shard) noteHandled() {
	s.mu.Lock()
	s.handled = s.taken
	s.mu.Unlock()
	s.e.gaps.signal()
}

// signal wakes the one who waits for events to be handled, if there is one.
func (g *gaps) signal() {
	if w := g.watch.Load(); w != nil {
		select {
		case w.signal <- struct{}{}:
		default:
		}
	}
}
