package engine

import (
	"container/list"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/rules/turn"
)

const (
	// slowAfter is how many events of a shard may wait to be handled before senders are
	// slowed down. A burst is not slowed, and a handler that hangs for a second delays no
	// sender unless its shard has thousands of events a second. It is less than
	// queueEntries: under steady overload no event has to be read from the store again.
	slowAfter = 2048
	// longestAck is how long Ingest takes at most because of what waits, the time of the
	// store included. Senders should have their answer within 250 ms, and when all
	// processors are busy the rest of its way takes some tens.
	longestAck = 150 * time.Millisecond
	// fullAfter is how many events may wait in all before new ones are refused. They are
	// about 2 GB of disk, and some minutes of work for light rules or half an hour for
	// slow ones; a read that is later than that helps nobody. A refused delivery stays in
	// Chert's log, so it is not lost, while one that fills the disk stops all others.
	fullAfter = 1_000_000
	// openAfter is how many may wait for the daemon to report itself as ready again. It is
	// less than fullAfter, so that the report does not change with every event.
	openAfter = fullAfter / 10 * 9
	// heldBytes is about how many bytes of events senders may hold while they wait. Beyond
	// it they don't wait: an event may have 1 MiB.
	heldBytes = 32 << 20
)

// admission slows senders down when events arrive faster than they are handled. It
// delays their acknowledgement once the event is durable, so nothing is lost whatever
// becomes of the sender. What the engine journals itself counts, but is never delayed.
type admission struct {
	log    *slog.Logger
	pacers []*pacer     // by shard
	total  atomic.Int64 // events that wait, in all shards
	slow   atomic.Int32 // shards whose senders are slowed down
	full   atomic.Bool  // events were refused, and openAfter is not reached yet
	held   atomic.Int64 // bytes of the events whose senders wait
}

// pacer delays the senders of one shard's events. The shards have a pacer each, as a slow
// handler delays only the events of its own.
//
// While slowAfter events wait, a sender waits until one more is handled, and while n times
// as many wait, for n, first come, first served. So no more events come in than are
// handled, and the fewer the more wait: the backlog shrinks to slowAfter. This needs no
// clock and no estimate of a rate, and is right however the rate of handling changes.
type pacer struct {
	mu      sync.Mutex
	waiting int64      // events that are journaled, and not taken by the shard
	slow    bool       // waiting has reached slowAfter, and was not below half of it since
	senders *list.List // of *sender, the first one first
	credit  int64      // slowAfter for each event that was handled since the first sender waits
}

// sender waits until the pacer lets it go.
type sender struct {
	events int64
	gone   chan struct{}
}

func newAdmission(shards int, log *slog.Logger) *admission {
	a := &admission{log: log}
	for range shards {
		a.pacers = append(a.pacers, &pacer{senders: list.New()})
	}
	return a
}

// refused returns source.ErrFull if too many events wait to take in more.
func (a *admission) refused() error {
	n := a.total.Load()
	if n < fullAfter {
		return nil
	}
	if a.full.CompareAndSwap(false, true) {
		a.log.Error("too many events wait to be handled; deliveries are answered 503, and Chert sends them again", "waiting", n, "hint", slowHint)
	}
	return source.ErrFull
}

// slowHint is what helps if events arrive faster than they are handled.
const slowHint = stepsHint + "; chertd mode PACK off turns off the pack of the slowest one; if all rules are fast, the machine needs more cores"

// pace delays the sender of events that are journaled, by the shards of their chats,
// until the events' share is handled, the time is up, ctx ends, or the engine drains.
func (a *admission) pace(ctx context.Context, longest time.Duration, drained <-chan struct{}, counts []int64, bytes int64) {
	if a.slow.Load() == 0 || longest <= 0 {
		return
	}
	defer a.held.Add(-bytes)
	if a.held.Add(bytes) > heldBytes {
		return
	}
	timer := time.NewTimer(longest)
	defer timer.Stop()
	for i, n := range counts {
		p := a.pacers[i]
		el := p.join(n)
		if el == nil {
			continue
		}
		select {
		case <-el.Value.(*sender).gone:
			continue
		case <-timer.C:
		case <-ctx.Done():
		case <-drained:
		}
		p.leave(el)
		return
	}
}

// add counts n more events of a shard that wait, or fewer, which lets senders go. The
// shard's lock is held by who calls it, and set.
func (a *admission) add(shard int, n int64) {
	p := a.pacers[shard]
	p.mu.Lock()
	n = max(n, -p.waiting) // what an earlier run left may not be counted yet
	was, changed := p.slow, int32(0)
	p.add(n)
	switch {
	case p.slow && !was:
		changed = 1
	case !p.slow && was:
		changed = -1
	}
	slow := a.slow.Add(changed)
	p.mu.Unlock()
	total := a.total.Add(n)
	switch {
	case changed > 0 && slow == 1:
		a.log.Warn("events arrive faster than they are handled; acknowledgements are slowed down", "waiting", total, "hint", slowHint)
	case changed < 0 && slow == 0:
		a.log.Info("rules and calls keep up with events again", "waiting", total)
	}
	if total < openAfter && a.full.Load() && a.full.CompareAndSwap(true, false) {
		a.log.Info("deliveries are accepted again", "waiting", total)
	}
}

// set corrects how many events of a shard wait.
func (a *admission) set(shard int, waiting int64) {
	p := a.pacers[shard]
	p.mu.Lock()
	n := waiting - p.waiting
	p.mu.Unlock()
	a.add(shard, n)
}

// add counts n more events that wait, or fewer, and lets those senders go whose share is
// handled.
func (p *pacer) add(n int64) {
	p.waiting += n
	switch {
	case p.waiting >= slowAfter:
		p.slow = true
	case p.waiting < slowAfter/2:
		p.slow = false
	}
	if n < 0 {
		p.credit -= n * slowAfter
	}
	for p.senders.Len() > 0 {
		first := p.senders.Front()
		s := first.Value.(*sender)
		if p.waiting >= slowAfter {
			price := s.events * p.waiting
			if p.credit < price {
				return
			}
			p.credit -= price
		}
		p.senders.Remove(first)
		close(s.gone)
	}
	p.credit = 0 // it is not saved up
}

// join adds a sender of n events to those that wait; nil: it need not wait.
func (p *pacer) join(n int64) *list.Element {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n == 0 || p.waiting < slowAfter {
		return nil
	}
	return p.senders.PushBack(&sender{events: n, gone: make(chan struct{})})
}

// leave removes a sender that waits no longer.
func (p *pacer) leave(el *list.Element) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.senders.Remove(el) // nothing, if it was let go meanwhile
}

// pace delays the sender of arrivals, which are journaled.
func (e *Engine) pace(ctx context.Context, longest time.Duration, arrivals []turn.Arrival, receipts []store.Receipt) {
	if e.admission.slow.Load() == 0 || e.rules.Load() == nil {
		return // without rules nothing is handled, however long senders wait
	}
	counts, bytes := make([]int64, len(e.shards)), int64(0)
	for i := range receipts {
		if !receipts[i].Duplicate {
			counts[e.shardOf(arrivals[i].ShardKey()).part.Index]++
			bytes += int64(len(arrivals[i].Event.Raw))
		}
	}
	e.admission.pace(ctx, longest, e.drained, counts, bytes)
}

// countBacklog counts what an earlier run has left, as if each shard had an equal part.
// Each shard corrects its count once it has read all of it.
func (e *Engine) countBacklog() {
	ctx, cancel := withStoreTimeout(context.Background())
	defer cancel()
	stats, err := e.c.Store.Stats(ctx)
	if err != nil {
		return // what waits is then counted from now on; the store logs why it fails
	}
	for i := range e.shards {
		e.admission.add(i, stats.Pending/int64(len(e.shards)))
	}
}
