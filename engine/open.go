package engine

import (
	"context"
	"time"

	"chertd/engine/dispatch"
)

// A batch that lends its chats stays open: events and results that come in meanwhile are
// added to it, and share its commit. Once it takes in no more events it waits for the answers
// to its own calls, so that an event's decision is stored once, with the result.
//
// While calls are answered fast, a shard handles no more events than that: with more, their
// chats would leave the memory before their calls go out, and be read and written once more.
// What waits then is the events, and senders are slowed down (admission.go). While calls are
// answered slowly, which may last for hours, events don't wait for them.
const (
	// openFor is how long a batch takes in events at most. The result of a read whose batch
	// has ended waits as long for others: see resultsMost.
	openFor = resultsWait
	// closeFor is how long it waits for answers after that at most. Without processors to
	// spare, its last calls take some milliseconds.
	closeFor = 10 * time.Millisecond
	// wontWait is how many batches do not wait after one that has waited for nothing. With
	// 50 ms a call, each would delay the events that come in meanwhile.
	wontWait = 16
	// callsMost is how many calls a batch makes due, or results it takes in, until it takes in
	// no more events: the batches of all shards fill dispatch.MaxUndurable.
	callsMost = dispatch.MaxUndurable / defaultShards
	// slowBelow is how many calls of a shard a second are slow, if more are due. It is
	// measured over slowFor or longer.
	slowBelow = 125
	slowFor   = 50 * time.Millisecond
	// aheadMost is how many calls of a shard may be unanswered then while it takes in events.
	// With 128 senders, which make more events than can be handled, it gives 11,200 events a
	// second, and no limit gives 6,500; half of it is slower now and then, twice as many too.
	aheadMost = 16
)

// stayOpen lends the chats of a batch, and waits until there is more to add to it. It
// returns false if the batch is to be committed now.
func (s *shard) stayOpen(ctx context.Context, b *batch) bool {
	if !b.lends() {
		return false
	}
	s.lend(b)
	if b.ends || s.plan() != nil || s.e.draining.Load() || len(b.log) >= batchEntries || b.memory.Bytes() >= batchBytes {
		return false
	}
	if b.timer == nil {
		b.timer = s.openTimer(openFor)
	}
	wait, ok := s.openMore(b)
	if !ok {
		return false
	}
	if wait {
		select {
		case r := <-s.inbox:
			s.waiting = append(s.waiting, r)
		case <-s.wake:
		case <-b.timer:
			b.timeUp, b.ends = true, b.closing
		case <-ctx.Done():
			b.ends = true
		}
	}
	s.takeInbox()
	return true
}

// openMore reports whether a batch stays open, and whether it must wait for what to add to it.
func (s *shard) openMore(b *batch) (wait, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := &s.chats.calls
	own := calls.own()
	if !b.closing && (b.timeUp || max(b.results, calls.made()) >= callsMost) {
		b.closing, b.atClose = true, own
		b.timer = s.openTimer(closeFor)
	}
	// Answers that wait for events of their chats are of no use to this batch.
	results := len(s.results) - b.putBack
	if b.closing && (own == 0 && results == 0 || s.pace.slow || s.pace.wontWait > 0) {
		return false, false
	}
	events := false // that it may take in now
	enough := resultsMost
	switch {
	case b.closing:
		enough = min(results+own, resultsMost)
	case !s.pace.slow && calls.recent() >= aheadMost:
		enough = aheadMost / 2
	default:
		events = len(s.queue) > 0 || s.behind
	}
	s.resultsWake = b.putBack + enough
	return !events && results < enough, true
}

// openTimer returns a channel that receives after a time.
func (s *shard) openTimer(d time.Duration) <-chan time.Time {
	if s.open == nil {
		s.open = time.NewTimer(d)
	} else {
		s.open.Reset(d)
	}
	return s.open.C
}

// room returns how many events a batch may take in before it lends its chats. A batch without
// any may take in one, whatever the shard's calls do.
func (b *batch) room() int {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	switch {
	case b.closing:
		return 0
	case b.s.pace.slow || b.s.sinceKV < kvBatches:
		return batchEntries
	}
	least := 0
	if b.work.events == 0 {
		least = 1
	}
	calls := &b.s.chats.calls
	return max(min(aheadMost-calls.recent(), callsMost-calls.made()), least)
}

// notePace notes after a batch how fast calls are answered.
func (s *shard) notePace(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pace.made += s.chats.calls.made()
	s.pace.results += b.results
	switch {
	case b.ends && b.atClose > 0 && s.chats.calls.own() == b.atClose:
		s.pace.wontWait = wontWait
	case s.pace.wontWait > 0:
		s.pace.wontWait--
	}
	now := s.e.c.Now()
	if took := now.Sub(s.pace.since); took >= slowFor {
		p := &s.pace
		p.slow = p.made > p.results+aheadMost/2 && float64(p.results) < slowBelow*took.Seconds()
		p.since, p.made, p.results = now, 0, 0
	}
}

// pace is how fast the calls of a shard are answered.
type pace struct {
	since         time.Time
	made, results int  // since then
	slow          bool // before
	wontWait      int  // so many batches do not wait for answers
}

// openCalls counts the calls of a shard that are due or in flight, by the batch that made them
// due. Those of a call that hangs are soon forgotten.
type openCalls struct {
	batch int64 // the current one, from 1 on
	last  [callBatches]struct{ made, left int }
}

// callBatches is how many batches openCalls knows: some 50 ms.
const callBatches = 4

func newOpenCalls() openCalls { return openCalls{batch: 1} }

// next begins a batch.
func (o *openCalls) next() {
	o.batch++
	o.last[o.batch%callBatches] = struct{ made, left int }{}
}

// due counts a call that is due, and returns what answered takes.
func (o *openCalls) due() (batch int64) {
	n := &o.last[o.batch%callBatches]
	n.made++
	n.left++
	return o.batch
}

// answered notes that a call is not due any more. It does nothing for batch 0.
func (o *openCalls) answered(batch int64) {
	if batch > 0 && o.batch-batch < callBatches {
		o.last[batch%callBatches].left--
	}
}

// made returns how many calls the current batch has made due, and own how many of them are not
// answered.
func (o *openCalls) made() int { return o.last[o.batch%callBatches].made }
func (o *openCalls) own() int  { return o.last[o.batch%callBatches].left }

// recent returns how many calls of the last batches are not answered.
func (o *openCalls) recent() (n int) {
	for i := range o.last {
		n += o.last[i].left
	}
	return n
}
