package engine

import (
	"chertd/rules/turn"
	"context"
	"slices"
)

// offer takes a new entry in, or leaves it to the store if there is no room.
// It never blocks.
func (s *shard) offer(entry *turn.Entry) {
	s.mu.Lock()
	s.newest = max(s.newest, entry.Seq)
	size := len(entry.Event.Raw)
	switch {
	case entry.Seq <= s.last:
		// It was on disk for a moment before this, and fetch has found it there.
	case s.behind || len(s.queue) >= queueEntries || s.bytes+size > queueBytes:
		s.behind = true
	default:
		s.push(entry)
	}
	s.mu.Unlock()
	s.wakeUp()
}

func (s *shard) push(entry *turn.Entry) {
	s.queue = append(s.queue, entry)
	s.bytes += len(entry.Event.Raw)
	s.queued[entry.ShardKey()]++
	s.last, s.newest = entry.Seq, max(s.newest, entry.Seq)
}

// fetch reads on in the store when the queue has run empty and is behind.
func (s *shard) fetch(ctx context.Context) {
	s.mu.Lock()
	if !s.behind || len(s.queue) > 0 {
		s.mu.Unlock()
		return
	}
	newest := s.newest
	s.mu.Unlock()

	entries, err := s.e.c.Store.Pending(ctx, s.part, s.taken, batchEntries)
	if err != nil {
		s.storeFailed(ctx, err, storeRetry)
		return
	}
	s.storeWorks()
	s.mu.Lock()
	defer s.mu.Unlock()
	// There is another round until nothing is left, and if more was journaled
	// meanwhile.
	if len(entries) == 0 && s.newest == newest {
		s.behind = false
	}
	for i := range entries {
		s.push(&entries[i])
	}
}

// take takes the next event out of the queue.
func (s *shard) take() *turn.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	entry := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	s.bytes -= len(entry.Event.Raw)
	key := entry.ShardKey()
	if s.queued[key]--; s.queued[key] == 0 {
		delete(s.queued, key)
	}
	s.taken = entry.Seq
	return entry
}

// putBack takes events back that take gave, the last ones given.
func (s *shard) putBack(events []*turn.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(slices.Clone(events), s.queue...)
	for _, entry := range events {
		s.bytes += len(entry.Event.Raw)
		s.queued[entry.ShardKey()]++
	}
	s.taken = events[0].Seq - 1
}

// unhandled reports whether events of a chat wait: then no read goes out, for
// one of them may veto it. newest is the sequence up to which the answer holds:
// what is journaled later, no read that goes out now speaks for.
func (s *shard) unhandled(ctx context.Context, id string) (waits bool, newest int64, err error) {
	s.mu.Lock()
	queued, behind, newest := s.queued[id] > 0, s.behind, s.newest
	after := s.taken // what was taken is handled, or in the batch at hand
	if len(s.queue) > 0 {
		after = max(after, s.queue[0].Seq-1)
	}
	s.mu.Unlock()
	if queued || !behind {
		return queued, newest, nil
	}
	waits, err = s.e.c.Store.Unhandled(ctx, id, after)
	return waits, newest, err
}
