package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Bounds of what a shard keeps in memory. What does not fit waits in the store.
const (
	queueEntries = 3072                 // events that wait to be handled; more than slowAfter
	queueBytes   = 16 << 20             // bytes of their bodies: one may have 1 MiB
	pageEntries  = 512                  // events read from the store at a time
	fewBytes     = 4 << 20              // bytes of their bodies with which the queue has room for a page
	queueInbox   = 256                  // requests that wait; a full inbox blocks post
	yieldEvery   = time.Millisecond     // after which other goroutines run before the next event
	batchEntries = 256                  // events in one commit
	batchTime    = 5 * time.Millisecond // after which a batch takes in no more events
	batchBytes   = 1 << 20              // written by its handlers, after which it takes in no more events
	cachedChats  = 4096
)

// lockAfter is the number of conflicts after which a batch takes the locks of the packs
// whose kv it uses.
const lockAfter = 3

// Waits between retries of a store that fails, the first and the longest.
const (
	storeRetry    = 100 * time.Millisecond
	storeRetryMax = 5 * time.Second
)

// errStopping is the answer to requests once a shard has ended.
var errStopping = errors.New("the engine is stopping")

// shard owns a part of all chats: only its goroutine runs rules on their events and
// changes them. It works in batches: it handles all that waits, commits that in one
// transaction, and publishes it only then.
type shard struct {
	e     *Engine
	part  store.Shard
	inbox chan request
	wake  chan struct{}

	mu     sync.Mutex // guards what journaled adds to
	queue  []*turn.Entry
	bytes  int
	queued map[string]int // entries in queue, by shard key
	newest int64          // highest sequence known: at New, or of an entry of this shard
	last   int64          // highest sequence that was ever in queue
	behind bool           // the store has entries that are not in queue

	shed atomic.Bool // discard the VMs: memory is low

	// Only for the shard's goroutine.
	taken    int64     // highest sequence taken out of queue or store
	yielded  time.Time // when it last let other goroutines run
	planned  int64     // the last plan of missed events that was carried out
	progress progress
	chats    *chatCache
	waiting  []request // taken from the inbox, not done yet
	// places are what calls in flight, by chat, have in the meters of packs.
	places map[string][]turn.Place
}

// request is work other than an event: the answer to a call, a command, a timer that is
// due, or a request of dispatch for a call. One without input and ready only waits until
// the batches before it are durable.
type request struct {
	chat  string
	input chat.Input
	done  chan error      // if set, receives the result; it must have room
	ready chan readyReply // if set, receives the next call; it must have room
	// dropped, if set, is filled in before done receives: what the input dropped.
	dropped  *live.Dropped
	operated chan Operated // for a chat.Operate; if set, receives its effect before done; it must have room
}

type readyReply struct {
	call chat.Call
	ok   bool
	err  error
}

func newShard(e *Engine, part store.Shard) *shard {
	return &shard{
		e: e, part: part,
		inbox:  make(chan request, queueInbox),
		wake:   make(chan struct{}, 1),
		queued: map[string]int{},
		newest: e.c.Store.LastSeq(),
		behind: true, // whatever an earlier run left pending is in the store
		chats:  newChatCache(cachedChats),
		places: map[string][]turn.Place{},
	}
}

func (s *shard) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *shard) post(ctx context.Context, r request) error {
	select {
	case s.inbox <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// backlog returns how many events wait in memory.
func (s *shard) backlog() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// run works until ctx ends, and then handles the requests that were posted before that:
// the answers to the last calls must not be lost.
func (s *shard) run(ctx context.Context) {
	defer s.refuse()
	whole := context.WithoutCancel(ctx) // a batch that has begun is completed
	for {
		if !s.more() {
			select {
			case r := <-s.inbox:
				s.waiting = append(s.waiting, r)
			case <-s.wake:
			case <-ctx.Done():
				s.takeInbox()
				if len(s.waiting) > 0 {
					s.work(whole)
				}
				return
			}
		}
		if set := s.e.rules.Load(); set != nil && s.shed.CompareAndSwap(true, false) {
			set.Shed(s.part.Index)
		}
		s.takeInbox()
		if ctx.Err() == nil && s.e.rules.Load() != nil {
			s.fetch(ctx)
		}
		s.work(whole)
	}
}

// more reports whether there is work to do now.
func (s *shard) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return (len(s.queue) > 0 || s.behind || s.plan() != nil) && s.e.rules.Load() != nil && !s.e.draining.Load()
}

// plan returns the plan of missed events to carry out before newer events are handled,
// nil if there is none.
func (s *shard) plan() *plan {
	if p := s.e.misses.plan.Load(); p != nil && p.n != s.planned {
		return p
	}
	return nil
}

func (s *shard) takeInbox() {
	for range queueInbox {
		select {
		case r := <-s.inbox:
			s.waiting = append(s.waiting, r)
		default:
			return
		}
	}
}

// work runs one batch of events and requests, commits and publishes it. It repeats that
// until it succeeds or the engine drains.
func (s *shard) work(ctx context.Context) {
	requests := s.waiting
	s.waiting = nil
	var events []*turn.Entry
	wait := storeRetry
	var packs []string // to lock: their kv had repeated conflicts
	for conflicts, again := 0, false; ; again = true {
		if s.plan() != nil && len(events) > 0 {
			s.putBack(events) // missed events come first
			events = nil
		}
		unlock := s.e.lockPacks(packs)
		b := newBatch(s)
		b.again = again
		b.run(ctx, &events, requests)
		err := b.commit(ctx)
		unlock()
		switch {
		case err == nil:
			s.storeWorks()
			b.publish()
			return
		}
		b.abandon()
		switch {
		case errors.Is(err, store.ErrConflict):
			// Handlers have read kv that changed since: run them again.
			if conflicts++; conflicts >= lockAfter {
				packs = b.packs()
			}
		case !s.storeFailed(ctx, err, wait):
			for i := range requests {
				requests[i].fail(err)
			}
			s.mu.Lock()
			s.behind = true // the events of the batch wait in the store
			s.mu.Unlock()
			return
		default:
			// A person waits for these and receives the error, so they must not be
			// carried out later.
			requests = slices.DeleteFunc(requests, func(r request) bool {
				if r.operated != nil {
					r.fail(err)
				}
				return r.operated != nil
			})
			if len(events) == 0 && len(requests) == 0 {
				s.e.failing.Store(nil) // nothing is retried: Store.Healthy has the state
				return
			}
			wait = min(2*wait, storeRetryMax)
		}
	}
}

// storeFailed logs the failure once, and waits. It returns false once the engine is
// stopping.
func (s *shard) storeFailed(ctx context.Context, err error, wait time.Duration) bool {
	text := err.Error()
	if s.e.failing.Swap(&text) == nil {
		s.e.c.Log.Error("the store fails; events stay pending until it works again", "err", err)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return !s.e.draining.Load()
	case <-ctx.Done():
		return false
	}
}

func (s *shard) storeWorks() {
	if s.e.failing.Load() != nil && s.e.failing.Swap(nil) != nil {
		s.e.c.Log.Info("the store works again")
	}
}

// refuse answers the requests in the inbox of a shard that has ended. No more arrive:
// dispatch, timers and commands have ended before it.
func (s *shard) refuse() {
	s.takeInbox()
	for i := range s.waiting {
		s.waiting[i].fail(errStopping)
	}
	s.waiting = nil
}

func (r *request) fail(err error) {
	if r.done != nil {
		r.done <- err
	}
	if r.ready != nil {
		r.ready <- readyReply{err: err}
	}
}
