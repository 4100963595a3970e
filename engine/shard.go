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
	queueEntries = 1024                 // events waiting to be handled
	queueBytes   = 16 << 20             // and their bytes: a body may be 1 MiB
	queueInbox   = 256                  // requests waiting; those who ask wait then
	batchEntries = 256                  // events in one commit
	batchTime    = 5 * time.Millisecond // after which a batch takes no more events in
	batchBytes   = 1 << 20              // of what its handlers wrote, after which it takes none either
	cachedChats  = 4096
)

// lockAfter is how many conflicts a batch meets before it takes the locks of
// the packs it concerns.
const lockAfter = 3

// Retries of a store that fails, from the first to the longest wait.
const (
	storeRetry    = 100 * time.Millisecond
	storeRetryMax = 5 * time.Second
)

// errStopping is the answer to requests once a shard gives up.
var errStopping = errors.New("the engine is stopping")

// shard owns a part of all chats: its goroutine alone runs rules on their
// events and moves them. It works in batches: all that waits is run, committed
// as one, and only then shown to anyone.
type shard struct {
	e     *Engine
	part  store.Shard
	inbox chan request
	wake  chan struct{}

	mu     sync.Mutex // guards what journaled adds to
	queue  []*turn.Entry
	bytes  int
	queued map[string]int // entries in queue, a chat
	newest int64          // highest sequence known of: what was journaled before New, or for this shard
	last   int64          // highest sequence that was ever in queue
	behind bool           // the queue is not all there is: the store has more

	shed atomic.Bool // the VMs are to be thrown away: memory is short

	// Of the goroutine alone.
	taken    int64 // highest sequence taken out of queue or store
	planned  int64 // the plan of missed events that was carried out last
	progress progress
	chats    *chatCache
	waiting  []request // taken from the inbox, not done yet
	// places are what calls in flight, by chat, have in the meters of packs.
	places map[string][]turn.Place
}

// request is something other than an event: a call's answer, an operator's
// command, a time that has come, or dispatch asking for a call. One that is of
// no chat asks only to be told when the batches before it are durable.
type request struct {
	chat  string
	input chat.Input
	done  chan error      // if set, gets the end; has room for it
	ready chan readyReply // if set, input is chat.Ready; has room for the reply
	// dropped, if set, is what the input dropped, once done was told.
	dropped *live.Dropped
	told    chan Operated // if set, input is chat.Operate, done is set; gets what it did before done its end; has room for it
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

// backlog is how many events wait in memory.
func (s *shard) backlog() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// run works until ctx ends, and then on what was asked before that: the answers
// of the last calls must not be lost.
func (s *shard) run(ctx context.Context) {
	defer s.refuse()
	whole := context.WithoutCancel(ctx) // a batch that was begun is ended
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

// more reports whether there is work that needs no waiting for.
func (s *shard) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return (len(s.queue) > 0 || s.behind || s.plan() != nil) && s.e.rules.Load() != nil && !s.e.draining.Load()
}

// plan is the plan of missed events that is to be carried out before anything
// newer is handled; nil: there is none.
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

// work runs one batch: events and requests are run, committed and published.
// It repeats until that succeeds or the engine drains.
func (s *shard) work(ctx context.Context) {
	requests := s.waiting
	s.waiting = nil
	var events []*turn.Entry
	wait := storeRetry
	var packs []string // to lock: their kv met conflicts again and again
	for conflicts, again := 0, false; ; again = true {
		if s.plan() != nil && len(events) > 0 {
			s.putBack(events) // what was missed comes first
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
			// What was run rests on what has changed: run it again.
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
			// A person waits for these and is told that they failed: they must not be
			// carried out later.
			requests = slices.DeleteFunc(requests, func(r request) bool {
				if r.told != nil {
					r.fail(err)
				}
				return r.told != nil
			})
			if len(events) == 0 && len(requests) == 0 {
				s.e.failing.Store(nil) // nothing is tried any more: the store says how it is
				return
			}
			wait = min(2*wait, storeRetryMax)
		}
	}
}

// storeFailed says so once, and waits; false once the engine is stopping.
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

// refuse answers what is asked of a shard that has ended. Its inbox has no
// readers any more: dispatch, timers and commands have ended before it.
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
