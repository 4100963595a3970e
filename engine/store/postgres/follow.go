package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/turn"
)

const (
	// followEvery is how often a member looks for what others have appended.
	followEvery = 50 * time.Millisecond
	// followEntries is how many entries are announced together.
	followEntries = 512
)

// share notes that others append as well. owns reports whether the process has the lease.
func (j *journal) share(owns func() bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.shared, j.owns, j.announced = true, owns, j.last.Load()
}

// know notes where the journal ends.
func (j *journal) know(last int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last.Store(max(j.last.Load(), last))
}

// wakeUp makes follow look now.
func (j *journal) wakeUp() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// follow announces what other members append, until ctx ends. It polls: a notification of
// the database can be lost.
func (s *Store) follow(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.journal.wake:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for more := true; more && ctx.Err() == nil; {
			more = s.announceOthers(ctx)
		}
	}
}

// announceOthers announces the next entries of the journal that are not handled. It
// reports whether there may be more.
func (s *Store) announceOthers(ctx context.Context) (more bool) {
	j := &s.journal
	f := j.journaled.Load()
	if f == nil || s.members.lease.Load() == nil {
		return false // only who has the lease handles events
	}
	ctx, cancel := context.WithTimeout(ctx, appendFor)
	defer cancel()
	// Own appends wait, so that what they announce comes after it.
	j.lock()
	defer j.unlock()
	var last int64
	var entries []turn.Entry
	err := s.transactOnce(ctx, ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		if err = tx.QueryRow(ctx, `SELECT last_seq FROM journal_lock WHERE id = 1`).Scan(&last); err != nil || last <= j.announced {
			return err
		}
		rows, err := tx.Query(ctx, selectPending, j.announced, 1, 0, followEntries, store.PendingBytes)
		if err == nil {
			entries, err = pgx.CollectRows(rows, entryOf)
		}
		return err
	})
	if err != nil || last <= j.announced {
		return false // a failure shows in Healthy; the next look tries again
	}
	more = len(entries) > 0 // there are none only if all are handled
	if more {
		last = entries[len(entries)-1].Seq
	}
	j.announced = last
	j.last.Store(max(j.last.Load(), last))
	if more {
		(*f)(entries)
	}
	return more
}
