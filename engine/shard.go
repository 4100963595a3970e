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
	"chertd/luabind/diag"
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
	idleChats    = 512                  // in memory, besides busyChats whose call waits
	busyChats    = 4096
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

// shard owns a part of all chats. Its goroutine works in batches: it handles all that
// waits, commits that in one transaction, and publishes it then, or before (lend.go). Rules
// run on that goroutine alone, and it alone changes chats in the store.
//
// A batch claims each chat that it looks at, from then until it has published it. Between
// claims the published chat belongs to whoever holds mu: Engine.Ready puts its call in
// flight there, which is not stored, and the next batch finds it.
type shard struct {
	e     *Engine
	part  store.Shard
	inbox chan request
	wake  chan struct{}

	mu           sync.Mutex // guards the fields up to the blank line
	queue        []*turn.Entry
	bytes        int
	queued       map[string]int  // entries in queue, by shard key
	newest       int64           // highest sequence known: at New, or of an entry of this shard
	last         int64           // highest sequence that was ever in queue
	taken        int64           // highest sequence taken out of queue
	handled      int64           // events up to it, if there are any, are handled and published
	behind       bool            // the store has entries that are not in queue
	chats        *chatCache      // published
	claimed      map[string]bool // chats of the current batch
	posted       map[string]int  // requests of each chat that are in the inbox, or about to be
	refused      []string        // chats whose call was refused because they are claimed or have requests
	results      []request       // of reads that succeeded, for the next batch
	resultsWake  int             // how many wake the shard
	pace         pace
	resultsDue   bool        // they have waited for resultsWait
	resultsTimer *time.Timer // nil: there were none yet

	shed    atomic.Bool  // discard the VMs: memory is low
	planned atomic.Int64 // the last plan of missed events that was carried out

	// Only for the shard's goroutine.
	yielded  time.Time // when it last let other goroutines run
	progress progress
	waiting  []request // taken from the inbox, not done yet
	// loaded are chats of events that wait, as they are in the store.
	loaded map[string]*chat.Chat
	// places are what calls in flight, by chat, have in the meters of packs.
	places  map[string][]turn.Place
	log     []turn.Transition // empty: room for those of the next batch
	sinceKV int               // batches since one used kv, up to kvBatches
	open    *time.Timer       // nil: no batch stayed open yet
}

// work is what one batch takes in, in its order. It is kept for when all must run again.
type work struct {
	inputs []input
	events int // of them
}

// input is an event, a request or a call that was handed out; with none of them it is the
// place where a plan is carried out instead of events.
type input struct {
	entry   *turn.Entry
	request *request
	flight  *chat.Flight
	at      time.Time // when it was taken in, or the call was handed out
}

// chatID returns the chat of an input; "": it has none.
func (in *input) chatID() string {
	switch {
	case in.entry != nil:
		return in.entry.Event.ChatID()
	case in.flight != nil:
		return in.flight.Chat
	case in.request != nil:
		return in.request.chat
	}
	return ""
}

// request is work other than an event: the answer to a call, a command, a timer that is
// due, a request of dispatch for a call, or one for dead actions. One without any only waits until
// the batches before it are durable.
type request struct {
	chat  string
	input chat.Input
	done  chan error      // if set, receives the result; it must have room
	ready chan readyReply // if set, receives the next call; it must have room
	// dropped, if set, is filled in before done receives: what the input dropped.
	dropped *live.Dropped
	// choose, if set, returns the input by what the chat is then; nil: nothing is to change.
	choose func(c *chat.Chat, now time.Time) chat.Input
	// moved, if set, is called once the change is durable, with the chat as it was before and its
	// actions that have changed.
	moved    func(before *chat.Chat, actions []chat.Action)
	durable  func()        // for a chat.Answer; if set, is called once the answer is durable, or lost
	after    int64         // for a chat.Answer: the highest sequence of the shard when it came
	came     time.Time     // for a chat.Answer
	operated chan Operated // for a chat.Operate; if set, receives its effect before done; it must have room
	dead     *deadWork     // what a command does with dead actions of the chat, instead of input
	retry    *retry        // an event that is to run again through a pack; nil: none
	forget   *forgetting   // set if the chat is to be forgotten
}

type readyReply struct {
	call chat.Call
	ok   bool
	err  error
}

func newShard(e *Engine, part store.Shard) *shard {
	return &shard{
		e: e, part: part,
		inbox:   make(chan request, queueInbox),
		wake:    make(chan struct{}, 1),
		queued:  map[string]int{},
		newest:  e.c.Store.LastSeq(),
		behind:  true, // whatever an earlier run left pending is in the store
		chats:   newChatCache(idleChats, busyChats),
		posted:  map[string]int{},
		places:  map[string][]turn.Place{},
		sinceKV: kvBatches,
	}
}

func (s *shard) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *shard) post(ctx context.Context, r request) error {
	s.mu.Lock()
	s.posted[r.chat]++
	s.mu.Unlock()
	select {
	case s.inbox <- r:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		s.unpost(r.chat)
		s.mu.Unlock()
		return ctx.Err()
	}
}

// unpost notes that a request has left the inbox. It is called with mu held.
func (s *shard) unpost(id string) {
	if s.posted[id]--; s.posted[id] == 0 {
		delete(s.posted, id)
	}
}

// received claims the chats of requests from the inbox.
func (s *shard) received(requests []request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range requests {
		s.unpost(requests[i].chat)
		s.own(requests[i].chat)
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
				s.work(whole)
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
		if len(s.waiting) > 0 || s.more() {
			s.work(whole)
		}
	}
}

// more reports whether there is work to do now.
func (s *shard) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mustCommitResults() {
		return true
	}
	return (len(s.queue) > 0 || s.behind || s.plan() != nil) && s.e.rules.Load() != nil && !s.e.draining.Load()
}

// plan returns the plan of missed events to carry out before newer events are handled,
// nil if there is none.
func (s *shard) plan() *plan {
	if p := s.e.misses.plan.Load(); p != nil && p.n != s.planned.Load() {
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
// until it succeeds, or fails after the engine began to drain.
func (s *shard) work(ctx context.Context) {
	w := &work{}
	s.sinceKV = min(s.sinceKV+1, kvBatches)
	wait := storeRetry
	var packs []string // to lock: their kv had repeated conflicts
	for conflicts, again := 0, false; ; again = true {
		last := s.e.draining.Load() // then nothing is retried
		unlock := s.e.lockPacks(packs)
		b := newBatch(s, w)
		if again {
			b.runAgain(ctx)
		} else {
			b.run(ctx, s.takeResults(), s.takeRequests())
			for s.stayOpen(ctx, b) {
				s.fetch(ctx)
				b.run(ctx, s.takeResults(), s.takeRequests())
			}
		}
		err := b.commit(ctx)
		unlock()
		if err == nil {
			s.storeWorks()
			s.notePace(b)
			b.publish()
			s.noteHandled()
			b.end()
			return
		}
		b.abandon()
		switch {
		case errors.Is(err, store.ErrConflict):
			// Handlers have read kv that changed since: run them again.
			if conflicts++; conflicts >= lockAfter {
				packs = b.packs()
			}
			b.end()
		case !s.storeFailed(ctx, err, wait) && last:
			w.fail(err, func(*request) bool { return true })
			s.mu.Lock()
			s.behind = true // the events of the batch wait in the store
			if first := w.first(); first != nil {
				s.taken = first.Seq - 1
			}
			s.mu.Unlock()
			s.unclaim()
			return
		default:
			// A person waits for these and receives the error, so they must not be
			// carried out later.
			w.fail(err, func(r *request) bool { return r.operated != nil || r.dead != nil })
			if w.empty() {
				s.e.failing.Store(nil) // nothing is retried: Store.Healthy has the state
				s.unclaim()
				return
			}
			wait = min(2*wait, storeRetryMax)
		}
		if s.plan() != nil && w.events > 0 {
			s.putBack(w.takeEvents()) // missed events come first
		}
	}
}

// takeRequests takes the requests that wait, and claims their chats. Answers stay that must
// wait for an event.
func (s *shard) takeRequests() []request {
	requests, later := s.splitResults(s.waiting)
	s.waiting = later
	s.received(requests)
	return requests
}

// empty reports whether there is nothing that must run again.
func (w *work) empty() bool {
	return !slices.ContainsFunc(w.inputs, func(in input) bool { return in.entry != nil || in.request != nil || in.flight != nil })
}

// fail answers the requests that which selects, and removes them.
func (w *work) fail(err error, which func(*request) bool) {
	w.inputs = slices.DeleteFunc(w.inputs, func(in input) bool {
		fails := in.request != nil && which(in.request)
		if fails {
			in.request.fail(err)
		}
		return fails
	})
}

// lastCalls returns the place in inputs of the last call that was handed out, by chat.
func (w *work) lastCalls() map[string]int {
	last := map[string]int{}
	for i := range w.inputs {
		if f := w.inputs[i].flight; f != nil {
			last[f.Chat] = i
		}
	}
	return last
}

// first returns the first event; nil: there is none.
func (w *work) first() *turn.Entry {
	for i := range w.inputs {
		if w.inputs[i].entry != nil {
			return w.inputs[i].entry
		}
	}
	return nil
}

// takeEvents removes the events, and the calls that were handed out because of them.
func (w *work) takeEvents() (events []*turn.Entry) {
	w.inputs = slices.DeleteFunc(w.inputs, func(in input) bool {
		if in.entry != nil {
			events = append(events, in.entry)
		}
		return in.entry != nil || in.flight != nil
	})
	w.events = 0
	return events
}

// unclaim ends the claims of a batch that was given up.
func (s *shard) unclaim() {
	for _, c := range s.publish(nil) {
		s.e.setDue(c)
	}
}

// storeFailed logs the failure once, and waits. It returns false once the engine is
// stopping.
func (s *shard) storeFailed(ctx context.Context, err error, wait time.Duration) bool {
	text := err.Error()
	if s.e.failing.Swap(&text) == nil {
		s.e.c.Log.Error("the store fails; events stay pending until it works again", keyError, err, "hint", diag.StoreHint)
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
	for _, r := range slices.Concat(s.takeResults(), s.waiting) {
		r.fail(errStopping)
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
	if r.durable != nil {
		r.durable()
	}
}
