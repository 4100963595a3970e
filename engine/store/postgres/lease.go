package postgres

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/engine/wait"
)

// LeaseTimes are the times by which members see one another die. All must have the same.
type LeaseTimes struct {
	Beat  time.Duration // how often a member gives a sign of life; default 500ms
	Valid time.Duration // how old the owner's last one may be when it makes a call; default 2s
	Dead  time.Duration // how long one shows none until another takes over, more than Valid; default 2.5s
}

func (t LeaseTimes) orDefault() LeaseTimes {
	if t == (LeaseTimes{}) {
		return LeaseTimes{Beat: 500 * time.Millisecond, Valid: 2 * time.Second, Dead: 2500 * time.Millisecond}
	}
	return t
}

// membership is this process as one of those that share the store.
type membership struct {
	times  LeaseTimes
	joined atomic.Bool
	gone   sync.WaitGroup
	stop   context.CancelFunc // ends the beats; nil: it has not joined

	mu      sync.Mutex
	seen    sight
	since   time.Time // when seen was first seen, with the monotonic clock
	changed chan struct{}
	lease   atomic.Pointer[lease] // nil: another has it
}

// sight is what the store says of the owner. While it stays the same, the owner shows no sign of
// life.
type sight struct {
	owner *string // nil: nobody
	epoch int64
	beat  int64
}

func (a sight) same(b sight) bool {
	return a.epoch == b.epoch && a.beat == b.beat && (a.owner == nil) == (b.owner == nil) && (a.owner == nil || *a.owner == *b.owner)
}

// lease implements store.Lease.
type lease struct {
	s     *Store
	epoch int64
	began atomic.Pointer[time.Time] // of the last sign of life: when it was begun
	lost  chan struct{}
	once  sync.Once
}

// Join implements store.Shared.
func (s *Store) Join(ctx context.Context, j store.Joining) error {
	const sql = `INSERT INTO members (id, name, version, began_at, beat, beat_at) VALUES ($1, $2, $3, now(), 0, now())`
	if err := s.write(ctx, "join the members", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql, s.owner, text(j.Name), text(j.Version))
		return err
	}); err != nil {
		return err
	}
	beating, stop := context.WithCancel(context.Background())
	m := &s.members
	m.stop = stop
	m.joined.Store(true)
	s.journal.share(func() bool { return m.lease.Load() != nil })
	m.gone.Go(func() { s.follow(beating) })
	m.gone.Go(func() {
		var own *pgx.Conn
		for {
			own = s.beat(beating, own)
			if !wait.For(beating, m.times.Beat) {
				break
			}
		}
		if own != nil {
			_ = own.Close(context.Background())
		}
	})
	return nil
}

// leave ends the membership. The lease is given up with it, if the database answers.
func (s *Store) leave() {
	m := &s.members
	if m.stop == nil {
		return
	}
	m.stop()
	m.gone.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), m.times.Valid)
	defer cancel()
	if l := m.lease.Load(); l != nil {
		_ = l.Release(ctx)
	}
	_, _ = s.pool.Exec(ctx, `DELETE FROM members WHERE id = $1`, s.owner)
}

// beatSQL gives a sign of life, and looks at the owner's. Old members are forgotten here.
const beatSQL = `WITH own AS (UPDATE members SET beat = beat + 1, beat_at = now() WHERE id = $1),
	gone AS (DELETE FROM members WHERE beat_at < now() - interval '1 day' AND id <> $1)
	SELECT l.owner, l.epoch, coalesce(m.beat, 0) FROM leases l LEFT JOIN members m ON m.id = l.owner WHERE l.part = 0`

// beat gives one sign of life, and notes what became of the lease. It uses a session that waits
// for no other work of the process, and returns it for the next one; nil: there is none.
func (s *Store) beat(ctx context.Context, own *pgx.Conn) *pgx.Conn {
	m := &s.members
	ctx, cancel := context.WithTimeout(ctx, m.times.Valid)
	defer cancel()
	began := time.Now()
	if own == nil || own.IsClosed() {
		var err error
		if own, err = pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig); err != nil {
			return nil
		}
	}
	var now sight
	if err := own.QueryRow(ctx, beatSQL, s.owner).Scan(&now.owner, &now.epoch, &now.beat); err != nil {
		return own // closed, unless the server has answered
	}
	if l := m.lease.Load(); l != nil {
		switch {
		case now.epoch > l.epoch:
			l.end()
		case now.epoch == l.epoch:
			l.began.Store(&began)
		default: // from before the takeover
			return own
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since.IsZero() || !m.seen.same(now) {
		m.seen, m.since = now, time.Now()
	}
	close(m.changed)
	m.changed = make(chan struct{})
	return own
}

// Acquire implements store.Shared.
func (s *Store) Acquire(ctx context.Context) (store.Lease, error) {
	m := &s.members
	for {
		m.mu.Lock()
		changed, seen, since := m.changed, m.seen, m.since
		m.mu.Unlock()
		if !since.IsZero() && (seen.owner == nil || *seen.owner == s.owner || time.Since(since) >= m.times.Dead) {
			l, err := s.takeOver(ctx, seen)
			if l != nil {
				return l, nil
			}
			if err == nil {
				m.mu.Lock()
				m.since = time.Time{} // another was faster: look again
				m.mu.Unlock()
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-s.closed:
			return nil, store.ErrClosed
		}
	}
}

const (
	// endSessionsSQL ends the sessions of an owner: one that is stopped may hold locks for ever.
	endSessionsSQL = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()`
	takeSQL        = `UPDATE leases SET owner = $1, epoch = epoch + 1, since = now() WHERE part = 0 AND epoch = $2 AND owner IS NOT DISTINCT FROM $3 RETURNING epoch`
)

// takeOver takes the lease, if its owner is still the one that was seen; nil: it is not.
func (s *Store) takeOver(ctx context.Context, seen sight) (*lease, error) {
	m := &s.members
	ctx, cancel := context.WithTimeout(ctx, m.times.Valid)
	defer cancel()
	began := time.Now()
	if seen.owner != nil && *seen.owner != s.owner {
		if _, err := s.pool.Exec(ctx, endSessionsSQL, application(*seen.owner)); err != nil {
			return nil, err
		}
	}
	var l *lease
	var last int64
	err := s.write(ctx, "take the lease", func(tx pgx.Tx) error {
		l = nil
		rows, err := tx.Query(ctx, takeSQL, s.owner, seen.epoch, seen.owner)
		if err != nil {
			return err
		}
		epochs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if len(epochs) == 1 {
			l = &lease{s: s, epoch: epochs[0], lost: make(chan struct{})}
		}
		if err == nil {
			err = tx.QueryRow(ctx, `SELECT last_seq FROM journal_lock WHERE id = 1`).Scan(&last)
		}
		return err
	})
	if err != nil || l == nil {
		return nil, err // if the answer to COMMIT was lost, Acquire sees itself as the owner
	}
	l.began.Store(&began)
	s.journal.know(last)
	m.lease.Store(l)
	return l, nil
}

// application is the name by which the sessions of a member are found.
func application(owner string) string { return "chertd " + owner }

// Lost implements store.Lease.
func (l *lease) Lost() <-chan struct{} { return l.lost }

// Valid implements store.Lease. The wall clock counts, too: where a machine was suspended, the
// monotonic one may have stood still.
func (l *lease) Valid() bool {
	select {
	case <-l.lost:
		return false
	default:
	}
	began, now, limit := *l.began.Load(), time.Now(), l.s.members.times.Valid
	return now.Sub(began) < limit && now.Round(0).Sub(began.Round(0)).Abs() < limit
}

// Release implements store.Lease.
func (l *lease) Release(ctx context.Context) error {
	l.end()
	return l.s.write(ctx, "give the lease up", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE leases SET owner = NULL, epoch = epoch + 1, since = NULL WHERE part = 0 AND owner = $1 AND epoch = $2`, l.s.owner, l.epoch)
		return err
	})
}

// end notes that another has the lease, or nobody.
func (l *lease) end() {
	l.once.Do(func() {
		l.s.members.lease.CompareAndSwap(l, nil)
		close(l.lost)
	})
}

// fence holds off a takeover until the transaction ends. The error is store.ErrFenced if there
// was one.
func (s *Store) fence(ctx context.Context, tx pgx.Tx) error {
	if !s.members.joined.Load() {
		return nil
	}
	l := s.members.lease.Load()
	if l == nil {
		return store.ErrFenced
	}
	rows, err := tx.Query(ctx, `SELECT 1 FROM leases WHERE part = 0 AND owner = $1 AND epoch = $2 FOR SHARE`, s.owner, l.epoch)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err == nil && len(found) == 0 {
		l.end()
		return store.ErrFenced
	}
	return err
}

// Members implements store.Shared.
func (s *Store) Members(ctx context.Context) (all []store.Member, err error) {
	err = s.read(ctx, "read the members", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT m.id, m.name, m.version, m.began_at, m.beat_at, now() - m.beat_at < $1, m.id = l.owner, m.id = $2
			FROM members m LEFT JOIN leases l ON l.owner = m.id ORDER BY m.name, m.id`, s.members.times.Dead, s.owner)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (m store.Member, err error) {
			var owner *bool
			err = row.Scan(&m.ID, &m.Name, &m.Version, &m.Began, &m.Beat, &m.Alive, &owner, &m.Self)
			m.Name, m.Version, m.Began, m.Beat, m.Owner = untext(m.Name), untext(m.Version), m.Began.UTC(), m.Beat.UTC(), owner != nil && *owner
			return m, err
		})
		return err
	})
	return all, err
}
