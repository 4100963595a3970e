package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// commitFor is how long a transaction of Commit may take until its COMMIT, which is never
// interrupted: PostgreSQL would confirm it before a standby has it.
const commitFor = 10 * time.Second

// errAllRefused takes back a transaction whose batches are all refused.
var errAllRefused = errors.New("all refused")

// errNotKept reports that the answer to COMMIT was lost, and the transaction was not kept.
var errNotKept = errors.New("the database has not kept the batch")

// commitGroup commits the batches of a group, all but those that it refuses, in one transaction.
func (s *Store) commitGroup(group []*commitRequest) (err error) {
	for range conflictTries {
		err = s.tryGroup(group)
		switch {
		case errors.Is(err, errOwnGone):
			s.commits.transactions = -1
		case !prevented(err) && !errors.Is(err, errNotKept):
			return err
		}
	}
	return err
}

// tryGroup is commitGroup once.
func (s *Store) tryGroup(group []*commitRequest) error {
	ctx, cancel := context.WithTimeout(context.Background(), commitFor)
	defer cancel()
	if err := s.countOwn(ctx); err != nil {
		return err
	}
	g := &changes{owner: s.owner, transaction: s.commits.transactions + 1, rules: ruleTally{after: s.commits.rulesAfter}}
	var entries []turn.Entry
	var pid uint32
	locked := false
	defer func() {
		if locked {
			s.journal.unlock()
		}
	}()
	err := s.transactOnce(ctx, context.Background(), pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) (err error) {
		pid = tx.Conn().PgConn().PID()
		if err := s.fence(ctx, tx); err != nil {
			return err
		}
		if err := g.take(ctx, tx, group); err != nil {
			return err
		}
		if err := g.write(ctx, tx); err != nil || len(g.arrivals) == 0 {
			return err
		}
		// Appends have no rows of this transaction to wait for. Their turn is that of the
		// row journal_lock, which this one locks next.
		s.journal.lock()
		locked = true
		_, entries, err = s.appendIn(ctx, tx, g.arrivals)
		return err
	})
	switch {
	case errors.Is(err, errAllRefused):
		return nil
	case unanswered(err):
		if err := s.settle(pid, err); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		s.commits.transactions++
	}
	if locked {
		s.journal.announce(entries)
	}
	return nil
}

// take reads and locks what a group changes, and applies its batches to that, all but those that
// it refuses.
func (g *changes) take(ctx context.Context, tx pgx.Tx, group []*commitRequest) (err error) {
	if err := g.lookUp(ctx, tx, group); err != nil {
		return err
	}
	all := true
	for _, r := range group {
		if r.refused, err = g.apply(ctx, tx, r); err != nil {
			return err
		}
		all = all && r.refused != nil
	}
	if all {
		return errAllRefused
	}
	return nil
}

// countOwn adds the row of this owner to counts, once.
func (s *Store) countOwn(ctx context.Context) error {
	if s.commits.transactions >= 0 {
		return nil
	}
	if _, err := s.pool.Exec(ctx, `INSERT INTO counts (owner) VALUES ($1) ON CONFLICT DO NOTHING`, s.owner); err != nil {
		return err
	}
	err := s.pool.QueryRow(ctx, `SELECT transactions, rules_after FROM counts, daemon WHERE owner = $1`, s.owner).Scan(&s.commits.transactions, &s.commits.rulesAfter)
	if errors.Is(err, pgx.ErrNoRows) {
		s.commits.transactions = -1
	}
	return err
}

// settle finds out whether the transaction whose answer to COMMIT was lost was kept, and returns
// nil if it was: each one counts itself in the row of this owner. It asks until it knows, because
// to write a batch again that was kept would write kv twice, and gives up when the store is closed.
func (s *Store) settle(pid uint32, lost error) error {
	for wait := settleFirst; ; wait = min(2*wait, settleLast) {
		n, err := s.transactionsOf(pid)
		if errors.Is(err, pgx.ErrNoRows) {
			return errOwnGone
		}
		if err == nil {
			kept := n > s.commits.transactions
			s.commits.transactions = n
			if !kept {
				return errNotKept
			}
			return nil
		}
		again := time.NewTimer(wait)
		select {
		case <-again.C:
		case <-s.closed:
			again.Stop()
			return fmt.Errorf("%w; the store was closed before it was known whether the batch is kept: %w", lost, err)
		}
	}
}

// How long settle waits before it asks again.
const (
	settleFirst = 20 * time.Millisecond
	settleLast  = time.Second
)

// transactionsOf returns how many transactions this owner has made. A session that has not ended
// may hold the row: one whose COMMIT the server never got is ended, and any other is waited for.
// It makes no transaction that a lost COMMIT could leave open in its turn.
func (s *Store) transactionsOf(pid uint32) (n int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitFor)
	defer cancel()
	_, err = s.pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE pid = $1 AND pid <> pg_backend_pid() AND usename = current_user AND state LIKE 'idle in transaction%'`, int32(pid))
	if err == nil {
		err = s.pool.QueryRow(ctx, `SELECT transactions FROM counts WHERE owner = $1 FOR UPDATE`, s.owner).Scan(&n)
	}
	return n, err
}

// apply takes the changes of a request into the group, unless what it has read has changed.
func (g *changes) apply(ctx context.Context, tx pgx.Tx, r *commitRequest) (refused, err error) {
	ok, err := g.kv.validate(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	if !ok {
		return store.ErrConflict, nil
	}
	for i := range r.steps {
		st := &r.steps[i]
		if st.decision != nil {
			g.decide(st)
		}
		for j := range st.others {
			a := &st.others[j]
			if e := g.events[a.ID.Seq]; e != nil && e.known {
				g.change(e, a)
			}
		}
		if st.Chat != nil {
			put(&g.chats, st.Chat.ID, st.Chat)
		}
		g.rest.take(st.Transition)
		g.arrivals = append(g.arrivals, st.Append...)
	}
	return nil, nil
}

// put sets a value of a map, which it makes if there is none.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}
