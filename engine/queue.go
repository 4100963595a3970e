package engine

import (
	"context"
	"runtime"
	"slices"
	"time"

	"chertd/rules/turn"
)

// offer adds a new entry to the queue, or leaves it in the store if there is no room. It
// never blocks.
func (s *shard) offer(entry *turn.Entry) {
	s.mu.Lock()
	s.newest = max(s.newest, entry.Seq)
	size := len(entry.Event.Raw)
	switch {
	case entry.Seq <= s.last:
		// fetch has read it from the store already, where it is a moment earlier.
	case s.behind || len(s.queue) >= queueEntries || s.bytes+size > queueBytes:
		s.behind = true
		s.count(1)
	default:
		s.push(entry)
		s.count(1)
	}
	s.mu.Unlock()
	s.wakeUp()
}

// count passes to admission how many events wait, with mu held: what is in the queue, or,
// while more is in the store, n more than before.
func (s *shard) count(n int) {
	if s.behind {
		s.e.admission.add(s.part.Index, int64(n))
	} else {
		s.e.admission.set(s.part.Index, int64(len(s.queue)))
	}
}

func (s *shard) push(entry *turn.Entry) {
	s.queue = append(s.queue, entry)
	s.bytes += len(entry.Event.Raw)
	s.queued[entry.ShardKey()]++
	s.last, s.newest = entry.Seq, max(s.newest, entry.Seq)
}

// fetch reads a page of entries from the store if the queue is behind and has room for it.
func (s *shard) fetch(ctx context.Context) {
	s.mu.Lock()
	if !s.behind || len(s.queue)+pageEntries > queueEntries || s.bytes > fewBytes {
		s.mu.Unlock()
		return
	}
	newest, last := s.newest, max(s.last, s.taken)
	s.mu.Unlock()

	entries, err := s.e.c.Store.Pending(ctx, s.part, last, pageEntries)
	if err != nil {
		s.storeFailed(ctx, err, storeRetry)
		return
	}
	s.storeWorks()
	s.mu.Lock()
	for i := range entries {
		s.push(&entries[i])
	}
	// The shard stays behind until the store has no more, and nothing was journaled
	// meanwhile.
	if s.newest == newest && (len(entries) == 0 || s.last == newest) {
		s.behind = false
		s.count(0)
	}
	s.mu.Unlock()
	s.e.gaps.signal()
}

// take removes the next event from the queue, claims its chat and returns it; nil: there is
// none.
func (s *shard) take() *turn.Entry {
	// Handlers may keep all processors busy. Those who take events in and answer need one
	// for microseconds only, and would wait for a time slice of every shard each time.
	if now := time.Now(); now.Sub(s.yielded) >= yieldEvery {
		runtime.Gosched()
		s.yielded = time.Now()
	}
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
	s.own(key) // it is not in the queue any more, and not handled yet
	s.taken = entry.Seq
	s.count(-1)
	return entry
}

// putBack returns the last events that take removed to the front of the queue.
func (s *shard) putBack(events []*turn.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(slices.Clone(events), s.queue...)
	for _, entry := range events {
		s.bytes += len(entry.Event.Raw)
		s.queued[entry.ShardKey()]++
	}
	s.taken = events[0].Seq - 1
	s.count(len(events))
}

// unhandled reports whether events of a chat wait. Then no read goes out, as one of them
// may veto it. newest is the sequence up to which the answer holds: a read that goes out
// now does not cover events that are journaled later.
func (s *shard) unhandled(ctx context.Context, id string) (waits bool, newest int64, err error) {
	s.mu.Lock()
	queued, behind, newest := s.queued[id] > 0, s.behind, s.newest
	s.mu.Unlock()
	if queued || !behind {
		return queued, newest, nil
	}
	waits, err = s.stored(ctx, id)
	return waits, newest, err
}

// stored reports whether events of a chat wait in the store that the shard has not taken.
// Those that it has taken count there until their batch is durable.
func (s *shard) stored(ctx context.Context, id string) (bool, error) {
	newest, err := s.e.c.Store.Unhandled(ctx, id)
	return newest > s.taken, err
}
