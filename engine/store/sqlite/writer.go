package sqlite

import (
	"chertd/rules/turn"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// maxWeight and maxBytes bound one transaction, in rows and in their bytes: a larger
// one would save no more time on fsync and make its callers wait longer. The last
// request of a transaction may exceed them.
const (
	maxWeight = 4096
	maxBytes  = 8 << 20
)

// writer is the goroutine that changes the database. It makes one transaction of
// all requests that wait: under load many share one sync, and a single one does
// not wait for others. The syncer, another goroutine, makes the transaction durable.
type writer struct {
	conn   *conn
	files  *files // used by who has the syncer's token
	health health
	queue  chan *request // closed by Store.Close, when no sender is left
	grown  chan struct{} // starts a checkpoint; closed by run

	syncer    syncer
	last      atomic.Int64 // highest sequence on disk, set by the syncer
	behind    lateState
	known     *knownIDs
	waiting   waitingKeys // chats with events that are not handled
	journaled atomic.Pointer[func([]turn.Entry)]

	// The goroutine's own.
	next   int64                // the sequence to give next
	tx     *transaction         // the current one
	counts map[versionKey]tally // of the current transaction
	// compared has the comparisons of the current transaction.
	compared comparing
	rules    ruleTally // of the current transaction
	ruleLate *ruleLate // what rule_totals lacks; it does not change
	recent   recent
	written  int             // rows, since the last checkpoint began
	commits  int64           // the count of transactions, as on disk
	closing  <-chan struct{} // closed by Store.Close
	doubt    *doubt          // the transaction that failed last, until settle; else nil
}

// run serves requests until the queue is closed and empty.
func (w *writer) run() {
	defer close(w.grown)
	defer close(w.syncer.work)
	var group []*request
	var rush rush
	for {
		r, ok := w.nextRequest()
		if !ok {
			break
		}
		group = group[:0]
		weight := w.behind.sizes.idle
		if r != nil {
			if rush.lasts(time.Now()) {
				time.Sleep(rushWait)
			}
			group, weight = w.gather(append(group, r))
			rush.count(len(group), time.Now())
		}
		w.serve(group)
		if w.written += weight; w.written >= checkpointRows && w.health.ended.Load() == nil {
			select {
			case w.grown <- struct{}{}:
				w.written = 0
			default: // it is still running
			}
		}
		clear(group)
	}
	w.syncer.wait()
	if w.behind.waits() && w.health.ended.Load() == nil {
		// What fails here is written at the next start.
		r := newRequest("write what is late")
		r.late = true
		w.serve([]*request{r})
	}
}

const (
	// rushRate is how many requests a millisecond make a rush. At 1,000 events a second,
	// with three requests each, there is none.
	rushRate = 4
	// rushFew is how many requests must share a transaction in a rush. A single sender is
	// none: the three transactions of its event follow one another as fast as the disk.
	rushFew = 4
	// rushEnds is how long after a transaction the rush is over.
	rushEnds = 5 * time.Millisecond
	// fewRequests are too few for a transaction, which costs as much processor time as ten
	// of them. They wait until the one before is synced, as others come in meanwhile and
	// with its answers: without that, 32 senders make a quarter more transactions, and an
	// event takes 5% more processor time from webhook to call.
	fewRequests = 16
	// rushWait is how long they wait in a rush besides. With 32 senders it takes a twentieth
	// to a sixth off the processor time from webhook to call, halves the 99th percentile of
	// the time to an acknowledgement, and leaves as many events a second.
	rushWait = time.Millisecond
)

// rush tells whether requests come in so fast, and so few share a transaction, that it saves
// time to wait for more.
type rush struct {
	on    bool
	began time.Time // of the last transaction
}

// count counts the requests of a transaction that begins. Where no time passes between
// them it is virtual, and there is none to save.
func (r *rush) count(requests int, now time.Time) {
	since := now.Sub(r.began)
	r.on = since > 0 && requests >= rushFew && requests < fewRequests &&
		float64(requests)*float64(time.Millisecond) >= rushRate*float64(since)
	r.began = now
}

// lasts reports whether the rush is still on.
func (r *rush) lasts(now time.Time) bool { return r.on && now.Sub(r.began) < rushEnds }

// nextRequest waits for a request. It returns nil if late rows are to be written instead,
// which they are while no request waits, and false once the queue is closed and empty.
func (w *writer) nextRequest() (r *request, ok bool) {
	if w.behind.due() && !w.behind.failed && w.behind.sizes.idle > 0 {
		if r, ok = w.another(false); ok && r == nil {
			return nil, true
		}
	} else {
		r, ok = <-w.queue
	}
	if ok && r.ticks && w.behind.waits() {
		w.behind.ticks++
	}
	return r, ok
}

// gather adds to a group of one the requests that wait, up to maxWeight and
// maxBytes, and returns how many rows the group writes.
func (w *writer) gather(group []*request) (all []*request, weight int) {
	weight, bytes := group[0].weight, group[0].bytes
	for synced := false; weight < maxWeight && bytes < maxBytes; {
		r, ok := w.another(synced || len(group) >= fewRequests)
		switch {
		case !ok:
			return group, weight
		case r != nil:
			group = append(group, r)
			weight += r.weight
			bytes += r.bytes
		case synced:
			return group, weight
		default:
			// Other goroutines that are ready run first. Under load they add requests, and
			// the group grows: a third fewer transactions, and 6% less processor time from
			// webhook to call. A single request still does not wait.
			runtime.Gosched()
			synced = true
		}
	}
	return group, weight
}

// another returns a request that waits; nil if none does, and false once the queue is
// closed and empty. Unless now is set, it waits for one until the transaction before is
// synced.
func (w *writer) another(now bool) (r *request, ok bool) {
	select {
	case r, ok = <-w.queue:
		return r, ok
	default:
	}
	if now {
		return nil, true
	}
	select {
	case r, ok = <-w.queue:
		return r, ok
	case <-w.syncer.idle:
		w.syncer.idle <- struct{}{}
		return nil, true
	}
}

// serve commits a group. The syncer answers it; serve does if it fails.
func (w *writer) serve(group []*request) {
	begun := make([]*request, 0, len(group))
	for _, r := range group {
		if r.state.CompareAndSwap(requestWaits, requestBegun) {
			begun = append(begun, r)
		}
	}
	if len(begun) == 0 && len(group) > 0 {
		return
	}
	w.health.writes.Store(w.health.now().UnixNano())
	defer w.health.writes.Store(0)
	err := w.guarded(begun)
	w.behind.failed = err != nil
	if err == nil {
		return
	}
	if len(begun) <= 1 || storeFailed(err) || w.doubt != nil {
		w.refuse(begun, err)
		return
	}
	// One of them is at fault and has failed all. This is rare, so that each gets a
	// transaction of its own then, instead of a savepoint always.
	for i := range begun {
		if err := w.guarded(begun[i : i+1]); err != nil {
			w.refuse(begun[i:i+1], err)
		}
	}
}

// refuse answers requests of which nothing was kept, or whose transaction is in doubt.
func (w *writer) refuse(group []*request, err error) {
	if w.doubt != nil {
		w.doubt.tx.requests, w.doubt.tx.proves = nil, false
	}
	for _, r := range group {
		r.answer <- r.failed(err)
	}
}

// guarded is transact with a check of the files before, unless the syncer is about to
// check them after another transaction.
func (w *writer) guarded(group []*request) (err error) {
	defer func() {
		if err != nil {
			w.health.wrote(err)
		}
	}()
	if ended := w.health.ended.Load(); ended != nil {
		return *ended
	}
	select {
	case <-w.syncer.idle:
		err = w.check()
		w.syncer.idle <- struct{}{}
	default:
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(group, func(r *request) bool { return r.tries }) {
		err = w.tryIntake()
	}
	if err == nil {
		err = w.transact(group)
	}
	if damaged(err) {
		err = &CorruptError{w.files.path, err}
		w.health.end(err)
		return err
	}
	if err != nil && len(group) == 1 && group[0].takesIn() && !storeFailed(err) {
		// Would any other delivery fail, too?
		if all := w.tryIntake(); all != nil {
			return all
		}
	}
	return err
}
