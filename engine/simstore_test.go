package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// simStore is the store of one run of the daemon. It notes what is durable, and stands still
// where the daemon is to be killed: before a transaction, or after it and before the daemon
// learns of it.
type simStore struct {
	store.Store
	w     *simWorld
	run   *simRun
	armed atomic.Pointer[simKind] // simCrashBack or simCrashOn: at one of the next transactions
	after atomic.Int64            // how many transactions pass before
	hit   chan struct{}           // closed when it stands still
}

var errSimKilled = errors.New("the process was killed")

// write makes a transaction, unless the daemon is killed there. durable is called once it is. The
// disk takes its time, before and after: so whoever waits for the transaction, and whoever learns
// of it otherwise, do not race at one moment of virtual time. what tells them apart.
func (s *simStore) write(what string, do func() error, durable func()) error {
	dice, _ := s.w.dice(what)
	time.Sleep(simWhile(dice, 10*time.Microsecond, 500*time.Microsecond))
	defer time.Sleep(simWhile(dice, 10*time.Microsecond, 500*time.Microsecond))
	at := s.armed.Load()
	stop := at != nil && s.after.Add(-1) < 0 && s.armed.CompareAndSwap(at, nil)
	if stop && *at == simCrashBack {
		return s.standStill()
	}
	if s.run.isDead() {
		return errSimKilled
	}
	err := do()
	if err == nil && !s.run.isDead() {
		durable()
	}
	if stop {
		return s.standStill()
	}
	return err
}

func (s *simStore) standStill() error {
	close(s.hit)
	<-s.run.dead
	return errSimKilled
}

func (s *simStore) Journaled(tell func([]turn.Entry)) {
	s.Store.Journaled(func(entries []turn.Entry) {
		if !s.run.isDead() {
			s.w.journaled(entries)
		}
		tell(entries)
	})
}

func (s *simStore) Append(ctx context.Context, arrivals []turn.Arrival) (receipts []store.Receipt, err error) {
	err = s.write("append "+arrivals[0].Event.ID, func() error { receipts, err = s.Store.Append(ctx, arrivals); return err }, func() {})
	return receipts, err
}

func (s *simStore) AppendEarly(ctx context.Context, arrivals []turn.Arrival) (receipts []store.Receipt, err error) {
	err = s.write("append early "+arrivals[0].Event.ID, func() error { receipts, err = s.Store.AppendEarly(ctx, arrivals); return err }, func() {})
	return receipts, err
}

func (s *simStore) DropEarly(ctx context.Context, through int64) error {
	return s.write("drop early", func() error { return s.Store.DropEarly(ctx, through) }, func() {})
}

func (s *simStore) Commit(ctx context.Context, batch []turn.Transition) error {
	return s.write("commit", func() error { return s.Store.Commit(ctx, batch) }, func() { s.w.committed(batch) })
}

func (s *simStore) SetCallPause(ctx context.Context, credential string, p store.CallPause) error {
	return s.write("set pause", func() error { return s.Store.SetCallPause(ctx, credential, p) }, s.w.pauseKept)
}

func (s *simStore) SaveVersion(ctx context.Context, v store.Version) error {
	return s.write("save version", func() error { return s.Store.SaveVersion(ctx, v) }, func() {})
}

func (s *simStore) SetPackState(ctx context.Context, p store.PackState) error {
	return s.write("set pack state", func() error { return s.Store.SetPackState(ctx, p) }, func() {})
}

func (s *simStore) SetPendingKept(ctx context.Context, pack, version string, kept bool) error {
	return s.write("set pending kept", func() error { return s.Store.SetPendingKept(ctx, pack, version, kept) }, func() {})
}

// Healthy is called before each call is chosen. It takes a moment: meanwhile the batch that has
// woken the dispatcher says of all its chats when they are due.
func (s *simStore) Healthy() error {
	time.Sleep(3 * time.Microsecond)
	return s.Store.Healthy()
}

// TimersDue takes another moment, for the same reason.
func (s *simStore) TimersDue(ctx context.Context, after store.Due, limit int) ([]store.Due, error) {
	time.Sleep(7 * time.Microsecond)
	return s.Store.TimersDue(ctx, after, limit)
}
