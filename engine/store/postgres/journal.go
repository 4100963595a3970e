package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"chertd/engine/store"
	"chertd/rules/turn"
)

const (
	// groupEvents and groupBytes bound one transaction of appends. The last one of it may
	// exceed them.
	groupEvents = 2048
	groupBytes  = 8 << 20
	// appendFor is how long a transaction of appends may take. Then its connection is closed,
	// and it is made again.
	appendFor = 10 * time.Second
	// appendTries is how often it is made.
	appendTries = 2
)

// appends are the requests of Append. One goroutine makes one transaction of all that wait.
type appends struct {
	queue chan *appending
	ended chan struct{} // closed when the goroutine has ended

	closing sync.RWMutex // held for reading while sending to the queue
	closed  bool
}

// appending is a request of Append.
type appending struct {
	list     []arrival
	state    atomic.Int32 // appendWaits, then one of the others
	receipts []store.Receipt
	answer   chan error // holds one
}

const (
	appendWaits int32 = iota
	appendBegun
	appendWithdrawn
)

// openJournal reads where the journal ends, and starts the goroutines that append and
// watch.
func (s *Store) openJournal(ctx context.Context) error {
	j := &s.journal
	var last int64
	if err := s.pool.QueryRow(ctx, `SELECT last_seq FROM journal_lock WHERE id = 1`).Scan(&last); err != nil {
		return err
	}
	j.now = s.now
	j.last.Store(last)
	j.wake = make(chan struct{}, 1)
	j.queue, j.ended = make(chan *appending, 1024), make(chan struct{})
	s.health.ended.Store(s.now().UnixNano())
	go func() {
		defer close(j.ended)
		var watching sync.WaitGroup
		watching.Go(func() {
			tick := time.NewTicker(watchEvery)
			defer tick.Stop()
			s.watch(tick.C)
		})
		s.runAppends()
		watching.Wait()
	}()
	return nil
}

// closeJournal waits until the appends that wait are answered, and the goroutines have ended.
func (s *Store) closeJournal() {
	j := &s.journal
	j.closing.Lock()
	j.closed = true
	close(j.queue)
	j.closing.Unlock()
	<-j.ended
}

// Append implements store.Store.
//
// If ctx ends during the write, Append returns ctx's error, and it is unknown whether
// the arrivals are kept; appending them again is safe.
func (s *Store) Append(ctx context.Context, arrivals []turn.Arrival) ([]store.Receipt, error) {
	list, err := prepareArrivals(arrivals)
	if err != nil {
		return nil, err
	}
	a := &appending{list: list, answer: make(chan error, 1)}
	const doing = "append to the journal"
	if err := s.stalled(); err != nil {
		return nil, s.failed(doing, err) // senders do not wait for a database that hangs
	}
	if err := s.enqueue(ctx, a); err != nil {
		return nil, err
	}
	select {
	case err = <-a.answer:
	case <-ctx.Done():
		select {
		case err = <-a.answer: // both have happened
		default:
			a.state.CompareAndSwap(appendWaits, appendWithdrawn)
			return nil, fmt.Errorf("%s: %w", doing, context.Cause(ctx))
		}
	}
	if err != nil {
		return nil, s.failed(doing, err)
	}
	return a.receipts, nil
}

func (s *Store) enqueue(ctx context.Context, a *appending) error {
	j := &s.journal
	j.closing.RLock()
	defer j.closing.RUnlock()
	if j.closed {
		return store.ErrClosed
	}
	select {
	case j.queue <- a:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("append to the journal: %w", context.Cause(ctx))
	}
}

// runAppends serves the requests until the queue is closed and empty.
func (s *Store) runAppends() {
	for a := range s.journal.queue {
		s.serveAppends(s.journal.gather(a))
	}
}

// gather returns a request and those that wait, up to groupEvents and groupBytes, without those
// that were withdrawn.
func (j *journal) gather(a *appending) (group []*appending) {
	events, bytes := 0, 0
	for ok := true; ok; {
		if a.state.CompareAndSwap(appendWaits, appendBegun) {
			group = append(group, a)
			events += len(a.list)
			for i := range a.list {
				bytes += a.list[i].bytes
			}
		}
		if events >= groupEvents || bytes >= groupBytes {
			return group
		}
		select {
		case a, ok = <-j.queue:
		default:
			return group
		}
	}
	return group
}

// serveAppends makes a transaction of a group. If one of them is at fault and fails all, each
// gets a transaction of its own.
func (s *Store) serveAppends(group []*appending) {
	err := s.measured(func() error { return s.appendGroup(group) })
	if len(group) > 1 && ownFault(err) {
		for i := range group {
			group[i].answer <- s.measured(func() error { return s.appendGroup(group[i : i+1]) })
		}
		return
	}
	for _, a := range group {
		a.answer <- err
	}
}

// ownFault reports whether an error is that of what was to be written: data_exception,
// integrity_constraint_violation and program_limit_exceeded (classes of SQLSTATE).
func ownFault(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) || len(e.Code) < 2 {
		return false
	}
	return e.Code[:2] == "22" || e.Code[:2] == "23" || e.Code[:2] == "54"
}

// appendGroup appends what a group has, and announces it.
func (s *Store) appendGroup(group []*appending) error {
	var all []*arrival
	for _, a := range group {
		all = append(all, pointers(a.list)...)
	}
	receipts, err := s.appendAll(all)
	if err != nil {
		return err
	}
	for _, a := range group {
		a.receipts, receipts = receipts[:len(a.list):len(a.list)], receipts[len(a.list):]
	}
	return nil
}

func (s *Store) appendAll(list []*arrival) (receipts []store.Receipt, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	for range appendTries {
		if receipts, err = s.tryAppend(list); err == nil || ownFault(err) {
			break
		}
	}
	return receipts, err
}

// tryAppend makes one transaction of arrivals and announces them. If its answer is lost, another
// try finds those that are kept, and appends the others.
func (s *Store) tryAppend(list []*arrival) (receipts []store.Receipt, err error) {
	j := &s.journal
	j.lock()
	defer j.unlock()
	var entries []turn.Entry
	pipelined := len(j.doubtful) == 0 && j.last.Load()+int64(len(list))+partitionAhead < j.made
	if pipelined {
		err = s.appendOnce(func(ctx context.Context) (err error) {
			receipts, entries, err = s.appendPipelined(ctx, list)
			return err
		})
		pipelined = !lacksPartition(err) // others have filled those that this process knows of
	}
	if !pipelined {
		err = s.appendOnce(func(ctx context.Context) error {
			return s.transactOnce(ctx, ctx, readCommitted, func(tx pgx.Tx) (err error) {
				receipts, entries, err = s.appendPrepared(ctx, tx, list)
				return err
			})
		})
	}
	switch {
	case err == nil:
		j.announce(entries)
	case unanswered(err):
		j.doubt(entries)
	}
	return receipts, err
}

// appendOnce runs a transaction, within a time.
func (s *Store) appendOnce(f func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), appendFor)
	defer cancel()
	for range conflictTries {
		if err = f(ctx); !prevented(err) {
			break
		}
	}
	return err
}
