package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"chertd/engine/event"
	"chertd/luabind/diag"
	"chertd/rules/turn"
)

const (
	// watchEvery is how often the store tests whether it accepts events while none come, and
	// after a failure.
	watchEvery = time.Second
	// stallAfter is how long an append may take before the database counts as hanging.
	stallAfter = 3 * time.Second
)

// StalledError reports that the database does not answer.
type StalledError struct{ For time.Duration }

func (e *StalledError) Error() string {
	return fmt.Sprintf("the database does not answer: a write has not ended after %s", diag.About(e.For.Truncate(time.Second)))
}

// databaseError reports that the database could not keep an event. It may be able to later.
type databaseError struct{ Err error }

func (e *databaseError) Error() string { return e.Err.Error() }
func (e *databaseError) Unwrap() error { return e.Err }

// Hint returns what an operator can do about it.
func (e *databaseError) Hint() string {
	var server *pgconn.PgError
	switch {
	case errors.Is(e.Err, errReadOnly):
		return "let store.url name the primary; chertd tries again every second"
	case !errors.As(e.Err, &server):
		return "check that PostgreSQL runs and can be reached (store.url); chertd tries again every second"
	case server.Code == "53100":
		return "make room on the disk of PostgreSQL; chertd tries again every second"
	case server.Code == "25006":
		return "this PostgreSQL is read-only: let store.url name the primary; chertd tries again every second"
	case server.Code == "42501":
		return "give the user of store.url all rights on the schema; chertd tries again every second"
	}
	return "check the log of PostgreSQL; chertd tries again every second"
}

// health records whether the store accepts events.
type health struct {
	ended atomic.Int64 // when the last append ended, Unix nanoseconds
	fails atomic.Pointer[error]
}

// Healthy implements store.Store.
func (s *Store) Healthy() error {
	if err := s.stalled(); err != nil {
		return err
	}
	if err := s.health.fails.Load(); err != nil {
		return *err
	}
	return nil
}

// stalled returns a *StalledError if the current append takes too long.
func (s *Store) stalled() error {
	if began := s.journal.began.Load(); began != 0 {
		if d := s.now().Sub(time.Unix(0, began)); d >= stallAfter {
			return &StalledError{d}
		}
	}
	return nil
}

// measured runs an append and notes its result.
func (s *Store) measured(f func() error) error {
	h := &s.health
	err := f()
	h.ended.Store(s.now().UnixNano())
	switch {
	case err == nil:
		h.fails.Store(nil)
	case !ownFault(err):
		failed := error(&databaseError{err})
		h.fails.Store(&failed)
	}
	return err
}

// trial is the event with which watch tests the journal.
var trial = turn.Arrival{Event: event.Event{ID: "chertd: trial", Type: "trial", Source: event.SourceEngine}}

var errTried = errors.New("tried")

// watch tests whether the database answers, while no events come, and whether it accepts events
// after a failure, until the store is closed.
func (s *Store) watch(tick <-chan time.Time) {
	for {
		select {
		case <-s.closed:
			return
		case <-tick:
		}
		h := &s.health
		switch {
		case h.fails.Load() != nil || s.journal.unsure.Load():
			_ = s.measured(s.tryIntake)
		case s.now().Sub(time.Unix(0, h.ended.Load())) >= watchEvery:
			_ = s.measured(s.ping)
		}
	}
}

// errReadOnly reports that the server takes no changes.
var errReadOnly = errors.New("the server is a standby, which accepts no changes")

// ping tests whether the database answers and can be written to.
func (s *Store) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), stallAfter)
	defer cancel()
	var standby bool
	err := s.pool.QueryRow(ctx, `SELECT pg_is_in_recovery()`).Scan(&standby)
	if err == nil && standby {
		err = errReadOnly
	}
	return err
}

// tryIntake appends an event and rolls back. If the answer to a COMMIT was lost before, it
// announces the events that are kept.
func (s *Store) tryIntake() error {
	list, err := prepareArrivals([]turn.Arrival{trial})
	if err != nil {
		return err
	}
	j := &s.journal
	j.lock()
	defer j.unlock()
	if len(j.doubtful) > 0 {
		err := s.appendOnce(func(ctx context.Context) error {
			return s.transactOnce(ctx, ctx, readCommitted, func(tx pgx.Tx) error {
				_, err := s.lockedLast(ctx, tx)
				return err
			})
		})
		if err != nil {
			return err
		}
		j.announce(nil)
	}
	err = s.appendOnce(func(ctx context.Context) error {
		return s.transactOnce(ctx, ctx, readCommitted, func(tx pgx.Tx) error {
			if _, _, err := s.appendPrepared(ctx, tx, pointers(list)); err != nil {
				return err
			}
			return errTried
		})
	})
	if errors.Is(err, errTried) {
		return nil
	}
	return err
}
